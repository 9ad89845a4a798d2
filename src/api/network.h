/* SPDX-License-Identifier: Apache-2.0 */
/* network.h -- what programs may reach: what the server has, narrowed by the key they run for. */
#pragma once

#include <stdint.h>

struct api;
struct http_request;
struct execution_request;

/* How programs are told of the proxy, in the two spellings that tools know. */
struct network_words {
    char upper[48], lower[48];
    const char *proxy[3];
};

void network_words_init(struct network_words *words, uint16_t proxy_port);

/* Sets network and environment of an execution that a request asks for. A key that cannot be looked up has none. */
void network_choose(const struct api *api, const struct http_request *request, struct execution_request *execution);

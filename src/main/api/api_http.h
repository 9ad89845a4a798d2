/* SPDX-License-Identifier: Apache-2.0 */
/* api_http.h -- from configuration to the options of the HTTP server, and to the gate before it. */
#pragma once

#include "api/gate.h"
#include "http/http.h"
#include "main/place/handover.h"

/* Owns the lists that the options point to. */
struct api_http {
    struct http_options options;
    char **origins, **proxies; /* NULL-terminated */
};

/* Fills everything but routes and data. Returns 0 or a negative errno (-EINVAL: CORS_ORIGINS is no list); the caller
 * deinits in both cases, not before http_server_free(). handover must live as long. */
int api_http_init(struct api_http *http, const struct handover *handover);
void api_http_deinit(struct api_http *http);

/* Makes the gate of a configuration. Returns 0 or a negative errno. */
int api_gate_new(const struct config *config, struct key_store *keys, struct gate **ret_gate);

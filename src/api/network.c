/* SPDX-License-Identifier: Apache-2.0 */
#include "api/network.h"

#include <stdio.h>

#include "api/api.h"
#include "api/gate.h"
#include "store/digest.h"

void network_words_init(struct network_words *words, uint16_t proxy_port)
{
    snprintf(words->upper, sizeof(words->upper), "HTTPS_PROXY=http://127.0.0.1:%u", proxy_port);
    snprintf(words->lower, sizeof(words->lower), "https_proxy=http://127.0.0.1:%u", proxy_port);
    words->proxy[0] = words->upper;
    words->proxy[1] = words->lower;
    words->proxy[2] = NULL;
}

/* The wider mode wins where the key does not say. */
static enum execution_network of_server(const struct api *api)
{
    return api->wan_access   ? EXECUTION_NETWORK_WAN
           : api->proxy_port ? EXECUTION_NETWORK_ALLOWLIST
                             : EXECUTION_NETWORK_OFF;
}

/* A mode that the server lacks is the next narrower one that it has. */
static enum execution_network choose(const struct api *api, enum key_network wish)
{
    if (wish == KEY_NETWORK_SERVER || wish == KEY_NETWORK_WAN)
        return of_server(api);
    return wish == KEY_NETWORK_ALLOWLIST && api->proxy_port ? EXECUTION_NETWORK_ALLOWLIST : EXECUTION_NETWORK_OFF;
}

/* The choice of a managed key; keys of the environment, and nobody's, have what the server has. */
static enum key_network wish_of(const struct api *api, const struct http_request *request)
{
    struct key_holder holder = { 0 };
    uint8_t digest[DIGEST_RAW_SIZE];
    const char *hash = http_request_key_hash(request);

    if (*hash == '\0')
        return KEY_NETWORK_SERVER;
    if (!digest_from_hex(hash, digest) || keyring_find(gate_keyring(api->gate), digest, &holder) != 0)
        return KEY_NETWORK_OFF;
    return holder.network;
}

void network_choose(const struct api *api, const struct http_request *request, struct execution_request *execution)
{
    execution->network = of_server(api);
    if (execution->network != EXECUTION_NETWORK_OFF)
        execution->network = choose(api, wish_of(api, request));
    execution->environment = execution->network == EXECUTION_NETWORK_ALLOWLIST ? api->network.proxy : NULL;
}

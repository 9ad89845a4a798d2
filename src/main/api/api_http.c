/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_http.h"

#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "main/api/api_log.h"
#include "main/place/capacity.h"

#define THREADS_MIN 2
#define THREADS_MAX 8

static const struct http_area areas[] = {
    { "/api/v1/admin", HTTP_MASTER },
    { "/admin-dashboard", HTTP_OPEN },
    { NULL, HTTP_KEY },
};
static const char *const profiles[] = { "default", "stateful", NULL };

static unsigned thread_count(void)
{
    struct capacity capacity;

    capacity_measure(&capacity);
    if (capacity.cores < THREADS_MIN)
        return THREADS_MIN;
    return capacity.cores > THREADS_MAX ? THREADS_MAX : (unsigned)capacity.cores;
}

static int make_lists(struct api_http *http, const struct config *config)
{
    int r = config_list_split(config->trusted_proxies, &http->proxies);

    return r ? r : config_origins(config->cors_origins, &http->origins);
}

static struct rate_rule rule_of(struct config_rate rate)
{
    return (struct rate_rule){ .count = rate.count, .seconds = rate.seconds };
}

int api_gate_new(const struct config *config, struct key_store *keys, struct gate **ret_gate)
{
    char **list = NULL;
    int r = config_list_split(config->api_keys, &list);
    const struct gate_options options = {
        .store = keys,
        .api_key = config->api_key,
        .api_keys = (const char *const *)list,
        .master_key = config->master_api_key,
        .auth_enabled = config->auth_enabled,
        .cache_ttl_ms = config->api_key_cache_ttl_seconds * 1000,
        .failure_limit = config->auth_failure_limit,
        .failure_window_ms = config->auth_failure_window_seconds * 1000,
        .key_limits = config->rate_limit_enabled,
        .rules = {
            [RATE_EXEC] = rule_of(config->rate_limit_exec),
            [RATE_UPLOAD] = rule_of(config->rate_limit_upload),
            [RATE_DOWNLOAD] = rule_of(config->rate_limit_download),
            [RATE_FETCH] = rule_of(config->rate_limit_fetch),
        },
    };

    if (r == 0)
        r = gate_new(&options, ret_gate);
    config_list_free(list);
    return r;
}

int api_http_init(struct api_http *http, const struct handover *handover)
{
    const struct config *config = &handover->config;
    struct http_options *o = &http->options;
    int r;

    *http = (struct api_http){ .options = HTTP_OPTIONS_INIT };
    o->address = strcasecmp(config->api_host, "localhost") == 0 ? "127.0.0.1" : config->api_host;
    o->port = (uint16_t)config->api_port;
    o->n_threads = thread_count();
    o->bearer_enabled = config->auth_bearer_enabled;
    o->gate = (struct http_gate){ .authenticate = gate_authenticate, .confirm = gate_confirm, .admit = gate_admit };
    o->areas = areas;
    o->cors_enabled = config->enable_cors;
    o->profile = (struct http_profile){
        .expect_header = "X-CodeAPI-Expected-Profile",
        .answer_header = "X-CodeAPI-Execution-Profile",
        .name = config->texts[CONFIG_EXECUTION_PROFILE],
        .known = profiles,
        .accept_any = strcmp(config->texts[CONFIG_EXECUTION_PROFILE], "any") == 0,
    };
    if (o->profile.accept_any)
        o->profile.name = profiles[0];
    o->debug = config->api_debug;
    o->max_json_bytes = (uint64_t)config->max_json_body_mb << 20;
    o->max_connections = (unsigned)config->max_connections;
    o->max_connections_per_peer = (unsigned)config->max_connections_per_address;
    o->max_request_bytes = (uint64_t)config->max_request_size_mb << 20;
    o->tls_certificate = handover->tls_certificate;
    o->tls_key = handover->tls_key;
    o->tls_client_ca = handover->tls_client_ca;
    o->completed = config->enable_access_logs ? api_log_request : NULL;
    r = make_lists(http, config);
    o->cors_origins = (const char *const *)http->origins;
    o->trusted_proxies = (const char *const *)http->proxies;
    return r;
}

void api_http_deinit(struct api_http *http)
{
    config_list_free(http->origins);
    config_list_free(http->proxies);
    *http = (struct api_http){ 0 };
}

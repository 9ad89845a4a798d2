/* SPDX-License-Identifier: Apache-2.0 */
/* routes.c -- the one table of routes (http-api.md 2), and the life of struct api. */
#include "api/api.h"
#include "api/handlers.h"
#include "api/health.h"
#include "api/offload.h"
#include "api/ptc.h"
#include "base/cleanup.h"
#include "domain/rate.h"

#define OFFLOAD_THREADS 4
#define OFFLOAD_WAITING 512

enum {
    ALSO_V1 = true,
    ONLY_HERE = false,
    CLIENT = true, /* a route of the clients: checks and names the execution profile (http-api.md 11.4) */
    OTHER = false,
};

static const struct http_route routes[] = {
    /* method, path, who may call, also under /v1, body, profile, handler, receiver of uploads, limit of requests */
    { "POST", "/exec", HTTP_KEY, ALSO_V1, HTTP_BODY_JSON, CLIENT, handle_exec, NULL, RATE_EXEC },
    { "POST", "/exec/stream", HTTP_KEY, ALSO_V1, HTTP_BODY_JSON, CLIENT, handle_exec_stream, NULL, RATE_EXEC },
    { "GET", "/executions/{execution_id}", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_execution, NULL },
    { "DELETE", "/executions/{execution_id}", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_execution_cancel,
      NULL },
    { "GET", "/executions/{execution_id}/stream", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_execution_stream,
      NULL },
    { "POST", "/executions/{execution_id}/stdin", HTTP_KEY, ALSO_V1, HTTP_BODY_RAW, CLIENT, handle_execution_stdin,
      NULL },

    { "POST", "/exec/programmatic", HTTP_KEY, ALSO_V1, HTTP_BODY_JSON, CLIENT, handle_programmatic, NULL, RATE_EXEC },
    { "POST", "/exec/programmatic/cancel", HTTP_KEY, ALSO_V1, HTTP_BODY_JSON, CLIENT, handle_programmatic_cancel,
      NULL },

    { "POST", "/upload", HTTP_KEY, ALSO_V1, HTTP_BODY_MULTIPART, CLIENT, handle_upload, &upload_reception,
      RATE_UPLOAD },
    { "POST", "/upload/batch", HTTP_KEY, ALSO_V1, HTTP_BODY_MULTIPART, CLIENT, handle_upload_batch,
      &upload_batch_reception, RATE_UPLOAD },
    { "GET", "/files/{session_id}", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_files, NULL, RATE_FETCH },
    { "DELETE", "/files/{session_id}/{file_id}", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_file_delete, NULL,
      RATE_FETCH },
    { "GET", "/sessions/{session_id}/objects/{file_id}", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_object, NULL,
      RATE_FETCH },
    { "GET", "/download/{session_id}/{file_id}", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, CLIENT, handle_download, NULL,
      RATE_DOWNLOAD },

    { "GET", "/languages", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_languages, NULL },
    { "GET", "/docs", HTTP_OPEN, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_docs, NULL },
    { "GET", "/redoc", HTTP_OPEN, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_docs, NULL },
    { "GET", "/openapi.json", HTTP_OPEN, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_openapi, NULL },
    { "GET", "/config", HTTP_KEY, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_config, NULL },
    { "GET", "/ready", HTTP_OPEN, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_ready, NULL },
    { "GET", "/health", HTTP_OPEN, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_health, NULL },
    { "GET", "/health/detailed", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_health_detailed, NULL },
    { "GET", "/health/redis", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_health_redis, NULL },
    { "GET", "/health/s3", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_health_s3, NULL },
    { "GET", "/health/nsjail", HTTP_KEY, ALSO_V1, HTTP_BODY_NONE, OTHER, handle_health_nsjail, NULL },

    { "GET", "/api/v1/admin/keys", HTTP_MASTER, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_keys, NULL },
    { "POST", "/api/v1/admin/keys", HTTP_MASTER, ONLY_HERE, HTTP_BODY_JSON, OTHER, handle_key_create, NULL },
    { "PATCH", "/api/v1/admin/keys/{key_hash}", HTTP_MASTER, ONLY_HERE, HTTP_BODY_JSON, OTHER, handle_key_change,
      NULL },
    { "DELETE", "/api/v1/admin/keys/{key_hash}", HTTP_MASTER, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_key_revoke,
      NULL },

    { "GET", "/api/v1/admin/security/auth-stats", HTTP_MASTER, ONLY_HERE, HTTP_BODY_NONE, OTHER,
      handle_security_auth_stats, NULL },
    { "GET", "/api/v1/admin/security/rate-limits", HTTP_MASTER, ONLY_HERE, HTTP_BODY_NONE, OTHER,
      handle_security_rate_limits, NULL },
    { "GET", "/api/v1/admin/security/events", HTTP_MASTER, ONLY_HERE, HTTP_BODY_NONE, OTHER, handle_security_events,
      NULL },
};

const char *const api_upload_prefixes[] = { "/upload", "/v1/upload", "/executions/", "/v1/executions/", NULL };

const struct http_route *api_routes(size_t *ret_n_routes)
{
    *ret_n_routes = ARRAY_SIZE(routes);
    return routes;
}

int api_init(struct api *api)
{
    int r;

    api->readiness = (struct readiness)READINESS_INIT;
    atomic_init(&api->stopping, false);
    atomic_init(&api->open_writers, 0);
    network_words_init(&api->network, api->proxy_port);
    api->offload = NULL;
    api->ptc_runs = NULL;
    api->ptc_requests = NULL;
    api->health = NULL;
    r = offload_new(OFFLOAD_THREADS, OFFLOAD_WAITING, &api->offload);
    if (r == 0)
        r = ptc_init(api);
    return r < 0 ? r : health_new(api, &api->health);
}

void api_deinit(struct api *api)
{
    ptc_deinit(api);
    api->offload = offload_free(api->offload);
    api->health = health_free(api->health);
}

void api_stopping(struct api *api)
{
    atomic_store(&api->stopping, true);
}

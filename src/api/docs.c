/* SPDX-License-Identifier: Apache-2.0 */
/* docs.c -- GET /docs, /redoc, /openapi.json and /config (admin.md A6). */
#include "api/answer.h"
#include "api/handlers.h"
#include "api/pages.h"
#include "base/json.h"

/* As a path that there is not. */
static void answer_missing(struct http_request *request)
{
    CLEANUP_JSON json_t *extra = json_pack("{s:s}", "detail", "Not Found");

    answer_error(request, 404, "Not Found", NULL, extra, NULL);
}

void handle_docs(struct http_request *request)
{
    const struct api *api = http_request_data(request);

    if (api->show_docs)
        http_respond_static(request, 200, "text/html; charset=utf-8", NULL, page_docs, page_docs_size);
    else
        answer_missing(request);
}

/* Generators of clients read it: it is there with the pages and without them. */
void handle_openapi(struct http_request *request)
{
    http_respond_static(request, 200, "application/json", NULL, page_openapi, page_openapi_size);
}

void handle_config(struct http_request *request)
{
    const struct api *api = http_request_data(request);
    const struct engine *engine = api->engine;

    if (!api->debug) {
        answer_missing(request);
        return;
    }
    http_respond_json(request, 200,
                      json_pack("{s:b, s:I, s:I, s:I}", "debug", 1, "languages",
                                (json_int_t)engine->languages->n_languages, "max_execution_time",
                                (json_int_t)(engine->max_execution_ms / 1000), "max_memory_mb",
                                (json_int_t)(engine->max_memory_bytes >> 20)));
}

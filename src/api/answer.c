/* SPDX-License-Identifier: Apache-2.0 */
#include "api/answer.h"

#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "api/offload.h"
#include "base/log.h"

#define OFFLOAD_RETRY_SECONDS 2

void answer_error(struct http_request *request, unsigned status, const char *text, json_t *details, json_t *extra,
                  const struct http_header *headers)
{
    json_t *body = http_error_json(request, status, text, NULL, 0);

    if (details)
        json_object_set(body, "details", details);
    if (extra)
        json_object_update(body, extra);
    http_respond_json_headers(request, status, body, headers);
}

void answer_invalid(struct http_request *request, const char *field, const char *code, const char *message)
{
    const struct http_detail detail = { .field = field, .message = message, .code = code };

    http_respond_error(request, 422, "Request validation failed", &detail, 1, NULL);
}

void answer_fault(struct http_request *request, unsigned status, const char *text, const char *what, int error)
{
    log_error("%s %s (request %s): %s: %s", http_request_method(request), http_request_path(request),
              http_request_id(request), what, strerror(error < 0 ? -error : error));
    http_respond_error(request, status, text, NULL, 0, NULL);
}

void answer_unexpected(struct http_request *request, const char *what, int error)
{
    answer_fault(request, 500, ANSWER_UNEXPECTED, what, error);
}

json_t *answer_capacity_json(const struct http_request *request, unsigned retry_after_seconds)
{
    json_t *body = http_error_json(request, 503, "Server is at capacity", NULL, 0);

    json_object_set_new(body, "retry_after_seconds", json_integer(retry_after_seconds));
    return body;
}

void answer_capacity(struct http_request *request, unsigned retry_after_seconds)
{
    char seconds[16];
    const struct http_header headers[] = { { "Retry-After", seconds }, { NULL, NULL } };

    snprintf(seconds, sizeof(seconds), "%u", retry_after_seconds);
    http_respond_json_headers(request, 503, answer_capacity_json(request, retry_after_seconds), headers);
}

void answer_offloaded(struct http_request *request, void (*run)(void *request))
{
    const struct api *api = http_request_data(request);
    int r;

    http_request_suspend(request);
    r = offload_submit(api->offload, run, request);
    if (r == OFFLOAD_E_FULL)
        answer_capacity(request, OFFLOAD_RETRY_SECONDS);
    else if (r < 0)
        answer_unexpected(request, "cannot hand work over", r);
}

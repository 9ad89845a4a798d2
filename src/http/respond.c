/* SPDX-License-Identifier: Apache-2.0 */
#include "http/respond.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "http/text.h"

/* http-api.md 6.1. A caller's header of the same name replaces one. */
static const struct http_header security_headers[] = {
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "X-XSS-Protection", "1; mode=block" },
    { "Strict-Transport-Security", "max-age=31536000; includeSubDomains" },
    { "Content-Security-Policy", "default-src 'self'" },
    { "Referrer-Policy", "strict-origin-when-cross-origin" },
    { "Permissions-Policy", "geolocation=(), microphone=(), camera=()" },
};

/* http-api.md 8.3 */
static const struct {
    unsigned status;
    const char *type;
} error_types[] = {
    { 400, "validation" },        { 401, "authentication" },
    { 403, "authorization" },     { 404, "resource_not_found" },
    { 409, "resource_conflict" }, { 413, "resource_exhausted" },
    { 415, "validation" },        { 422, "validation" },
    { 429, "rate_limited" },      { 500, "internal_server" },
    { 502, "external_service" },  { 503, "service_unavailable" },
    { 504, "timeout" },
};

static const char *error_type(unsigned status)
{
    for (size_t i = 0; i < ARRAY_SIZE(error_types); i++)
        if (error_types[i].status == status)
            return error_types[i].type;
    return "internal_server";
}

/* ---- headers ---- */

static bool is_given(const struct http_header *headers, const char *name)
{
    for (; headers && headers->name; headers++)
        if (strcasecmp(headers->name, name) == 0)
            return true;
    return false;
}

static void add(struct MHD_Response *response, const char *name, const char *value)
{
    CLEANUP_FREE char *safe = text_header_value(value);

    if (safe)
        MHD_add_response_header(response, name, safe);
}

static void add_cors(const struct http_request *request, struct MHD_Response *response)
{
    if (!request->server->options.cors_enabled)
        return;
    MHD_add_response_header(response, "Vary", "Origin");
    if (!request->cors_origin)
        return;
    add(response, "Access-Control-Allow-Origin", request->cors_origin);
    MHD_add_response_header(response, "Access-Control-Allow-Credentials", "true");
    MHD_add_response_header(response, "Access-Control-Expose-Headers", "Content-Disposition");
}

static void add_duration(const struct http_request *request, struct MHD_Response *response)
{
    char text[32];

    snprintf(text, sizeof(text), "%.2f", (double)(clock_monotonic_us() - request->begun_us) / 1000);
    MHD_add_response_header(response, "X-Response-Time-Ms", text);
}

/* Of requests that were counted, and of the one that was one too many. */
static void add_rate(const struct http_request *request, struct MHD_Response *response)
{
    const struct http_rate *rate = &request->rate;
    char number[24], time[CLOCK_ISO_SIZE];

    if (!rate->period)
        return;
    snprintf(number, sizeof(number), "%lld", (long long)rate->limit);
    MHD_add_response_header(response, "X-RateLimit-Limit", number);
    snprintf(number, sizeof(number), "%lld", (long long)rate->remaining);
    MHD_add_response_header(response, "X-RateLimit-Remaining", number);
    clock_format_iso(rate->resets_ms, time);
    MHD_add_response_header(response, "X-RateLimit-Reset", time);
    MHD_add_response_header(response, "X-RateLimit-Period", rate->period);
}

static void add_security(struct MHD_Response *response, const struct http_header *headers)
{
    for (size_t i = 0; i < ARRAY_SIZE(security_headers); i++)
        if (!is_given(headers, security_headers[i].name))
            MHD_add_response_header(response, security_headers[i].name, security_headers[i].value);
}

void respond_decorate(const struct http_request *request, struct MHD_Response *response, const char *content_type,
                      const struct http_header *headers)
{
    const struct http_server *server = request->server;
    const struct http_profile *profile = &server->options.profile;

    add_security(response, headers);
    if (content_type)
        add(response, "Content-Type", content_type);
    for (const struct http_header *h = headers; h && h->name; h++)
        add(response, h->name, h->value);
    if (profile->answer_header && request->match.known && request->match.known->profile)
        MHD_add_response_header(response, profile->answer_header, profile->name);
    add_rate(request, response);
    add_cors(request, response);
    if (server->options.debug)
        add_duration(request, response);
    if (server->draining || request->must_close)
        MHD_add_response_header(response, "Connection", "close");
}

/* ---- delivery ---- */

void respond_resume(struct http_request *request)
{
    if (!request->parked)
        return;
    request->parked = false;
    MHD_resume_connection(request->connection);
}

/* The request's lock is held. Returns false if the response is not wanted any more. */
static bool offer(struct http_request *request, struct MHD_Response *response, unsigned status)
{
    if (!request->connection || request->answered)
        return false;
    request->answered = true;
    request->response = response;
    request->status = status;
    respond_resume(request);
    return true;
}

bool respond_begin(struct http_request *request, struct MHD_Response *response, unsigned status)
{
    bool taken;

    pthread_mutex_lock(&request->lock);
    taken = offer(request, response, status);
    pthread_mutex_unlock(&request->lock);
    if (!taken)
        MHD_destroy_response(response);
    return taken;
}

void respond_release(struct http_request *request)
{
    bool owned;

    pthread_mutex_lock(&request->lock);
    owned = request->owned;
    request->owned = false;
    pthread_mutex_unlock(&request->lock);
    if (!owned)
        return;
    body_forget(request);
    request_unref(request);
}

/* The final call of every answer that is complete. A missing response (out of memory) becomes a bare 500. */
static void deliver(struct http_request *request, struct MHD_Response *response, unsigned status)
{
    if (!response) {
        response = MHD_create_response_from_buffer(0, "", MHD_RESPMEM_PERSISTENT);
        status = 500;
    }
    if (response)
        respond_begin(request, response, status);
    respond_release(request);
}

static struct MHD_Response *make_memory(const struct http_request *request, const char *content_type,
                                        const struct http_header *headers, char *body, size_t length)
{
    struct MHD_Response *response;

    response = MHD_create_response_from_buffer(length, body ? body : "",
                                               body ? MHD_RESPMEM_MUST_FREE : MHD_RESPMEM_PERSISTENT);
    if (!response) {
        free(body);
        return NULL;
    }
    respond_decorate(request, response, content_type, headers);
    return response;
}

static struct MHD_Response *make_json(const struct http_request *request, json_t *json,
                                      const struct http_header *headers)
{
    char *text = json ? json_dumps(json, JSON_ANSWER) : NULL;

    json_decref(json);
    return text ? make_memory(request, "application/json", headers, text, strlen(text)) : NULL;
}

void respond_abort(struct http_request *request)
{
    struct MHD_Response *response;
    bool waiting;

    pthread_mutex_lock(&request->lock);
    request->aborted = true;
    waiting = request->owned && !request->answered;
    if (!waiting)
        respond_resume(request); /* a stream */
    pthread_cond_broadcast(&request->room);
    pthread_mutex_unlock(&request->lock);
    if (!waiting)
        return;
    response = make_json(request, http_error_json(request, 503, "Service is shutting down", NULL, 0), NULL);
    if (response)
        respond_begin(request, response, 503);
}

void http_request_suspend(struct http_request *request)
{
    bool parked;

    request_ref(request);
    request->handed_over = true;
    pthread_mutex_lock(&request->lock);
    request->owned = true;
    /* The stopping thread sets its flag before it visits the requests under their locks: either it finds this one
     * parked, or the flag is seen here. */
    parked = !request->server->stopping;
    if (parked) {
        request->parked = true;
        MHD_suspend_connection(request->connection);
    }
    pthread_mutex_unlock(&request->lock);
    request->suspended = parked;
    if (!parked)
        respond_abort(request);
}

/* ---- the public answers ---- */

void http_respond(struct http_request *request, unsigned status, const char *content_type,
                  const struct http_header *headers, char *body, size_t length)
{
    deliver(request, make_memory(request, content_type, headers, body, length), status);
}

void http_respond_static(struct http_request *request, unsigned status, const char *content_type,
                         const struct http_header *headers, const void *body, size_t length)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(length, (void *)body, MHD_RESPMEM_PERSISTENT);

    if (response)
        respond_decorate(request, response, content_type, headers);
    deliver(request, response, status);
}

void http_respond_json(struct http_request *request, unsigned status, json_t *json)
{
    http_respond_json_headers(request, status, json, NULL);
}

void http_respond_json_headers(struct http_request *request, unsigned status, json_t *json,
                               const struct http_header *headers)
{
    deliver(request, make_json(request, json, headers), status);
}

/* Error texts may quote what a client sent, in any encoding. */
static json_t *json_text(const char *text)
{
    CLEANUP_FREE char *repaired = NULL;
    json_t *json;
    size_t length;

    if (!text)
        return json_null();
    json = json_string(text);
    if (json)
        return json;
    repaired = text_repair_utf8(text, strlen(text), &length);
    return repaired ? json_string(repaired) : NULL;
}

static json_t *details_json(const struct http_detail *details, size_t n_details)
{
    json_t *list;

    if (n_details == 0)
        return json_null();
    list = json_array();
    for (size_t i = 0; list && i < n_details; i++) {
        json_t *entry = json_object();

        if (!entry || json_object_set_new(entry, "field", json_text(details[i].field)) < 0 ||
            json_object_set_new(entry, "message", json_text(details[i].message)) < 0 ||
            json_object_set_new(entry, "code", json_text(details[i].code)) < 0) {
            json_decref(entry);
            entry = NULL;
        }
        if (!entry || json_array_append_new(list, entry) < 0) {
            json_decref(list);
            list = NULL;
        }
    }
    return list;
}

static json_t *error_json(const char *id, unsigned status, const char *text, const struct http_detail *details,
                          size_t n_details)
{
    json_t *json = json_object();

    if (json && json_object_set_new(json, "error", json_text(text)) == 0 &&
        json_object_set_new(json, "error_type", json_string(error_type(status))) == 0 &&
        json_object_set_new(json, "details", details_json(details, n_details)) == 0 &&
        json_object_set_new(json, "request_id", json_string(id)) == 0 &&
        json_object_set_new(json, "timestamp", json_real((double)clock_wall_ms() / 1000)) == 0)
        return json;
    json_decref(json);
    return NULL;
}

json_t *http_error_json(const struct http_request *request, unsigned status, const char *text,
                        const struct http_detail *details, size_t n_details)
{
    return error_json(request->id, status, text, details, n_details);
}

static char *orphan_body(unsigned status, const char *text)
{
    char id[ID_SIZE], *body;
    json_t *json;

    id_generate(id);
    json = error_json(id, status, text, NULL, 0);
    body = json ? json_dumps(json, JSON_ANSWER) : NULL;
    json_decref(json);
    return body;
}

struct MHD_Response *respond_make_orphan(unsigned status, const char *text)
{
    char *body = orphan_body(status, text);
    struct MHD_Response *response;

    response = body ? MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE) : NULL;
    if (!response) {
        free(body);
        return NULL;
    }
    add_security(response, NULL);
    MHD_add_response_header(response, "Content-Type", "application/json");
    return response;
}

char *respond_write_orphan(unsigned status, const char *text)
{
    CLEANUP_FREE char *body = orphan_body(status, text);
    char *bytes = NULL;
    size_t size;
    FILE *out = body ? open_memstream(&bytes, &size) : NULL;

    if (!out)
        return NULL;
    fprintf(out, "HTTP/1.1 %u %s\r\nConnection: close\r\n", status, MHD_get_reason_phrase_for(status));
    for (size_t i = 0; i < ARRAY_SIZE(security_headers); i++)
        fprintf(out, "%s: %s\r\n", security_headers[i].name, security_headers[i].value);
    fprintf(out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s", strlen(body), body);
    if (fclose(out) != 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

void http_respond_error(struct http_request *request, unsigned status, const char *text,
                        const struct http_detail *details, size_t n_details, const struct http_header *headers)
{
    http_respond_json_headers(request, status, http_error_json(request, status, text, details, n_details), headers);
}

void http_respond_fd(struct http_request *request, unsigned status, const char *content_type,
                     const struct http_header *headers, int fd, uint64_t size)
{
    struct MHD_Response *response;

    /* The library takes sizes and offsets as signed numbers. */
    response = size <= INT64_MAX ? MHD_create_response_from_fd64(size, fd) : NULL;
    if (response)
        respond_decorate(request, response, content_type, headers);
    else
        close(fd);
    deliver(request, response, status);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The body of a request: refused by its declared size or kind, buffered, fed to an upload, or dropped. Once the answer
 * is known before the body has ended, what still comes is dropped within a bound: the library below cannot answer in
 * the middle of a body. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "http/internal.h"
#include "http/text.h"

#define MEBIBYTE         (1u << 20)
#define LARGE_BODY_BYTES MEBIBYTE

static void answer_too_large(struct http_request *request)
{
    char text[80];
    uint64_t limit = request->body_limit;

    if (limit % MEBIBYTE == 0 && limit > 0)
        snprintf(text, sizeof(text), "Request body too large. Maximum size is %lluMB",
                 (unsigned long long)(limit / MEBIBYTE));
    else
        snprintf(text, sizeof(text), "Request body too large. Maximum size is %llu bytes", (unsigned long long)limit);
    http_respond_error(request, 413, text, NULL, 0, NULL);
}

static void answer_no_room(struct http_request *request)
{
    static const struct http_header retry[] = { { "Retry-After", "1" }, { NULL, NULL } };

    http_respond_error(request, 503, "Too many large requests in progress", NULL, 0, retry);
}

static void answer_not_json(struct http_request *request)
{
    static const struct http_detail detail = { "body", "Input should be a JSON object sent as application/json",
                                               "model_attributes_type" };

    http_respond_error(request, 422, "Request validation failed", &detail, 1, NULL);
}

static void answer_fault(struct http_request *request)
{
    http_respond_error(request, 500, "An unexpected error occurred", NULL, 0, NULL);
}

static bool is_json_type(const char *type)
{
    return !type || !type[0] || text_media_type_is(type, "application/json") ||
           text_media_type_is(type, "text/plain") || text_media_type_is_json_suffix(type);
}

/* ---- the type of a multipart body ---- */

struct multipart_type {
    bool found;
    const char *boundary;
    size_t boundary_length;
};

static enum MHD_Result look_at_type(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct multipart_type *type = context;

    (void)kind;
    if (strcasecmp(name, "Content-Type") == 0 && value && text_media_type_is(value, "multipart/form-data")) {
        type->found = true;
        if (type->boundary_length == 0)
            type->boundary_length = multipart_boundary(value, &type->boundary);
    }
    return MHD_YES;
}

/* One client sends the bare type and the one with the boundary as two headers, so all of them are looked at. */
static bool open_upload(struct http_request *request)
{
    const struct http_upload *upload = request->match.route->upload;
    struct multipart_type type = { 0 };
    int r;

    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, look_at_type, &type);
    if (!type.found) {
        http_respond_error(request, 400, "Invalid content type. Must be multipart/form-data.", NULL, 0, NULL);
        return false;
    }
    r = upload->open(request, &request->upload_context);
    request->upload_open = r == 0;
    if (r == 0)
        r = multipart_new(type.boundary, type.boundary_length, upload, request->upload_context, &request->multipart);
    if (r == MULTIPART_E_MALFORMED)
        http_respond_error(request, 400, "Error processing upload", NULL, 0, NULL);
    else if (r != 0) {
        log_error("cannot open an upload: %s", strerror(r < 0 ? -r : EIO));
        answer_fault(request);
    }
    return r == 0;
}

/* ---- the life of a body ---- */

static bool is_buffered(const struct http_request *request)
{
    enum http_body kind = request->match.route->body;

    return kind == HTTP_BODY_JSON || kind == HTTP_BODY_RAW;
}

bool body_begin(struct http_request *request)
{
    const struct http_options *options = &request->server->options;
    const struct http_route *route = request->match.route;

    request->body_limit = options->max_request_bytes;
    if (is_buffered(request) && options->max_json_bytes < request->body_limit)
        request->body_limit = options->max_json_bytes;
    if (!request->has_body)
        return false;
    if (request->declared_bytes != UINT64_MAX && request->declared_bytes > request->body_limit) {
        answer_too_large(request);
        return true;
    }
    if (route->body == HTTP_BODY_JSON && !is_json_type(request_header(request, "Content-Type"))) {
        answer_not_json(request);
        return true;
    }
    if (route->body == HTTP_BODY_MULTIPART && !open_upload(request))
        return true;
    request->body.ceiling = request->body_limit;
    request->phase = PHASE_BODY;
    return false;
}

/* The answer is given: nothing of the body is wanted any more. */
static void drop_rest(struct http_request *request)
{
    body_forget(request);
    request->phase = PHASE_DROP;
}

/* Buffers bytes; grows in large steps and charges each step to the server's allowance. */
static void keep(struct http_request *request, const char *data, size_t length)
{
    size_t needed = request->body.length + length, step = 65536;

    if (needed > request->charged_bytes) {
        if (step < request->body.length)
            step = request->body.length;
        if (!request_charge(request, (needed - request->charged_bytes + step - 1) / step * step)) {
            answer_no_room(request);
            drop_rest(request);
            return;
        }
    }
    if (buffer_append(&request->body, data, length) < 0) {
        answer_fault(request);
        drop_rest(request);
    }
}

static void feed(struct http_request *request, const char *data, size_t length)
{
    int r;

    if (!request->multipart)
        return; /* stopped: the handler will answer */
    r = multipart_feed(request->multipart, data, length);
    if (r == MULTIPART_E_STOPPED)
        request->multipart = multipart_free(request->multipart);
    else if (r != 0) {
        if (r < 0) {
            log_error("cannot take an upload: %s", strerror(-r));
            answer_fault(request);
        } else
            http_respond_error(request, 400, "Error processing upload", NULL, 0, NULL);
        drop_rest(request);
    }
}

bool body_receive(struct http_request *request, const char *data, size_t length)
{
    uint64_t most = request->server->options.max_request_bytes;

    request->body_bytes += length;
    if (request->guarded)
        request->guarded->body_bytes = request->body_bytes;
    if (request->phase != PHASE_BODY)
        return request->body_bytes / 2 <= most;
    if (request->body_bytes > request->body_limit) {
        answer_too_large(request);
        drop_rest(request);
    } else if (is_buffered(request))
        keep(request, data, length);
    else if (request->match.route->body == HTTP_BODY_MULTIPART)
        feed(request, data, length);
    return true;
}

bool body_end(struct http_request *request)
{
    if (request->phase == PHASE_DROP)
        return true;
    if (request->multipart && multipart_finish(request->multipart) != 0) {
        http_respond_error(request, 400, "Error processing upload", NULL, 0, NULL);
        return true;
    }
    return false;
}

void body_forget(struct http_request *request)
{
    request->was_large |= request->charged_bytes >= LARGE_BODY_BYTES;
    buffer_deinit(&request->body);
    atomic_fetch_sub(&request->server->buffered_bytes, request->charged_bytes);
    request->charged_bytes = 0;
    request->multipart = multipart_free(request->multipart);
}

void body_deinit(struct http_request *request)
{
    body_forget(request);
    if (request->upload_open)
        request->match.route->upload->close(request->upload_context);
    request->upload_open = false;
    /* What was made of a large body lay in the allocator's pools, which would keep most of it for good. */
    if (request->was_large)
        malloc_trim(0);
}

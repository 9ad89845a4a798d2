/* SPDX-License-Identifier: Apache-2.0 */
/* fake_http.h -- the HTTP library as far as handlers know it: a request is a struct, answers are kept in it. Defined
 * here in full, so that the linker takes nothing of the real one. For one source file of a test program. */
#pragma once

#include "check.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/http.h"

struct http_request {
    /* what a handler may ask for */
    void *data, *upload;
    const char *body; /* JSON */

    /* what it did */
    bool suspended;
    unsigned status, n_answers;
    json_t *answer;    /* the last JSON body */
    char header[256];  /* of the answer, "Name: value" lines */
    char streamed[64]; /* what came before the end of a stream */
    bool streaming;
};

static inline void fake_http_deinit(struct http_request *request)
{
    json_decref(request->answer);
    request->answer = NULL;
}

static inline const char *fake_http_text(const struct http_request *request, const char *key)
{
    return json_string_value(json_object_get(request->answer, key));
}

static inline void fake_http_headers(struct http_request *request, const struct http_header *headers)
{
    request->header[0] = '\0';
    for (; headers && headers->name; headers++) {
        size_t used = strlen(request->header);

        snprintf(request->header + used, sizeof(request->header) - used, "%s: %s\n", headers->name, headers->value);
    }
}

void *http_request_data(const struct http_request *request)
{
    return request->data;
}

void *http_request_upload_context(const struct http_request *request)
{
    return request->upload;
}

const char *http_request_tenant(const struct http_request *request)
{
    (void)request;
    return "tenant";
}

const char *http_request_key_hash(const struct http_request *request)
{
    (void)request;
    return "key";
}

const char *http_request_key_prefix(const struct http_request *request)
{
    (void)request;
    return "sk-exa...";
}

const char *http_request_client_ip(const struct http_request *request)
{
    (void)request;
    return "192.0.2.1";
}

const char *http_request_id(const struct http_request *request)
{
    (void)request;
    return "request";
}

const char *http_request_method(const struct http_request *request)
{
    (void)request;
    return "POST";
}

const char *http_request_path(const struct http_request *request)
{
    (void)request;
    return "/path";
}

int64_t http_request_received_us(const struct http_request *request)
{
    (void)request;
    return 4711;
}

int http_request_dup_fd(struct http_request *request)
{
    assert_false(request->suspended);
    return dup(STDIN_FILENO);
}

void http_request_close_after(struct http_request *request, int fd)
{
    assert_int_equal(request->n_answers, 0);
    if (fd >= 0)
        close(fd);
}

json_t *http_json_object(struct http_request *request)
{
    json_t *json = json_loads(request->body, JSON_ALLOW_NUL, NULL);

    assert_non_null(json);
    return json;
}

void http_request_suspend(struct http_request *request)
{
    request->suspended = true;
}

void http_respond_json_headers(struct http_request *request, unsigned status, json_t *json,
                               const struct http_header *headers)
{
    assert_false(request->streaming);
    json_decref(request->answer);
    request->status = status;
    request->answer = json;
    request->n_answers++;
    fake_http_headers(request, headers);
}

void http_respond_json(struct http_request *request, unsigned status, json_t *json)
{
    http_respond_json_headers(request, status, json, NULL);
}

void http_respond(struct http_request *request, unsigned status, const char *content_type,
                  const struct http_header *headers, char *body, size_t length)
{
    assert_string_equal(content_type, "application/json");
    http_respond_json_headers(request, status, json_loadb(body, length, 0, NULL), headers);
    free(body);
}

json_t *http_error_json(const struct http_request *request, unsigned status, const char *text,
                        const struct http_detail *details, size_t n_details)
{
    json_t *json = json_pack("{s:s, s:i, s:n}", "error", text, "status", (int)status, "details");

    (void)request;
    if (n_details) {
        json_object_set_new(json, "field", json_string(details->field));
        json_object_set_new(json, "code", json_string(details->code));
    }
    return json;
}

void http_respond_error(struct http_request *request, unsigned status, const char *text,
                        const struct http_detail *details, size_t n_details, const struct http_header *headers)
{
    http_respond_json_headers(request, status, http_error_json(request, status, text, details, n_details), headers);
}

void http_stream_begin(struct http_request *request, unsigned status, const char *content_type,
                       const struct http_header *headers)
{
    assert_true(request->suspended);
    assert_false(request->streaming);
    assert_string_equal(content_type, "application/json");
    request->streaming = true;
    request->status = status;
    fake_http_headers(request, headers);
}

int http_stream_write(struct http_request *request, const void *data, size_t length, int64_t timeout_ms)
{
    assert_true(request->streaming);
    assert_int_equal(timeout_ms, 0);
    strncat(request->streamed, data, length);
    return 0;
}

void http_stream_end(struct http_request *request, char *last, size_t length)
{
    assert_true(request->streaming);
    request->answer = json_loadb(last, length, 0, NULL);
    request->n_answers++;
    free(last);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* answer.h -- the answers several handlers give. Each function makes the final call of the request. */
#pragma once

#include <jansson.h>

#include "http/http.h"

/* An error with members of its own: details (a list, may be NULL) and extra (an object, may be NULL) are borrowed. */
void answer_error(struct http_request *request, unsigned status, const char *text, json_t *details, json_t *extra,
                  const struct http_header *headers);

/* 422 with one detail. */
void answer_invalid(struct http_request *request, const char *field, const char *code, const char *message);

/* The top of the request for a negative errno: logs what failed, once, and tells the client nothing but the status and
 * text (http-api.md 8.5). */
void answer_fault(struct http_request *request, unsigned status, const char *text, const char *what, int error);

/* The same with a 500, for what no client can do anything about. */
#define ANSWER_UNEXPECTED "An unexpected error occurred"
void answer_unexpected(struct http_request *request, const char *what, int error);

/* 503 Server is at capacity, with the time to come back after (extensions.md X2). */
void answer_capacity(struct http_request *request, unsigned retry_after_seconds);

/* The body of the same, for streams. Returns NULL without memory. */
json_t *answer_capacity_json(const struct http_request *request, unsigned retry_after_seconds);

/* Suspends the request and has run(request) called on an offload thread, which makes the final call; if that is not
 * possible answers 503. */
void answer_offloaded(struct http_request *request, void (*run)(void *request));

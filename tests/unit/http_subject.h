/* SPDX-License-Identifier: Apache-2.0 */
/* http_subject.h -- the server that the tests of src/http ask: a route for each way to answer, and two keys. */
#pragma once

#include <pthread.h>

#include "http_client.h"

#define KEY    "sk-test-key-0123456789"
#define MASTER "mk-test-key-0123456789"

/* Parts of requests: headers with a key, with the right one, and for n bytes of JSON; the one part of an upload. */
#define H(key)  "Host: x\r\nX-API-Key: " key "\r\n"
#define GOOD    H(KEY)
#define JSON(n) "Content-Type: application/json\r\nContent-Length: " #n "\r\n\r\n"
#define PART                                                                                                           \
    "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\nContent-Type: "                     \
    "text/plain\r\n\r\nabc\r\n"

/* The server of a test program, and what its handlers count under the lock. */
extern struct subject {
    struct http_server *server;
    pthread_mutex_t lock;
    unsigned uploads_open, uploads_closed;
    struct http_summary last;
} state;

/* Of cmocka_run_group_tests(): state.server runs between them. */
int set_up(void **context);
int tear_down(void **context);

/* For a server of a test's own. start() fails the test if it does not start. */
struct http_options make_options(void);
struct http_server *start(const struct http_options *options);

/* A gate's authenticate() that asks for no key. */
bool let_in(const struct http_claim *claim, struct http_principal *ret_principal, struct http_refusal *ret_refusal,
            void *data);

/* http_later.c */
void on_later(struct http_request *request);
void on_stream(struct http_request *request);
void on_pull(struct http_request *request);
void on_flood(struct http_request *request);

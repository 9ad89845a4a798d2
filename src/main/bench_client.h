/* SPDX-License-Identifier: Apache-2.0 */
/* bench_client.h -- one keep-alive HTTP/1.1 connection to the server under measurement, and POST /exec over it.
 *
 *     CLEANUP(bench_client_deinit) struct bench_client client = BENCH_CLIENT_INIT(&server);
 *     r = bench_exec(&client, &call, &answer);
 *
 * A request is made ready before the clock starts and its answer is judged after the clock stopped, so that a time is
 * from the first byte sent to the last byte received. A lost connection is made anew by the next call. */
#pragma once

#include <jansson.h>
#include <netinet/in.h>

#include "base/buffer.h"
#include "base/id.h"
#include "main/bench_row.h"

#define BENCH_KEY_SIZE 257

/* Where requests go. */
struct bench_address {
    struct sockaddr_in socket; /* IPv4 */
    char key[BENCH_KEY_SIZE];  /* x-api-key */
};

struct bench_client {
    const struct bench_address *address; /* borrowed */
    int fd;                              /* -1 = not connected */
    struct buffer request, reply;
};

#define BENCH_REPLY_MAX_BYTES ((size_t)8 << 20)
#define BENCH_CLIENT_INIT(address_)                                                                                    \
    ((struct bench_client){ (address_), -1, BUFFER_INIT(BENCH_REPLY_MAX_BYTES), BUFFER_INIT(BENCH_REPLY_MAX_BYTES) })

void bench_client_deinit(struct bench_client *client);

/* Reads "http://127.0.0.1:8000". Returns 0, or -EINVAL for anything but http, an IPv4 address or "localhost", and a
 * port. */
int bench_address_parse(const char *url, struct bench_address *ret_address);

/* Prepares a request: method, path, and a body of JSON or NULL. Returns 0 or a negative errno. */
int bench_client_prepare(struct bench_client *client, const char *method, const char *path, const char *body);

/* Sends what was prepared and reads the whole answer. Returns the HTTP status, or a negative errno: -EBADMSG for
 * bytes that are no HTTP, -ECONNRESET when the server closed. *ret_body is borrowed until the next call. */
int bench_client_send(struct bench_client *client, double *ret_ms, const char **ret_body, size_t *ret_length);

/* GET path, parsed as JSON; the caller owns the result. Returns the HTTP status or a negative errno. */
int bench_client_get(struct bench_client *client, const char *path, json_t **ret_body);

/* One execution and what must come out of it. */
struct bench_call {
    const char *language, *code;
    const char *expected;   /* the whole of stdout */
    const char *session_id; /* NULL or "" = a session of its own */
};

struct bench_answer {
    double ms;
    char session_id[ID_MAX_SIZE];
    char warm[BENCH_WARM_SIZE]; /* where the cell came from; "" = not said */
};

enum {
    BENCH_EXEC_E_WRONG = 1, /* refused, failed, or another stdout; the note says what came */
};

/* Runs it and compares. note gets a sentence when the answer is wrong. Returns 0, BENCH_EXEC_E_WRONG or a negative
 * errno. */
int bench_exec(struct bench_client *client, const struct bench_call *call, struct bench_answer *ret_answer, char *note,
               size_t note_size);

/* SPDX-License-Identifier: Apache-2.0 */
/* caller.h -- one keep-alive HTTP/1.1 connection to a server, of commands that ask one (`bench`, `selftest`).
 *
 *     CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&address);
 *     r = caller_get(&client, "/languages", &languages);
 *
 * A request is made ready before the clock starts and its answer is judged after the clock stopped, so that a time is
 * from the first byte sent to the last byte received. A lost connection is made anew by the next call. */
#pragma once

#include <jansson.h>
#include <netinet/in.h>

#include "base/buffer.h"

#define CALLER_KEY_SIZE 257

/* Where requests go. */
struct caller_address {
    struct sockaddr_in socket; /* IPv4 */
    char key[CALLER_KEY_SIZE]; /* x-api-key */
};

struct caller {
    const struct caller_address *address; /* borrowed */
    int fd;                               /* -1 = not connected */
    struct buffer request, reply;
    unsigned within_s; /* for each pause of the server; 0 = longer than any execution may take */
};

#define CALLER_REPLY_MAX_BYTES ((size_t)8 << 20)
#define CALLER_INIT(address_)                                                                                          \
    ((struct caller){ (address_), -1, BUFFER_INIT(CALLER_REPLY_MAX_BYTES), BUFFER_INIT(CALLER_REPLY_MAX_BYTES) })

void caller_deinit(struct caller *client);

/* Reads "http://127.0.0.1:8000". Returns 0, or -EINVAL for anything but http, an IPv4 address or "localhost", and a
 * port. */
int caller_address_parse(const char *url, struct caller_address *ret_address);

/* Prepares a request: method, path, and a body of JSON or NULL. Returns 0 or a negative errno. */
int caller_prepare(struct caller *client, const char *method, const char *path, const char *body);

/* Sends what was prepared and waits for nothing. Returns 0 or a negative errno. */
int caller_begin(struct caller *client);

/* Sends what was prepared and reads the whole answer. Returns the HTTP status, or a negative errno: -EBADMSG for
 * bytes that are no HTTP, -ECONNRESET when the server closed. *ret_body is borrowed until the next call. */
int caller_send(struct caller *client, double *ret_ms, const char **ret_body, size_t *ret_length);

/* GET path, parsed as JSON; the caller owns the result. Returns the HTTP status or a negative errno. */
int caller_get(struct caller *client, const char *path, json_t **ret_body);

/* SPDX-License-Identifier: Apache-2.0 */
/* http_client.h -- a client that sends any bytes at all, over loopback, and reads what comes back. */
#pragma once

#include <stdbool.h>

#include "check.h"
#include "http/http.h"

struct reply {
    char *bytes; /* all that came */
    size_t length;
    int status;
    char *headers; /* into bytes, NUL-terminated */
    char *body;    /* into bytes, chunks joined */
    size_t body_length;
    bool complete;
};

void reply_deinit(struct reply *reply);

/* The value of a header of the answer, until the thread's next call; NULL = it has none. */
const char *header(const struct reply *reply, const char *name);
int count_header(const struct reply *reply, const char *name);

/* A new connection, the caller's. try_dial() returns -1 where dial() fails the test. */
int dial(struct http_server *server);
int try_dial(struct http_server *server);

/* Sends as much as the server takes; a server may answer and close before it has read everything. */
void push(int fd, const void *data, size_t length);
void push_text(int fd, const char *text);
void push_chunk(int fd, const char *data, size_t length);

/* Reads one answer; head: it has no body whatever its headers say. What did not come whole in time is not complete. */
struct reply read_reply_within(int fd, bool head, int timeout_ms);
struct reply read_reply(int fd);

/* The same on a connection of its own. */
struct reply ask_bytes(struct http_server *server, const void *data, size_t length);
struct reply ask(struct http_server *server, const char *text);

/* What every answer must carry, and what every error is made of. */
void check_security_headers(const struct reply *reply);
void check_error(const struct reply *reply, const char *text);

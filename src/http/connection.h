/* SPDX-License-Identifier: Apache-2.0 */
/* connection.h -- how long a client may take. One thread looks at all connections every second. It cuts those that
 * trickle their headers or their body (the library below only knows a limit on silence) and those that ended in
 * mid-request, and reads on for a moment from clients that were answered before they had sent everything, so that the
 * answer is not lost to a reset.
 *
 * connection_open() and connection_close() bracket the life of a descriptor; a connection is never touched after
 * connection_close() has returned, which is before the descriptor is closed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum connection_phase {
    CONNECTION_WAITING, /* for a whole header block */
    CONNECTION_BODY,
    CONNECTION_BUSY, /* the delay is ours */
};

struct connection {
    struct connection *prev, *next;
    int fd; /* borrowed */
    _Atomic enum connection_phase phase;
    _Atomic int64_t since_us;
    _Atomic uint64_t body_bytes;
    _Atomic bool served; /* a request came on it before */
    bool unread;         /* answered before the client had sent everything; of the connection's thread alone */
};

struct connection_guard;

struct connection_limits {
    int64_t header_us; /* from connecting to the end of the first header block, and of a later one after idle_us */
    int64_t idle_us;
};

int connection_guard_new(const struct connection_limits *limits, struct connection_guard **ret_guard);
struct connection_guard *connection_guard_free(struct connection_guard *guard); /* joins the thread; returns NULL */

/* Returns NULL if out of memory; the connection then simply is not guarded. */
struct connection *connection_open(struct connection_guard *guard, int fd);

/* To be called while the descriptor is still open. Accepts NULL. Closing a socket that has, or is sent, unread bytes
 * resets the connection, and the reset overtakes the answer; so such a socket is kept for some seconds as a duplicate
 * whose input is read and dropped. */
void connection_close(struct connection_guard *guard, struct connection *connection);

void connection_enter(struct connection *connection, enum connection_phase phase); /* accepts NULL */

/* SPDX-License-Identifier: Apache-2.0 */
/* feed.h -- what a program reads from standard input: a text that its request brought, and what is sent while it runs
 * (extensions.md X5). Bounded: at most FEED_BYTES wait unread, beside the text of the request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define FEED_BYTES (4 << 20)

struct feed;

enum feed_outcome {
    FEED_E_CLOSED = 1, /* nothing more can be sent */
    FEED_E_FULL = 2,   /* the program has not read what was sent */
};

/* Copies text (may be NULL with length 0). open: more may follow. */
int feed_new(const char *text, size_t length, bool open, struct feed **ret_feed);
struct feed *feed_ref(struct feed *feed);
struct feed *feed_unref(struct feed *feed); /* returns NULL; both accept NULL */

/* Appends, and closes after it if last. Any thread. Returns 0, an outcome (nothing was taken) or -ENOMEM. */
int feed_put(struct feed *feed, const char *data, size_t length, bool last);

/* ---- the thread that works on the execution ---- */

/* wake_fd: an eventfd that is pulsed when there is something to write; borrowed until the call with -1. */
void feed_attach(struct feed *feed, int wake_fd);

/* There is something to write, or the end to be told. */
bool feed_is_due(struct feed *feed);

/* Writes to a pipe that does not block. Returns 0, or FEED_E_CLOSED once it is to be closed: all is written and nothing
 * can follow, or nobody reads. */
int feed_write(struct feed *feed, int fd);

/* The program is over, or never began, or reads no more: what waits is freed. */
void feed_close(struct feed *feed);

/* SPDX-License-Identifier: Apache-2.0 */
/* live.h -- what a running program prints, as the events of a text/event-stream (extensions.md X4).
 *
 * One writer, the thread that works on the execution; any number of readers, each at its own place, each told through
 * its wake() that there is more. All that was said stays readable until the last reference is gone, so a reader may
 * come late; it rests in a spool, so memory stays small whatever a program prints. An event's id is its place.
 *
 * The first reader that is made with holds_back keeps the writer from running ahead: while LIVE_AHEAD_BYTES lie unread
 * before it, live_has_room() is false, and the writer's wake_fd is pulsed when that changes. Others hold up nobody.
 *
 * A fault of the spool (a full disk) ends the stream in the middle for its readers, and nothing else. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define LIVE_AHEAD_BYTES (256 << 10)
#define LIVE_SILENCE_US  10000000
#define LIVE_HELD_US     100000 /* that crumbs of text may wait for more */

struct live;
struct live_reader;

enum live_stream {
    LIVE_STDOUT,
    LIVE_STDERR,
};

enum live_outcome {
    LIVE_E_UNKNOWN = 1, /* no event has this id */
};

/* What live_read() returns beside a number of bytes. */
enum live_read {
    LIVE_NOTHING = 0, /* now; wake() tells when there is more */
    LIVE_END = -1,
    LIVE_BROKEN = -2, /* no more will come, and something is missing */
};

/* open(context) is called once, before the first event, or when a silence is to be broken before that; any thread. Text
 * of each stream is cut at text_bytes. dir_fd is borrowed: where the spool makes its file. */
int live_new(int dir_fd, size_t text_bytes, void (*open)(void *context), void *context, struct live **ret_live);
struct live *live_ref(struct live *live);
struct live *live_unref(struct live *live); /* returns NULL; both accept NULL */

/* ---- the writer ---- */

/* wake_fd: an eventfd, borrowed until the call with -1. */
void live_attach(struct live *live, int wake_fd);

void live_started(struct live *live, const char *execution_id, const char *session_id);
void live_output(struct live *live, enum live_stream stream, const char *data, size_t length);
bool live_has_room(struct live *live);

/* Says the crumbs that have waited long enough. Returns in how many microseconds to ask again, -1 = nothing waits. */
int64_t live_flush(struct live *live);

/* The program has ended: what is left of unfinished characters is said. */
void live_output_end(struct live *live);

/* What was said of a stream. */
struct live_said {
    bool anything, cut;
    char last; /* byte */
};
struct live_said live_said(const struct live *live, enum live_stream stream);

/* The last events. answer is a JSON object without the members stdout and stderr; theirs is what was said, with a
 * suffix each. Unless live_is_open(), nothing needs to be said here. */
void live_finish(struct live *live, const char *answer, const char *const suffixes[2]);
/* The same with an answer that is complete. */
void live_fail(struct live *live, const char *answer);

/* What its events take, in memory or on disk. */
uint64_t live_bytes(struct live *live);

/* Calls open() unless that was done. */
void live_open(struct live *live);
bool live_is_open(const struct live *live);

/* Breaks a silence of LIVE_SILENCE_US with a comment to every reader; any thread, now and then. */
void live_beat(struct live *live);

/* ---- readers ---- */

/* Begins after the event with this id, 0 = at the beginning. wake() may be called with locks held: it must not call
 * back, nor wait. Returns 0, LIVE_E_UNKNOWN or -ENOMEM. */
int live_reader_new(struct live *live, uint64_t after_id, bool holds_back, void (*wake)(void *context), void *context,
                    struct live_reader **ret_reader);
struct live_reader *live_reader_free(struct live_reader *reader); /* no wake() once it returned NULL */

/* Copies up to max bytes. Returns how many, or a value of enum live_read. */
ssize_t live_read(struct live_reader *reader, void *to, size_t max);

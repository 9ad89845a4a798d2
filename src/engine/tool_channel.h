/* SPDX-License-Identifier: Apache-2.0 */
/* tool_channel.h -- the tools that a program may call, the calls it waits for, and the descriptor they travel on.
 *
 * One thread at a time uses a channel; nothing here blocks. Whatever comes from the program is bounded before it is
 * kept: beyond TOOL_CALLS_MAX calls or TOOL_PENDING_BYTES_MAX nothing more is read until those are answered, and
 * nothing while the program has answers to read. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"

#define TOOL_COUNT_MAX         1024 /* declared for one run */
#define TOOL_CALLS_MAX         1024 /* waiting at the same time */
#define TOOL_PENDING_BYTES_MAX (8u << 20)
#define TOOL_ROUND_BYTES_MAX   (16u << 20) /* read between two answers; beyond it the run is ended */
#define TOOL_CALL_ID_SIZE      24

struct tool_call {
    struct tool_call *next;
    uint64_t number;            /* the program's own */
    char id[TOOL_CALL_ID_SIZE]; /* ours, unique in the run: "call_001" */
    const char *name;           /* as declared, borrowed from the channel */
    size_t argument_length;
    char argument[]; /* as the program wrote it, NUL-terminated */
};

enum tool_channel_end {
    TOOL_CHANNEL_OPEN,
    TOOL_CHANNEL_UNREGISTERED, /* the program called a tool that was not declared: culprit */
    TOOL_CHANNEL_BROKEN,       /* what it wrote is no frame, or too much */
    TOOL_CHANNEL_EXHAUSTED,    /* it has waited as often as it may */
};

struct tool_channel {
    char **names; /* of the declared tools, in their order */
    size_t n_names;
    unsigned rounds, rounds_max; /* how often the program has waited for its client, and may */
    char *manifest;              /* what the guest agent is told of them, JSON */
    size_t manifest_length;

    int fd; /* -1 = not open, or no longer */
    struct buffer in, out;
    size_t out_sent;
    struct tool_call *calls, **last_call;
    size_t n_calls, pending_bytes;
    size_t round_bytes; /* read since the last answer */
    unsigned serial;
    int64_t first_call_us; /* monotonic, of the calls that wait */
    bool idle;             /* the program said that it cannot go on without them */
    enum tool_channel_end end;
    char *culprit, *failure; /* NULL = nothing; failure: the program's words about its own end */
};

/* Makes a channel for these tools. Both arguments are taken, in every case. Returns NULL without memory. */
struct tool_channel *tool_channel_new(char **names, size_t n_names, char *manifest);
struct tool_channel *tool_channel_free(struct tool_channel *channel); /* returns NULL; accepts NULL */

/* Makes the descriptor and returns the program's end of it, which the caller owns, or a negative errno. */
int tool_channel_open(struct tool_channel *channel);
void tool_channel_close(struct tool_channel *channel);

/* What poll(2) should wait for. */
short tool_channel_events(const struct tool_channel *channel);

/* Reads and writes what can be now. Returns 0, also if the program's end is closed, or a negative errno for a fault of
 * this server's; channel->end says if the program broke the rules. */
int tool_channel_pump(struct tool_channel *channel);

/* How long until the calls that wait should be shown to the client: 0 = now, -1 = there are none. Microseconds. */
int64_t tool_channel_due_us(const struct tool_channel *channel, int64_t now_us);

/* The calls that wait go to the client. Returns false, with the end set, if that has been often enough. */
bool tool_channel_take_round(struct tool_channel *channel);

/* Queues the answer of a waiting call: JSON, or the text of an error. Returns 0 or -ENOMEM. */
int tool_channel_result(struct tool_channel *channel, const struct tool_call *call, const char *json, size_t length);
int tool_channel_error(struct tool_channel *channel, const struct tool_call *call, const char *text, size_t length);

/* Forgets all waiting calls: each of them has been answered. */
void tool_channel_clear(struct tool_channel *channel);

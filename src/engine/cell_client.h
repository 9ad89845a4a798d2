/* SPDX-License-Identifier: Apache-2.0 */
/* cell_client.h -- the api's side of one execution channel: hand a program to the warden, read what it prints, learn
 * how it ended, and hear of the tools that it calls.
 *
 * Blocks the calling worker thread. A program that waits for the client gives the thread back: the talk rests until it
 * is gone on with, and nobody but the cell's keeper looks after it meanwhile. Output beyond the keep limit is read and
 * dropped; beyond the flood limit the cell is killed. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "engine/tool_channel.h"
#include "wire/message.h"

struct feed;

/* Told while the program runs, on this thread; the context is that of the request. */
struct cell_live {
    void (*started)(void *context);
    void (*output)(void *context, bool is_stderr, const char *data, size_t length); /* nothing is kept then */
    bool (*has_room)(void *context); /* false: nothing more is read, so that the program waits */
    int64_t (*flush)(void *context); /* before each wait; returns in how many microseconds again, -1 = no need */
};

struct cell_request {
    int warden_fd;                 /* main channel; shared by all threads, packets are atomic */
    int program_fd;                /* sealed memory (wire/program.h); stays the caller's */
    int client_fd;                 /* watched for hang-up; -1 = none */
    const atomic_bool *cancel;     /* looked at a few times a second */
    const atomic_bool *cancel_own; /* the same, of this execution alone; NULL = none */
    int wake_fd;                   /* an eventfd: look again now; only with cancel_own */
    const struct cell_live *live;  /* NULL = output is kept and nobody is told */
    struct feed *feed;             /* standard input; NULL = empty */
    struct wire_run run;
    size_t keep_bytes; /* of each stream */
    int64_t flood_bytes;
    struct tool_channel *tools;          /* what the program may call, not yet open; NULL = nothing */
    struct paused_memory *paused_memory; /* execution.h: what it may have while it waits; with tools */
    int64_t grace_us;                    /* beyond run.timeout_us, after which a silent warden counts as dead */

    /* Called for each harvested entry but the state, on this thread; owns fd (-1 unless a file). Returns 0 or a
     * negative errno that ends it all. */
    int (*entry)(void *context, const struct wire_entry *entry, int fd);
    void *context;
};

struct cell_stream {
    struct buffer kept;
    int64_t total_bytes;

    /* The text was handed on while it came: this is what is known of it. */
    bool elsewhere, anything, cut;
    char last;
};

struct cell_outcome {
    struct cell_stream out, err;
    bool started, flooded, cancelled, harvested; /* harvested: the harvest came to its end */
    struct wire_started start;
    struct wire_ended end;
    struct wire_done done;
    int state_fd;        /* the state that the program left, for reading; -1 = none; so it must begin */
    int64_t state_bytes; /* its size, also if it was too large to be sent */
    int64_t started_us;  /* monotonic */
};

void cell_outcome_deinit(struct cell_outcome *outcome);

enum cell_client_outcome {
    CELL_CLIENT_E_PAUSED = 1, /* the calls of request->tools wait for the client */
};

struct cell_talk;

/* Hands the program over. What request and outcome point to, outcome and error must last until cell_talk_end(); request
 * itself is copied. Returns 0, or a negative errno with one sentence in error; cell_talk_end() follows in both cases.
 */
int cell_talk_begin(const struct cell_request *request, struct cell_outcome *outcome, char *error, size_t error_size,
                    struct cell_talk **ret_talk);

/* Goes on until the program ends or waits. The descriptors as in struct cell_request. Returns 0 with *outcome filled,
 * CELL_CLIENT_E_PAUSED with the output so far in *outcome, or a negative errno as above. */
int cell_talk_go_on(struct cell_talk *talk, int client_fd, int wake_fd);

/* What one that waits may have of the machine's memory until it goes on. */
int64_t cell_talk_held(const struct cell_talk *talk);

/* After an end with end.parked_bytes: the channel that keeps the cell parked until it is closed. The caller's; -1 if
 * the cell is not parked. */
int cell_talk_take_parked(struct cell_talk *talk);

/* After the end of one whose cell is not parked: the channel, which tells the keeper that the answer is out when it is
 * closed. The caller's; -1 if there is none. */
int cell_talk_take_channel(struct cell_talk *talk);

/* Ends an execution that has not ended. Returns NULL; accepts NULL. */
struct cell_talk *cell_talk_end(struct cell_talk *talk);

/* What a keeper says of the state that a program left: replaces *state_fd (-1 = none, or too large a one) by fd, and
 * *state_bytes. Returns false, with nothing taken, for any other entry. */
bool cell_client_take_state(const struct wire_entry *entry, int fd, int *state_fd, int64_t *state_bytes);

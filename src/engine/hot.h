/* SPDX-License-Identifier: Apache-2.0 */
/* hot.h -- cells that stay alive between the Python runs of a session ("parked").
 *
 * A cell is parked as long as somebody holds the channel of its last execution (wire/message.h): this table does, for
 * at most max cells and memory_bytes of them together, and none longer than ttl_ms. When there are too many, or they
 * hold too much, the least recently used of the tenant goes that has most of what is short: who parks many ends his
 * own, and whoever parks a few keeps them. Whoever runs a program in a parked cell takes it out of the table; two runs
 * of one session at a time get the cell and the state that was stored. Losing a cell whose state is stored costs time
 * and nothing else.
 *
 * A cell may be parked unsaved, its state being left and stored after the answer (saver.h). Until then nobody gets it,
 * nor the earlier state: the next run of its session waits. It is not ended either, except in favour of a later run of
 * its session, whose state counts. No more than half the table is unsaved, with no more than half the memory even if
 * each of these grows to its limit while it leaves its state; but always one may be.
 *
 * Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "domain/session.h"
#include "engine/execution.h"

struct hot_limits {
    unsigned max;         /* cells; not 0 */
    int64_t memory_bytes; /* of all of them */
    int64_t ttl_ms;       /* since the last run */
};

/* A parked cell. It belongs to a session and its user. */
struct hot_cell {
    char execution_id[ID_SIZE]; /* of its last run, by which the warden knows it */
    struct session session;
    char queue[EXECUTION_QUEUE_SIZE]; /* the key of its last run */
    enum execution_network network;   /* what it can reach */
    bool plain;                       /* its interpreter was started without libraries */
    uint64_t bytes;
    uint64_t bytes_max; /* what it may hold while it leaves its state */
    int64_t used_us;
    int channel_fd; /* -1 = no cell */
    bool had_state; /* the session had one before its last run */
    bool unsaved;   /* what that run left is not stored yet */
    bool left;      /* that run has left a state other than the one it found */
    bool is_late;   /* another run of the session has left one meanwhile */
    bool is_over;   /* and will not be, since a later run has ended */
};

#define HOT_CELL_NONE ((struct hot_cell){ .channel_fd = -1 })

struct hot;

int hot_new(const struct hot_limits *limits, struct hot **ret_hot);
struct hot *hot_free(struct hot *hot); /* ends all cells; returns NULL, accepts NULL */

unsigned hot_max(const struct hot *hot); /* of cells */

/* Takes the cell of a session for a run that may reach just what the cell can reach. If what the cell's last run left
 * is still to be stored, waits for that, until gives_up(context), which is asked every HOT_LOOK_MS. Returns false if
 * there is no such cell; hot may be NULL. */
#define HOT_LOOK_MS 20
bool hot_take(struct hot *hot, const struct session *session, enum execution_network network,
              bool (*gives_up)(void *context), void *context, struct hot_cell *ret_cell);

/* Takes the place of one more cell that is to be parked unsaved, as large as it may become. Returns false if there is
 * none. */
bool hot_reserve_unsaved(struct hot *hot, uint64_t bytes_max);

/* Parks a cell in the place of an earlier one of its session; others may have to go for it, or itself. An unsaved one
 * has a place (hot_reserve_unsaved()). Takes over cell->channel_fd. */
void hot_put(struct hot *hot, struct hot_cell *cell);

/* Ends the cell of a session, if it has one; hot may be NULL. */
void hot_drop(struct hot *hot, const char *session_id);

/* Ends those that is_over(context, cell) says true of, and those whose time is over, but none that is unsaved. */
void hot_expire(struct hot *hot, bool (*is_over)(void *context, const struct hot_cell *cell), void *context);

/* Ends a cell that was taken. */
void hot_cell_end(struct hot_cell *cell);

/* Held while what a run leaves is stored and its cell is parked: of two runs that end together, one wins both. hot may
 * be NULL. */
void hot_lock_session(struct hot *hot, const char *session_id);
void hot_unlock_session(struct hot *hot, const char *session_id);

/* Counts the states that runs of the session have left, and reads the count. A run reads it when it takes over a state:
 * if the count has grown by the time the run ends, that state is not the session's last any more. Sessions may share a
 * counter. hot may be NULL. */
void hot_note_state(struct hot *hot, const char *session_id);
uint64_t hot_states(struct hot *hot, const char *session_id);

/* For the one who saves (saver.h). */

/* An eventfd that becomes readable when a cell has been parked unsaved, or one of these is over. */
int hot_unsaved_fd(const struct hot *hot);

/* Copies up to max unsaved cells, whose channels stay open until hot_saved() or hot_lost(). Ends those that are over.
 * Returns how many. */
unsigned hot_unsaved(struct hot *hot, struct hot_cell *ret_cells, unsigned max);

/* Whether the state of an unsaved cell is still to be stored. To be asked while its session is locked. */
bool hot_is_wanted(struct hot *hot, const char *execution_id);

/* The state of this cell is stored, and it holds so many bytes now. */
void hot_saved(struct hot *hot, const char *execution_id, uint64_t bytes);

/* This unsaved cell is dead: ends it. */
void hot_lost(struct hot *hot, const char *execution_id);

/* Waits until nothing is unsaved, no longer than timeout_ms. Returns how many are; hot may be NULL. */
unsigned hot_settle(struct hot *hot, int64_t timeout_ms);

/* SPDX-License-Identifier: Apache-2.0 */
/* hot.h -- cells that stay alive between the Python runs of a session ("parked").
 *
 * A cell is parked as long as somebody holds the channel of its last execution (wire/message.h): this table does, for
 * at most max cells and memory_bytes of them together, the least recently used going first, and none longer than
 * ttl_ms. Whoever runs a program in a parked cell takes it out of the table; two runs of one session at a time get the
 * cell and the state that was stored. Losing a cell costs time and nothing else, since the state was stored before.
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
    char session_id[ID_SIZE];
    char tenant[TENANT_SIZE];
    char user_id[USER_ID_SIZE];
    char queue[EXECUTION_QUEUE_SIZE]; /* the key of its last run */
    enum execution_network network;   /* what it can reach */
    uint64_t bytes;
    int64_t used_us;
    int channel_fd; /* -1 = no cell */
};

#define HOT_CELL_NONE ((struct hot_cell){ .channel_fd = -1 })

struct hot;

int hot_new(const struct hot_limits *limits, struct hot **ret_hot);
struct hot *hot_free(struct hot *hot); /* ends all cells; returns NULL, accepts NULL */

/* Takes the cell of a session for a run that may reach as much as it can. Returns false if there is none; hot may be
 * NULL. */
bool hot_take(struct hot *hot, const struct session *session, enum execution_network network,
              struct hot_cell *ret_cell);

/* Parks a cell in the place of an earlier one of its session; others may have to go for it, or itself. Takes over
 * cell->channel_fd. */
void hot_put(struct hot *hot, struct hot_cell *cell);

/* Ends the cell of a session, if it has one; hot may be NULL. */
void hot_drop(struct hot *hot, const char *session_id);

/* Ends those that is_over(context, cell) says true of, and those whose time is over. */
void hot_expire(struct hot *hot, bool (*is_over)(void *context, const struct hot_cell *cell), void *context);

/* Ends a cell that was taken. */
void hot_cell_end(struct hot_cell *cell);

/* Between the two what a run leaves is stored and its cell parked: of two runs that end together the last one wins
 * both. hot may be NULL. */
void hot_lock_session(struct hot *hot, const char *session_id);
void hot_unlock_session(struct hot *hot, const char *session_id);

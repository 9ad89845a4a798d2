/* SPDX-License-Identifier: Apache-2.0 */
/* carry.h -- the state that an execution takes over from its session and leaves to it (exec.md 10.7).
 *
 * Nothing that goes wrong here is a reason for an execution to fail: it is logged, and the program finds no state, or
 * leaves none. */
#pragma once

#include "engine/cell_client.h"
#include "engine/execution.h"

struct carry {
    bool wanted, was_found;
    struct buffer found; /* empty = nothing */
};

/* Whether programs of this language carry a state at all. */
bool carry_is_wanted(const struct engine *engine, const struct language *language);

/* Fills *carry for an execution of this session. The caller deinits carry->found. */
void carry_find(const struct engine *engine, const struct language *language, const struct session *session,
                struct carry *carry);

/* Whether what a program left counts after it has ended so (10.7.2). */
bool carry_counts(const struct engine *engine, enum execution_outcome outcome);

/* Keeps a state that a program has left: the file fd; or, if that is -1, tells that one of size_bytes was too large;
 * or, if both say that there is none, goes on keeping the one that the session had. */
void carry_store(const struct engine *engine, const struct session *session, bool had_state, int fd,
                 int64_t size_bytes);

/* Keeps what the program left before it ended, if its outcome is one that counts (10.7.2). */
void carry_keep(const struct engine *engine, const struct session *session, const struct carry *carry,
                const struct cell_outcome *cell, enum execution_outcome outcome);

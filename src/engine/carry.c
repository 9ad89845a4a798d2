/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/carry.h"

#include <string.h>

#include "base/log.h"

static struct state_store store_of(const struct engine *engine)
{
    return (struct state_store){
        .kv = engine->kv, .blobs = engine->blobs, .rules = &engine->state, .audit = engine->audit
    };
}

bool carry_is_wanted(const struct engine *engine, const struct language *language)
{
    return engine->state_enabled && language->state;
}

void carry_find(const struct engine *engine, const struct language *language, const struct session *session,
                struct carry *carry)
{
    const struct state_store store = store_of(engine);
    enum state_source source;
    int r;

    *carry = (struct carry){ .wanted = carry_is_wanted(engine, language) };
    if (!carry->wanted)
        return;
    r = state_load(&store, session, &carry->found, &source);
    carry->was_found = r == 0;
    if (r >= 0)
        return;
    /* A state that could not be read now must not be replaced by that of a run which did not have it. */
    carry->wanted = false;
    log_warning("the state of session %s cannot be loaded: %s", session->id, strerror(-r));
}

bool carry_counts(const struct engine *engine, enum execution_outcome outcome)
{
    return outcome == OUTCOME_OK || (outcome == OUTCOME_ERROR && engine->state_after_errors);
}

void carry_store(const struct engine *engine, const struct session *session, bool had_state, int fd, int64_t size_bytes)
{
    const struct state_store store = store_of(engine);
    int64_t stored_bytes;
    int r = 0;

    if (fd >= 0)
        r = state_save(&store, session, fd, &stored_bytes);
    else if (size_bytes > 0)
        r = state_refuse(&store, session, size_bytes);
    else if (had_state)
        r = state_renew(&store, session);
    if (r < 0)
        log_warning("the state of session %s cannot be kept: %s", session->id, strerror(-r));
}

void carry_keep(const struct engine *engine, const struct session *session, const struct carry *carry,
                const struct cell_outcome *cell, enum execution_outcome outcome)
{
    if (carry->wanted && carry_counts(engine, outcome) && !cell->end.unsaved)
        carry_store(engine, session, carry->was_found, cell->state_fd, cell->state_bytes);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/hot.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"

#define LOCKS  1024
#define SHARES 256

struct hot {
    struct hot_limits limits;
    int unsaved_fd;
    pthread_mutex_t lock;
    pthread_cond_t settled;
    struct hot_cell *cells; /* in no order */
    unsigned n_cells;
    unsigned n_unsaved;     /* with those that are going to be parked */
    uint64_t unsaved_bytes; /* at most, while they leave their states */
    pthread_mutex_t sessions[LOCKS];
    _Atomic uint64_t states[LOCKS];
};

int hot_new(const struct hot_limits *limits, struct hot **ret_hot)
{
    struct hot *hot = calloc(1, sizeof(*hot));

    if (!hot)
        return -ENOMEM;
    hot->limits = *limits;
    hot->cells = calloc(limits->max + 1, sizeof(*hot->cells)); /* one may be too many for a moment */
    hot->unsaved_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!hot->cells || hot->unsaved_fd < 0) {
        int r = hot->cells ? error_from_errno() : -ENOMEM;

        cleanup_close_fd(&hot->unsaved_fd);
        free(hot->cells);
        free(hot);
        return r;
    }
    pthread_cond_init(&hot->settled, NULL);
    pthread_mutex_init(&hot->lock, NULL);
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_init(&hot->sessions[i], NULL);
    *ret_hot = hot;
    return 0;
}

unsigned hot_max(const struct hot *hot)
{
    return hot->limits.max;
}

void hot_cell_end(struct hot_cell *cell)
{
    cleanup_close_fd(&cell->channel_fd);
    *cell = HOT_CELL_NONE;
}

/* Takes a cell out of the table. */
static struct hot_cell take_at(struct hot *hot, unsigned i)
{
    struct hot_cell cell = hot->cells[i];

    if (cell.unsaved) {
        hot->n_unsaved--;
        hot->unsaved_bytes -= cell.bytes_max;
    }
    hot->cells[i] = hot->cells[--hot->n_cells];
    return cell;
}

static void end_at(struct hot *hot, unsigned i)
{
    struct hot_cell cell = take_at(hot, i);

    hot_cell_end(&cell);
}

/* The saver looks at the channel of an unsaved cell, so it is the one to close it. */
static void give_up_at(struct hot *hot, unsigned i)
{
    if (!hot->cells[i].unsaved) {
        end_at(hot, i);
        return;
    }
    hot->cells[i].is_over = true;
    pthread_cond_broadcast(&hot->settled);
    (void)eventfd_write(hot->unsaved_fd, 1);
}

struct hot *hot_free(struct hot *hot)
{
    if (!hot)
        return NULL;
    while (hot->n_cells > 0)
        end_at(hot, 0);
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&hot->sessions[i]);
    pthread_cond_destroy(&hot->settled);
    pthread_mutex_destroy(&hot->lock);
    cleanup_close_fd(&hot->unsaved_fd);
    free(hot->cells);
    free(hot);
    return NULL;
}

/* Returns false if the session has no cell. */
static bool find(const struct hot *hot, const char *session_id, unsigned *ret_i)
{
    for (unsigned i = 0; i < hot->n_cells; i++) {
        if (hot->cells[i].is_over || strcmp(hot->cells[i].session.id, session_id) != 0)
            continue;
        *ret_i = i;
        return true;
    }
    return false;
}

static bool find_execution(const struct hot *hot, const char *execution_id, unsigned *ret_i)
{
    for (unsigned i = 0; i < hot->n_cells; i++) {
        if (strcmp(hot->cells[i].execution_id, execution_id) != 0)
            continue;
        *ret_i = i;
        return true;
    }
    return false;
}

/* Nothing is said unasked at the channel of a parked cell; it ends when the cell does. */
static bool is_dead(const struct hot_cell *cell)
{
    struct pollfd p = { .fd = cell->channel_fd, .events = POLLIN };

    return poll(&p, 1, 0) != 0;
}

/* The rule for users is that of the state (domain/state.c). */
static bool suits(const struct hot_cell *cell, const struct session *session, enum execution_network network)
{
    const struct session *own = &cell->session;

    return strcmp(own->tenant, session->tenant) == 0 && cell->network == network &&
           (!own->user_id[0] || strcmp(own->user_id, session->user_id) == 0);
}

static void wait_ms(struct hot *hot, int64_t ms)
{
    (void)clock_wait(&hot->settled, &hot->lock, clock_monotonic_us() + ms * 1000);
}

bool hot_take(struct hot *hot, const struct session *session, enum execution_network network,
              bool (*gives_up)(void *context), void *context, struct hot_cell *ret_cell)
{
    struct hot_cell cell = HOT_CELL_NONE;
    bool found;
    unsigned i;

    *ret_cell = cell;
    if (!hot)
        return false;
    pthread_mutex_lock(&hot->lock);
    while ((found = find(hot, session->id, &i)) && hot->cells[i].unsaved && !gives_up(context))
        wait_ms(hot, HOT_LOOK_MS);
    if (found && !hot->cells[i].unsaved && suits(&hot->cells[i], session, network))
        cell = take_at(hot, i);
    pthread_mutex_unlock(&hot->lock);
    if (cell.channel_fd >= 0 && is_dead(&cell))
        hot_cell_end(&cell);
    *ret_cell = cell;
    return cell.channel_fd >= 0;
}

static unsigned share_of(const struct hot_cell *cell)
{
    return hash_text(cell->session.tenant) % SHARES;
}

static bool is_over_number(const struct hot *hot)
{
    return hot->n_cells > hot->limits.max;
}

static bool is_over_memory(const struct hot *hot)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < hot->n_cells; i++)
        bytes += hot->cells[i].bytes;
    return bytes > (uint64_t)hot->limits.memory_bytes;
}

/* What each tenant has of the table, or of its memory. Tenants that meet in a place count as one. */
static void sum_shares(const struct hot *hot, bool by_memory, uint64_t ret_shares[static SHARES])
{
    memset(ret_shares, 0, SHARES * sizeof(*ret_shares));
    for (unsigned i = 0; i < hot->n_cells; i++)
        ret_shares[share_of(&hot->cells[i])] += by_memory ? hot->cells[i].bytes : 1;
}

/* The least recently used of the tenant with the largest share, if any of its cells may go; else of the next one's.
 * Returns false if all that are left are unsaved. */
static bool find_victim(const struct hot *hot, bool by_memory, unsigned *ret_i)
{
    uint64_t shares[SHARES], largest = 0;
    bool found = false;

    sum_shares(hot, by_memory, shares);
    for (unsigned i = 0; i < hot->n_cells; i++) {
        const struct hot_cell *cell = &hot->cells[i];
        uint64_t share = shares[share_of(cell)];

        if (cell->unsaved ||
            (found && (share < largest || (share == largest && cell->used_us >= hot->cells[*ret_i].used_us))))
            continue;
        *ret_i = i;
        largest = share;
        found = true;
    }
    return found;
}

static void keep_limits(struct hot *hot)
{
    bool by_memory;
    unsigned i = 0;

    while ((by_memory = is_over_memory(hot)) || is_over_number(hot)) {
        if (!find_victim(hot, by_memory, &i))
            return;
        end_at(hot, i);
    }
}

bool hot_reserve_unsaved(struct hot *hot, uint64_t bytes_max)
{
    bool has;

    pthread_mutex_lock(&hot->lock);
    has = hot->n_unsaved == 0 || (hot->n_unsaved < (hot->limits.max + 1) / 2 &&
                                  hot->unsaved_bytes + bytes_max <= (uint64_t)hot->limits.memory_bytes / 2);
    if (has) {
        hot->n_unsaved++;
        hot->unsaved_bytes += bytes_max;
    }
    pthread_mutex_unlock(&hot->lock);
    return has;
}

void hot_put(struct hot *hot, struct hot_cell *cell)
{
    unsigned i;

    cell->used_us = clock_monotonic_us();
    pthread_mutex_lock(&hot->lock);
    if (find(hot, cell->session.id, &i))
        give_up_at(hot, i);
    hot->cells[hot->n_cells++] = *cell;
    if (cell->unsaved)
        (void)eventfd_write(hot->unsaved_fd, 1);
    keep_limits(hot);
    pthread_mutex_unlock(&hot->lock);
    *cell = HOT_CELL_NONE;
}

void hot_drop(struct hot *hot, const char *session_id)
{
    unsigned i;

    if (!hot)
        return;
    pthread_mutex_lock(&hot->lock);
    if (find(hot, session_id, &i))
        give_up_at(hot, i);
    pthread_mutex_unlock(&hot->lock);
}

void hot_expire(struct hot *hot, bool (*is_over)(void *context, const struct hot_cell *cell), void *context)
{
    int64_t since_us = clock_monotonic_us() - hot->limits.ttl_ms * 1000;

    pthread_mutex_lock(&hot->lock);
    for (unsigned i = hot->n_cells; i-- > 0;) {
        const struct hot_cell *cell = &hot->cells[i];

        if (!cell->unsaved && (cell->used_us < since_us || is_dead(cell) || is_over(context, cell)))
            end_at(hot, i);
    }
    pthread_mutex_unlock(&hot->lock);
}

int hot_unsaved_fd(const struct hot *hot)
{
    return hot->unsaved_fd;
}

unsigned hot_unsaved(struct hot *hot, struct hot_cell *ret_cells, unsigned max)
{
    unsigned n = 0;

    pthread_mutex_lock(&hot->lock);
    for (unsigned i = hot->n_cells; i-- > 0;) {
        if (hot->cells[i].is_over)
            end_at(hot, i);
        else if (hot->cells[i].unsaved && n < max)
            ret_cells[n++] = hot->cells[i];
    }
    pthread_mutex_unlock(&hot->lock);
    return n;
}

bool hot_is_wanted(struct hot *hot, const char *execution_id)
{
    bool wanted;
    unsigned i;

    pthread_mutex_lock(&hot->lock);
    wanted = find_execution(hot, execution_id, &i) && !hot->cells[i].is_over;
    pthread_mutex_unlock(&hot->lock);
    return wanted;
}

void hot_saved(struct hot *hot, const char *execution_id, uint64_t bytes)
{
    unsigned i;

    pthread_mutex_lock(&hot->lock);
    if (find_execution(hot, execution_id, &i) && hot->cells[i].unsaved && !hot->cells[i].is_over) {
        hot->n_unsaved--;
        hot->unsaved_bytes -= hot->cells[i].bytes_max;
        hot->cells[i].unsaved = false;
        hot->cells[i].bytes = bytes;
        keep_limits(hot);
    }
    pthread_cond_broadcast(&hot->settled);
    pthread_mutex_unlock(&hot->lock);
}

void hot_lost(struct hot *hot, const char *execution_id)
{
    unsigned i;

    pthread_mutex_lock(&hot->lock);
    if (find_execution(hot, execution_id, &i))
        end_at(hot, i);
    pthread_cond_broadcast(&hot->settled);
    pthread_mutex_unlock(&hot->lock);
}

unsigned hot_settle(struct hot *hot, int64_t timeout_ms)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;
    unsigned n_unsaved;

    if (!hot)
        return 0;
    pthread_mutex_lock(&hot->lock);
    while (hot->n_unsaved > 0 && clock_monotonic_us() < until_us)
        wait_ms(hot, HOT_LOOK_MS);
    n_unsaved = hot->n_unsaved;
    pthread_mutex_unlock(&hot->lock);
    return n_unsaved;
}

static unsigned place_of(const char *session_id)
{
    return hash_text(session_id) % LOCKS;
}

void hot_lock_session(struct hot *hot, const char *session_id)
{
    if (hot)
        pthread_mutex_lock(&hot->sessions[place_of(session_id)]);
}

void hot_unlock_session(struct hot *hot, const char *session_id)
{
    if (hot)
        pthread_mutex_unlock(&hot->sessions[place_of(session_id)]);
}

void hot_note_state(struct hot *hot, const char *session_id)
{
    if (hot)
        atomic_fetch_add(&hot->states[place_of(session_id)], 1);
}

uint64_t hot_states(struct hot *hot, const char *session_id)
{
    return hot ? atomic_load(&hot->states[place_of(session_id)]) : 0;
}

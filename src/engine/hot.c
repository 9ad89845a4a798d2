/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/hot.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"

#define LOCKS 64

struct hot {
    struct hot_limits limits;
    pthread_mutex_t lock;
    struct hot_cell *cells; /* in no order */
    unsigned n_cells;
    pthread_mutex_t sessions[LOCKS];
};

int hot_new(const struct hot_limits *limits, struct hot **ret_hot)
{
    struct hot *hot = calloc(1, sizeof(*hot));

    if (!hot)
        return -ENOMEM;
    hot->limits = *limits;
    hot->cells = calloc(limits->max + 1, sizeof(*hot->cells)); /* one may be too many for a moment */
    if (!hot->cells) {
        free(hot);
        return -ENOMEM;
    }
    pthread_mutex_init(&hot->lock, NULL);
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_init(&hot->sessions[i], NULL);
    *ret_hot = hot;
    return 0;
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

    hot->cells[i] = hot->cells[--hot->n_cells];
    return cell;
}

static void end_at(struct hot *hot, unsigned i)
{
    struct hot_cell cell = take_at(hot, i);

    hot_cell_end(&cell);
}

struct hot *hot_free(struct hot *hot)
{
    if (!hot)
        return NULL;
    while (hot->n_cells > 0)
        end_at(hot, 0);
    for (unsigned i = 0; i < LOCKS; i++)
        pthread_mutex_destroy(&hot->sessions[i]);
    pthread_mutex_destroy(&hot->lock);
    free(hot->cells);
    free(hot);
    return NULL;
}

/* Returns false if the session has no cell. */
static bool find(const struct hot *hot, const char *session_id, unsigned *ret_i)
{
    for (unsigned i = 0; i < hot->n_cells; i++) {
        if (strcmp(hot->cells[i].session_id, session_id) != 0)
            continue;
        *ret_i = i;
        return true;
    }
    return false;
}

/* Nothing is ever said at the channel of a parked cell; it ends when the cell does. */
static bool is_dead(const struct hot_cell *cell)
{
    struct pollfd p = { .fd = cell->channel_fd, .events = POLLIN };

    return poll(&p, 1, 0) != 0;
}

/* The rule for users is that of the state (domain/state.c). */
static bool suits(const struct hot_cell *cell, const struct session *session, enum execution_network network)
{
    return strcmp(cell->tenant, session->tenant) == 0 && cell->network == network &&
           (!cell->user_id[0] || strcmp(cell->user_id, session->user_id) == 0);
}

bool hot_take(struct hot *hot, const struct session *session, enum execution_network network, struct hot_cell *ret_cell)
{
    struct hot_cell cell = HOT_CELL_NONE;
    unsigned i;

    if (!hot)
        return false;
    pthread_mutex_lock(&hot->lock);
    if (find(hot, session->id, &i) && suits(&hot->cells[i], session, network))
        cell = take_at(hot, i);
    pthread_mutex_unlock(&hot->lock);
    if (cell.channel_fd >= 0 && is_dead(&cell))
        hot_cell_end(&cell);
    *ret_cell = cell;
    return cell.channel_fd >= 0;
}

static unsigned least_recently_used(const struct hot *hot)
{
    unsigned oldest = 0;

    for (unsigned i = 1; i < hot->n_cells; i++)
        if (hot->cells[i].used_us < hot->cells[oldest].used_us)
            oldest = i;
    return oldest;
}

static bool is_over_limits(const struct hot *hot)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < hot->n_cells; i++)
        bytes += hot->cells[i].bytes;
    return hot->n_cells > hot->limits.max || bytes > (uint64_t)hot->limits.memory_bytes;
}

void hot_put(struct hot *hot, struct hot_cell *cell)
{
    unsigned i;

    cell->used_us = clock_monotonic_us();
    pthread_mutex_lock(&hot->lock);
    if (find(hot, cell->session_id, &i))
        end_at(hot, i);
    hot->cells[hot->n_cells++] = *cell;
    while (is_over_limits(hot))
        end_at(hot, least_recently_used(hot));
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
        end_at(hot, i);
    pthread_mutex_unlock(&hot->lock);
}

void hot_expire(struct hot *hot, bool (*is_over)(void *context, const struct hot_cell *cell), void *context)
{
    int64_t since_us = clock_monotonic_us() - hot->limits.ttl_ms * 1000;

    pthread_mutex_lock(&hot->lock);
    for (unsigned i = hot->n_cells; i-- > 0;)
        if (hot->cells[i].used_us < since_us || is_dead(&hot->cells[i]) || is_over(context, &hot->cells[i]))
            end_at(hot, i);
    pthread_mutex_unlock(&hot->lock);
}

static pthread_mutex_t *lock_of(struct hot *hot, const char *session_id)
{
    unsigned hash = 5381;

    for (const char *p = session_id; *p; p++)
        hash = hash * 33 + (unsigned char)*p;
    return &hot->sessions[hash % LOCKS];
}

void hot_lock_session(struct hot *hot, const char *session_id)
{
    if (hot)
        pthread_mutex_lock(lock_of(hot, session_id));
}

void hot_unlock_session(struct hot *hot, const char *session_id)
{
    if (hot)
        pthread_mutex_unlock(lock_of(hot, session_id));
}

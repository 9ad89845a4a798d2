/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/saver.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "engine/carry.h"
#include "engine/cell_client.h"
#include "wire/message.h"

/* The keeper gives a program less, and then ends it. */
#define SAVE_TIMEOUT_MS 60000

#define LOOK_MS        1000 /* for what takes too long */
#define CANCEL_LOOK_MS 100  /* for the end: of a drain, or of the time that states have behind it */

struct saver {
    const struct engine *engine;
    pthread_t thread;
    atomic_bool stopping;
    unsigned max;
    struct hot_cell *cells;
    struct pollfd *polls;
};

/* What a program left, as its keeper hands it over. */
struct left {
    int fd; /* -1 = none, or too large a one */
    int64_t size_bytes;
    uint64_t parked_bytes;
};

/* Returns 0 with the last message, -EAGAIN before that, or -EPROTO. */
static int on_message(const union wire_message *message, int fds[static WIRE_FDS_MAX], struct left *left)
{
    switch (message->type) {
    case WIRE_ENTRY:
        if (!cell_client_take_state(&message->entry, fds[0], &left->fd, &left->size_bytes))
            return -EPROTO;
        fds[0] = -1;
        return -EAGAIN;
    case WIRE_SAVED:
        left->parked_bytes = message->saved.parked_bytes;
        return 0;
    default:
        return -EPROTO;
    }
}

/* Returns 0 once it is all here, or a negative errno if the cell is dead, does not answer, or *cancel is set. */
static int receive(int channel_fd, int64_t timeout_ms, const atomic_bool *cancel, struct left *ret_left)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;

    for (;;) {
        struct pollfd p = { .fd = channel_fd, .events = POLLIN };
        int64_t left_ms = (until_us - clock_monotonic_us()) / 1000;
        int n = poll(&p, 1, left_ms <= 0 ? 0 : left_ms < CANCEL_LOOK_MS ? (int)left_ms : CANCEL_LOOK_MS);
        union wire_message message;
        int fds[WIRE_FDS_MAX], r;

        if (n <= 0 && atomic_load(cancel))
            return -ECANCELED;
        if (n <= 0 && left_ms <= 0)
            return -ETIMEDOUT;
        if (n <= 0)
            continue;
        r = wire_receive(channel_fd, WIRE_FROM_WARDEN, MSG_DONTWAIT, &message, fds);
        if (r == -EAGAIN)
            continue;
        if (r != 0)
            return -EPIPE;
        r = on_message(&message, fds, ret_left);
        wire_close_fds(fds);
        if (r != -EAGAIN)
            return r;
    }
}

static int ask(int channel_fd)
{
    const struct wire_save save = { .type = WIRE_SAVE };

    return wire_send(channel_fd, &save, NULL) == 0 ? 0 : -EPIPE;
}

static void tell_lost(const struct hot_cell *cell, int error)
{
    log_warning("the state of session %s has not been left: %s", cell->session.id,
                error == -EPIPE ? "the program was ended" : strerror(-error));
}

/* Stores what an unsaved cell left, unless a later run of its session has ended meanwhile. */
static void settle(const struct saver *saver, const struct hot_cell *cell, int64_t timeout_ms)
{
    const struct engine *engine = saver->engine;
    struct left left = { .fd = -1 };
    int r = receive(cell->channel_fd, timeout_ms, &saver->stopping, &left);

    hot_lock_session(engine->hot, cell->session.id);
    if (r == 0 && hot_is_wanted(engine->hot, cell->execution_id))
        carry_store(engine, &cell->session, cell->had_state, left.fd, left.size_bytes);
    hot_unlock_session(engine->hot, cell->session.id);
    cleanup_close_fd(&left.fd);
    if (r == 0) {
        hot_saved(engine->hot, cell->execution_id, left.parked_bytes);
        return;
    }
    tell_lost(cell, r);
    hot_lost(engine->hot, cell->execution_id);
}

static bool takes_too_long(const struct hot_cell *cell)
{
    return clock_monotonic_us() - cell->used_us > SAVE_TIMEOUT_MS * 1000ll;
}

static void *saver_main(void *data)
{
    struct saver *saver = data;
    struct hot *hot = saver->engine->hot;

    while (!atomic_load(&saver->stopping)) {
        unsigned n = hot_unsaved(hot, saver->cells, saver->max);
        eventfd_t count;

        for (unsigned i = 0; i < n; i++)
            saver->polls[i] = (struct pollfd){ .fd = saver->cells[i].channel_fd, .events = POLLIN };
        saver->polls[n] = (struct pollfd){ .fd = hot_unsaved_fd(hot), .events = POLLIN };
        if (poll(saver->polls, n + 1, n > 0 ? LOOK_MS : -1) < 0)
            continue;
        if (saver->polls[n].revents)
            (void)eventfd_read(hot_unsaved_fd(hot), &count);
        for (unsigned i = 0; i < n; i++)
            if (saver->polls[i].revents || takes_too_long(&saver->cells[i]))
                settle(saver, &saver->cells[i], saver->polls[i].revents ? SAVE_TIMEOUT_MS : 0);
    }
    return NULL;
}

static struct saver *release(struct saver *saver)
{
    free(saver->cells);
    free(saver->polls);
    free(saver);
    return NULL;
}

int saver_new(const struct engine *engine, struct saver **ret_saver)
{
    struct saver *saver = calloc(1, sizeof(*saver));
    int r = -ENOMEM;

    if (!saver)
        return r;
    saver->engine = engine;
    saver->max = hot_max(engine->hot);
    saver->cells = calloc(saver->max, sizeof(*saver->cells));
    saver->polls = calloc(saver->max + 1, sizeof(*saver->polls));
    if (saver->cells && saver->polls)
        r = -pthread_create(&saver->thread, NULL, saver_main, saver);
    if (r == 0) {
        *ret_saver = saver;
        return 0;
    }
    release(saver);
    return r;
}

struct saver *saver_stop(struct saver *saver, int64_t timeout_ms)
{
    unsigned n_unsaved;

    if (!saver)
        return NULL;
    n_unsaved = hot_settle(saver->engine->hot, timeout_ms);
    if (n_unsaved > 0)
        log_warning("%u states have not been left in time", n_unsaved);
    atomic_store(&saver->stopping, true);
    (void)eventfd_write(hot_unsaved_fd(saver->engine->hot), 1);
    pthread_join(saver->thread, NULL);
    return release(saver);
}

/* In the thread of the run itself, whose answer has to wait for it. The saver, which stores everybody's, must not: so
 * the session is open meanwhile, and others may leave their states. */
static int save_now(const struct engine *engine, struct hot_cell *cell)
{
    uint64_t states = hot_states(engine->hot, cell->session.id);
    struct left left = { .fd = -1 };
    int r;

    hot_unlock_session(engine->hot, cell->session.id);
    r = receive(cell->channel_fd, SAVE_TIMEOUT_MS, &engine->cancel_all, &left);
    hot_lock_session(engine->hot, cell->session.id);
    cell->is_late |= hot_states(engine->hot, cell->session.id) != states;
    if (r == 0) {
        carry_store(engine, &cell->session, cell->had_state, left.fd, left.size_bytes);
        cell->bytes = left.parked_bytes;
        cell->left = left.fd >= 0 || left.size_bytes > 0;
        cell->unsaved = false;
    }
    cleanup_close_fd(&left.fd);
    return r;
}

void saver_park(const struct engine *engine, struct hot_cell *cell)
{
    int r = cell->unsaved ? ask(cell->channel_fd) : 0;

    if (r == 0 && cell->unsaved && (cell->is_late || !hot_reserve_unsaved(engine->hot, cell->bytes_max)))
        r = save_now(engine, cell);
    if (r < 0)
        tell_lost(cell, r);
    else if (cell->left || !cell->is_late)
        hot_put(engine->hot, cell);
    hot_cell_end(cell);
}

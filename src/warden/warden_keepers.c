/* SPDX-License-Identifier: Apache-2.0 */
/* warden_keepers.c -- slots: their keepers live, runs are given to those that are ready, and slots come and go with the
 * load. */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cell/mount_api.h"
#include "warden/internal.h"
#include "wire/packet.h"

#define FAILURES_PER_SLOT 3
#define STARTING_FEW      2

/* A dead api's channels are closed, and its keepers end what they have and are ready again. Whose channel is not, since
 * something else holds the api's end of it, would stay for ever. */
#define ORPHANS_US 10000000

static int start_keeper(struct warden *w, unsigned index)
{
    struct keeper *keeper = &w->keepers[index];
    int sockets[2], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_from_errno();
    keeper->pid = fork();
    if (keeper->pid == 0)
        slot_keep(&w->context, index, sockets[1]);
    close(sockets[1]);
    if (keeper->pid < 0) {
        r = error_from_errno();
        close(sockets[0]);
        return r;
    }
    keeper->socket_fd = sockets[0];
    keeper->started_us = clock_monotonic_us();
    keeper->ready = keeper->given_back = keeper->orphaned = false;
    keeper->runs_sent = 0;
    r = warden_watch(w, keeper->socket_fd, WATCH_SLOT + index);
    if (r < 0)
        kill(keeper->pid, SIGKILL); /* nobody would hear it; its death asks for another */
    return r;
}

int keepers_start(struct warden *w)
{
    int r = 0;

    for (; w->n_started < w->options->slots && r == 0; w->n_started++)
        r = start_keeper(w, w->n_started);
    return r;
}

void keepers_refuse(int fds[static WIRE_FDS_MAX], int error)
{
    struct wire_failed failed = { .type = WIRE_FAILED, .error = error, .step = "slot" };

    /* Nobody's full socket may hold up the loop. Its flags are no help: the api has them, too. */
    (void)wire_send_within(fds[WIRE_RUN_CHANNEL], &failed, NULL, 0);
    wire_close_fds(fds);
}

/* A detached mount of an input directory. The name was checked by wire_check(); the directory is the api's, which can
 * do no more with this than show a cell what the api may read itself. */
static int clone_inputs(struct warden *w, const char *name, int *ret_fd)
{
    struct open_how how = {
        .flags = O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };
    CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, w->work_dir_fd, name, &how, sizeof(how));

    return fd < 0 ? error_from_errno() : mount_clone(fd, ret_fd);
}

/* Passes a run on. Returns 0, 1 if it cannot be run at all (and has been refused), or a negative errno if the keeper is
 * gone. */
static int pass_on(struct warden *w, struct keeper *keeper, struct waiting_run *run)
{
    CLEANUP_CLOSE int inputs_fd = -1;
    bool has_inputs = run->request.workspace[0] != '\0';
    size_t n_fds = wire_run_fds(&run->request);
    int fds[SLOT_RUN_FDS_MAX], r = 0;

    if (has_inputs)
        r = clone_inputs(w, run->request.workspace, &inputs_fd);
    if (r < 0) {
        keepers_refuse(run->fds, -r);
        return 1;
    }
    memcpy(fds, run->fds, n_fds * sizeof(int));
    fds[n_fds] = inputs_fd;
    r = packet_offer(keeper->socket_fd, &run->request, sizeof(run->request), fds, n_fds + has_inputs);
    if (r == 0) {
        keeper->runs_sent++;
        keeper->parked = false;
        memcpy(keeper->execution_id, run->request.execution_id, sizeof(keeper->execution_id));
        wire_close_fds(run->fds);
    }
    if (r == 0 || r == -EPIPE || r == -ECONNRESET)
        return r;
    /* For want of memory, of room (a keeper at work reads nothing), or for descriptors that the kernel will not carry:
     * the keeper still waits. */
    keepers_refuse(run->fds, -r);
    return 1;
}

static void lose_turn(struct warden *w, unsigned index)
{
    w->keepers[index].ready = false;
    for (int kind = 0; kind < WARM_KINDS; kind++) {
        turns_remove(&w->ready[kind], index);
        turns_remove(&w->starting[kind], index);
    }
}

static struct turns *turns_of(struct warden *w, const struct slot_ready *ready)
{
    enum warm_kind kind = ready->kind < WARM_KINDS ? (enum warm_kind)ready->kind : WARM_NONE;

    return ready->starting ? &w->starting[kind] : &w->ready[kind];
}

/* One where something waits that can be the program as well. */
static bool find_other_kind(const struct warden *w, const struct wire_run *request, unsigned *ret_slot)
{
    bool found = false;

    for (int kind = WARM_NONE + 1; kind < WARM_KINDS && !found; kind++)
        found = warm_can_be((enum warm_kind)kind, (enum warm_kind)request->zygote) &&
                turns_first(&w->ready[kind], ret_slot);
    return found;
}

/* The slot that suits a run: one where waits what it can use. Else the rest of a start is shorter than a whole one; but
 * a kind of which there are few gets one slot more. Else one where nothing waits, or what nobody misses much. */
static bool find_slot(const struct warden *w, const struct wire_run *request, unsigned *ret_slot)
{
    const struct turns *starting = &w->starting[request->zygote];
    bool found = turns_first(&w->ready[request->zygote], ret_slot) || find_other_kind(w, request, ret_slot) ||
                 (starting->count >= STARTING_FEW && turns_first(starting, ret_slot)) ||
                 turns_first(&w->ready[WARM_NONE], ret_slot) || turns_first(starting, ret_slot);

    for (int kind = WARM_KINDS - 1; kind > WARM_NONE && !found; kind--)
        found = turns_first(&w->starting[kind], ret_slot) || turns_first(&w->ready[kind], ret_slot);
    return found;
}

/* Gives waiting executions to ready slots. A keeper that is gone loses its turn; its death is handled when it is
 * reaped. */
void keepers_dispatch(struct warden *w)
{
    unsigned slot;

    while (w->waiting_count > 0 && find_slot(w, &w->waiting_ring[w->waiting_head].request, &slot)) {
        int r = pass_on(w, &w->keepers[slot], &w->waiting_ring[w->waiting_head]);

        if (r <= 0)
            lose_turn(w, slot);
        if (r >= 0) {
            w->waiting_head = (w->waiting_head + 1) % (unsigned)w->options->slots;
            w->waiting_count--;
        }
    }
}

/* Gives a run to the keeper whose cell it is to continue. That keeper may not have parked it yet, or not any more: it
 * knows. */
void keepers_continue(struct warden *w, struct waiting_run *run)
{
    for (unsigned i = 0; i < w->n_started; i++) {
        struct keeper *keeper = &w->keepers[i];

        if (keeper->socket_fd >= 0 && !keeper->ready && strcmp(keeper->execution_id, run->request.continues) == 0 &&
            pass_on(w, keeper, run) >= 0)
            return;
    }
    keepers_refuse(run->fds, ESTALE);
}

static void restart_keeper(struct warden *w, unsigned index)
{
    int r = start_keeper(w, index);

    if (r >= 0)
        return;
    log_error("slot %u: cannot start its keeper, trying again: %s", index, strerror(-r));
    w->restart_us = clock_monotonic_us() + RESTART_PAUSE_US;
}

static void settle(struct keeper *keeper)
{
    if (keeper->ready)
        (void)packet_offer(keeper->socket_fd, SLOT_SETTLE, sizeof(SLOT_SETTLE), NULL, 0);
}

void keepers_settle(struct warden *w)
{
    for (unsigned i = 0; i < w->n_started; i++)
        settle(&w->keepers[i]);
}

void keepers_log(struct warden *w, int log_fd)
{
    for (unsigned i = 0; i < w->n_started; i++)
        if (w->keepers[i].socket_fd >= 0)
            (void)packet_offer(w->keepers[i].socket_fd, SLOT_SETTLE, sizeof(SLOT_SETTLE), &log_fd, 1);
}

static bool holds_nothing(const struct keeper *keeper)
{
    return !keeper->parked && !keeper->given_back;
}

/* A slot that was given back, or one that was never there. Returns false if there are no more. */
static bool find_place(struct warden *w, unsigned *ret_slot)
{
    for (unsigned i = 0; i < w->n_started; i++)
        if (w->keepers[i].given_back && w->keepers[i].pid < 0) {
            *ret_slot = i;
            return true;
        }
    *ret_slot = w->n_started;
    return w->n_started < w->n_slots;
}

/* For each slot whose cell is parked there is one more, so that no program waits for it to be given up; and another has
 * its place in the pool. */
static void replace_parked(struct warden *w)
{
    unsigned n_others = 0, place;

    for (unsigned i = 0; i < w->n_started; i++)
        if (holds_nothing(&w->keepers[i]) && ++n_others == w->options->pool_python)
            settle(&w->keepers[i]);
    if (n_others >= w->options->slots || !find_place(w, &place))
        return;
    w->n_started += place == w->n_started;
    restart_keeper(w, place);
}

static unsigned n_spare(const struct warden *w)
{
    unsigned n = 0;

    for (unsigned i = 0; i < w->n_started; i++)
        n += holds_nothing(&w->keepers[i]);
    return n > w->options->slots ? n - (unsigned)w->options->slots : 0;
}

/* The last that waits, since the first have a place in the pool. Its keeper ends when it sees the end of its socket. */
static void give_back(struct warden *w)
{
    unsigned index = w->n_started;

    while (index > 0 && !w->keepers[index - 1].ready)
        index--;
    if (index-- == 0)
        return;
    log_debug("slot %u is given back", index);
    lose_turn(w, index);
    cleanup_close_fd(&w->keepers[index].socket_fd);
    w->keepers[index].socket_fd = -1;
    w->keepers[index].given_back = true;
    proxy_process_forget(&w->proxy, index);
    if (w->context.board)
        atomic_store(&w->context.board->is_parked[index], true);
}

void keepers_orphan(struct warden *w)
{
    for (unsigned i = 0; i < w->n_started; i++)
        w->keepers[i].orphaned = !w->keepers[i].ready && w->keepers[i].runs_sent > 0;
    w->orphans_us = clock_monotonic_us() + ORPHANS_US;
}

static void end_orphans(struct warden *w)
{
    if (!w->orphans_us || clock_monotonic_us() < w->orphans_us)
        return;
    w->orphans_us = 0;
    for (unsigned i = 0; i < w->n_started; i++)
        if (w->keepers[i].orphaned && w->keepers[i].pid > 0) {
            log_warning("slot %u: what ran for an api that died does not end and is ended", i);
            kill(w->keepers[i].pid, SIGKILL);
        }
}

void keepers_tend(struct warden *w)
{
    int64_t pause_us = (int64_t)w->options->give_back_seconds * 1000000;

    end_orphans(w);
    if (!w->stopping && spares_due(&w->spares, n_spare(w), clock_monotonic_us(), pause_us))
        give_back(w);
}

void keepers_on_message(struct warden *w, unsigned index)
{
    struct keeper *keeper = &w->keepers[index];
    struct slot_ready ready = { 0 };
    int fds[PACKET_FDS_MAX];
    size_t n_fds = 0;
    ssize_t n = packet_receive(keeper->socket_fd, &ready, sizeof(ready), MSG_DONTWAIT, fds, &n_fds);

    if (n == -EAGAIN)
        return;
    if (n <= 0) {
        /* The keeper is dying; SIGCHLD tells the rest. */
        cleanup_close_fd(&keeper->socket_fd);
        keeper->socket_fd = -1;
        lose_turn(w, index);
        return;
    }
    if (n_fds > 0)
        proxy_process_feed(&w->proxy, index, fds[0]);
    w->failures = 0;
    if (ready.runs != keeper->runs_sent)
        return; /* it crossed a run on its way */
    lose_turn(w, index);
    keeper->parked = ready.parked != 0;
    if (keeper->parked) {
        replace_parked(w);
        return;
    }
    keeper->ready = true;
    keeper->orphaned = false;
    turns_add(turns_of(w, &ready), index);
    api_greet(w);
    keepers_dispatch(w);
}

void keepers_restart(struct warden *w)
{
    if (!w->restart_us || clock_monotonic_us() < w->restart_us)
        return;
    w->restart_us = 0;
    for (unsigned i = 0; i < w->n_started && !w->stopping; i++)
        if (w->keepers[i].pid < 0 && !w->keepers[i].given_back)
            restart_keeper(w, i);
}

/* Its place is free now: sessions that were parked meanwhile may have found none. */
static void after_return(struct warden *w, unsigned index)
{
    (void)cgroup_slot_remove(&w->cgroups, index); /* else by teardown() */
    if (w->context.board)
        atomic_store(&w->context.board->runtimes[index], WARM_NONE); /* it may have been killed */
    if (!w->stopping)
        replace_parked(w);
}

/* One slot that cannot live, for whatever is left of its programs, is no reason to give up the others. */
static bool is_any_alive(const struct warden *w)
{
    for (unsigned i = 0; i < w->n_started; i++)
        if (w->keepers[i].pid > 0)
            return true;
    return false;
}

void keepers_on_death(struct warden *w, unsigned index)
{
    struct keeper *keeper = &w->keepers[index];

    lose_turn(w, index);
    cleanup_close_fd(&keeper->socket_fd);
    *keeper = (struct keeper){
        .pid = -1, .socket_fd = -1, .started_us = keeper->started_us, .given_back = keeper->given_back
    };
    if (keeper->given_back) {
        after_return(w, index);
        return;
    }
    if (w->stopping)
        return;
    if (++w->failures > FAILURES_PER_SLOT * w->n_started && !is_any_alive(w)) {
        log_error("no slot can be kept alive (`codecell doctor` tells what this host lacks)");
        w->status = 1;
        w->finished = true;
        return;
    }
    log_warning("slot %u: its keeper died and is started again", index);
    if (clock_monotonic_us() - keeper->started_us >= RESTART_PAUSE_US)
        restart_keeper(w, index);
    else if (!w->restart_us)
        w->restart_us = clock_monotonic_us() + RESTART_PAUSE_US;
}

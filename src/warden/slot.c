/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/title.h"
#include "warden/slot_cell.h"
#include "warden/slot_park.h"
#include "warden/slot_place.h"
#include "warden/slot_run.h"
#include "warden/slot_state.h"
#include "wire/packet.h"

/* Numbers that stay taken in a keeper, so that a cell's init can have them (cell.h): SLOT_SOCKET_FD and this. */
#define SPARE_FD 4

/* Brings the stock to what is wanted now and tells the warden what there is. */
static int settle(struct slot *slot)
{
    struct slot_ready ready = { .runs = slot->runs };
    int r;

    stock_settle(&slot->stock, &slot->cell);
    ready.kind = stock_ordered(&slot->stock);
    ready.starting = stock_kind(&slot->stock) != ready.kind;
    r = packet_send(SLOT_SOCKET_FD, &ready, sizeof(ready), &slot->listener_fd,
                    slot->listener_fd >= 0 && !slot->listener_told);
    slot->listener_told = true;
    return r;
}

/* Waits for the next program. Returns -EAGAIN after something else that was to be done: the armed cell or the copy in
 * it may die meanwhile (somebody killed it from outside), or it is time for another, or for none. */
static int next_run(struct slot *slot, struct run *run)
{
    struct pollfd polls[] = {
        { .fd = SLOT_SOCKET_FD, .events = POLLIN },
        { .fd = slot->cell.pid_fd, .events = POLLIN },
        { .fd = slot->stock.copy.socket_fd, .events = POLLIN },
    };
    int r;

    while (poll(polls, ARRAY_SIZE(polls), stock_idle_ms(&slot->stock)) < 0)
        if (errno != EINTR)
            return error_from_errno();
    r = polls[0].revents ? run_receive(slot, run) : -EAGAIN;
    if (r == 0 && run->request.continues[0]) {
        run_refuse(run);
        r = -EAGAIN;
    }
    if (r != -EAGAIN)
        return r;
    if (polls[2].revents)
        stock_heard(&slot->stock);
    if (polls[1].revents) {
        slot_discard_cell(slot);
        if (slot_arm(slot) < 0)
            return -ECHILD;
    }
    r = settle(slot);
    return r < 0 ? r : -EAGAIN;
}

static int keep(struct slot *slot)
{
    int r = slot_place_enter(slot);

    while (r == 0) {
        struct run run = RUN_INIT;

        r = slot_arm(slot);
        if (r == 0)
            r = settle(slot);
        if (r < 0)
            break;
        do
            r = next_run(slot, &run);
        while (r == -EAGAIN);
        if (r < 0)
            break;
        slot_run_program(slot, &run);
        if (run.rests)
            r = slot_stay(slot, &run);
        if (r == 0)
            r = slot_place_renew(slot);
    }
    slot_discard_cell(slot);
    return r;
}

static void take_numbers(const struct slot_context *context, int socket_fd)
{
    int copy = fcntl(socket_fd, F_DUPFD_CLOEXEC, 16);
    const struct wan *wan = context->wan;
    int kept[5 + WARM_KINDS] = { SLOT_SOCKET_FD, SPARE_FD, wan ? wan->switch_fd : -1, wan ? wan->proc_fd : -1,
                                 context->root_fd };

    dup3(copy, SLOT_SOCKET_FD, O_CLOEXEC);
    dup3(copy, SPARE_FD, O_CLOEXEC);
    memcpy(kept + 5, context->zygote_fds, sizeof(context->zygote_fds));
    fd_close_others(kept, ARRAY_SIZE(kept));
}

_Noreturn void slot_keep(const struct slot_context *context, unsigned index, int socket_fd)
{
    struct slot slot = {
        .context = context,
        .index = index,
        .uid = (uid_t)context->options->uid_base + index,
        .cgroup = CGROUP_SLOT_INIT,
        .proc_fd = -1,
        .proc_self_fd = -1,
        .home_fd = -1,
        .idmap_fd = -1,
        .port = WAN_PORT_INIT,
        .listener_fd = -1,
        .rest_fd = -1,
        .cell = CELL_INIT,
        .laid = WORKSPACE_INIT,
        .stock = {
            .board = context->board,
            .slot = index,
            .place = {
                .zygote_fds = context->zygote_fds,
                .network_fd = -1,
                .inside_uid = (uid_t)context->options->sandbox_uid,
                .cgroup = &slot.cgroup,
            },
            .pool = (unsigned)context->options->pool_python,
            .copy = WARM_INIT,
        },
    };
    pid_t warden = getppid();
    sigset_t none;
    int r;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != warden)
        _exit(1);
    prctl(PR_SET_NAME, "codecell-slot");
    title_set("codecell-slot");
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    /* A terminal sends its signals to the whole group; when it is time to end, the warden says so. */
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    take_numbers(context, socket_fd);
    stock_release(&slot.stock); /* what the keeper before this one had */
    stock_park(&slot.stock, false);
    r = keep(&slot);
    if (r < 0 && r != -EPIPE && r != -ECONNRESET)
        log_error("slot %u: keeper ends: %s", index, strerror(-r));
    _exit(r == -EPIPE || r == -ECONNRESET ? 0 : 1);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot_park.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "warden/rest.h"
#include "warden/slot_cell.h"
#include "warden/slot_results.h"
#include "warden/slot_watch.h"
#include "wire/packet.h"

/* From the answer until a parked program has left its state. Whoever needs longer has left none. */
#define SAVE_TIMEOUT_US 30000000ull

enum {
    PARKED_OVER = 1,
};

/* The program goes on for a while to leave its state, within the limits of its last run. Returns 0 or a negative errno;
 * then the cell has to go. */
static int save(struct slot *slot, struct run *run)
{
    struct wire_saved saved = { .type = WIRE_SAVED };
    int r = pace_begin(&run->pace, &slot->cgroup);

    if (r == 0)
        r = rest_save(slot->rest_fd, &slot->cgroup);
    if (r < 0)
        return r;
    run->rests = run->unsaved = false;
    run->started_us = clock_monotonic_us();
    pace_start(&run->pace, run->started_us, SAVE_TIMEOUT_US);
    brake_start_again(&run->brake, &slot->cgroup, run->started_us);
    run_watch(slot, run);
    if (!run->rests)
        return -ECHILD;
    run_make_room(slot);
    r = run_send_state(slot, run);
    saved.parked_bytes = slot_parked_bytes(slot);
    return r ? -EPIPE : wire_send_within(run->fds[WIRE_RUN_CHANNEL], &saved, NULL, RUN_SEND_MS);
}

/* What the api says to a parked cell, or that it says nothing more. Returns as next_of_session(). */
static int read_parked_channel(struct slot *slot, struct run *run)
{
    union wire_message message;
    int fds[WIRE_FDS_MAX];
    int r = wire_receive(run->fds[WIRE_RUN_CHANNEL], WIRE_FROM_API, MSG_DONTWAIT, &message, fds);

    if (r == -EAGAIN)
        return r;
    wire_close_fds(fds);
    if (r != 0 || message.type != WIRE_SAVE || !run->unsaved)
        return PARKED_OVER;
    return save(slot, run) == 0 ? -EAGAIN : PARKED_OVER;
}

/* Waits for the next run of the cell's session. Returns 0, -EAGAIN after something else, PARKED_OVER when the cell is
 * dead or nobody wants it any more, or another negative errno. */
static int next_of_session(struct slot *slot, struct run *parked, struct run *run)
{
    struct pollfd polls[] = {
        { .fd = SLOT_SOCKET_FD, .events = POLLIN },
        { .fd = slot->cell.pid_fd, .events = POLLIN },
        { .fd = slot->cell.control_fd, .events = POLLIN },
        { .fd = parked->fds[WIRE_RUN_CHANNEL], .events = POLLIN },
    };

    while (poll(polls, ARRAY_SIZE(polls), -1) < 0)
        if (errno != EINTR)
            return error_from_errno();
    if (polls[0].revents)
        return run_receive(slot, run);
    return polls[1].revents || polls[2].revents ? PARKED_OVER : read_parked_channel(slot, parked);
}

/* After the answer: the cell keeps nothing of the workspace, and the warden knows that the slot is not coming back. */
static int park(struct slot *slot, const struct run *run)
{
    struct slot_ready ready = { .runs = slot->runs, .parked = 1 };
    int r = slot_replace_mounts(slot, -1);

    slot->network = run->request.network;
    stock_park(&slot->stock, true);
    if (r < 0)
        log_warning("slot %u: a parked cell keeps its workspace: %s", slot->index, strerror(-r));
    return packet_send(SLOT_SOCKET_FD, &ready, sizeof(ready), NULL, 0);
}

int slot_stay(struct slot *slot, struct run *run)
{
    int r = 0;

    while (r == 0 && run->rests) {
        struct run next = RUN_INIT;

        r = park(slot, run);
        if (r < 0)
            break;
        do
            r = next_of_session(slot, run, &next);
        while (r == -EAGAIN);
        run_close_fds(run);
        *run = next;
        if (r == 0)
            slot_continue_program(slot, run);
    }
    slot_discard_cell(slot);
    (void)cgroup_slot_rest(&slot->cgroup, false);
    stock_park(&slot->stock, false);
    return r == PARKED_OVER ? 0 : r;
}

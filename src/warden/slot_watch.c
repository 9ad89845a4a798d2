/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot_watch.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "warden/hold.h"
#include "warden/rest.h"
#include "wire/packet.h"

/* A program may lose a child or two for memory and go on. One that keeps losing them would spend its time in the
 * kernel's search for more, and its own parent process could not get a page to see the end. */
#define OOM_KILLS_MAX 3

#define REPORTS_MAX 16

static void kill_for(struct slot *slot, struct run *run, enum wire_end_reason reason)
{
    if (run->pace.killed_us)
        return;
    run->reason = reason;
    run->kernel_kills = cgroup_slot_kills(&slot->cgroup);
    pace_kill(&run->pace, &slot->cgroup, clock_monotonic_us());
    cell_kill(&slot->cell);
}

/* What the compile step made goes to the api at once, before the program that runs next can do anything; the api
 * decides if it is worth keeping. One is enough for a run. */
static void send_built(struct run *run, int fd)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_BUILT, .path = "built" };

    if (!run->built_sent)
        (void)wire_send_within(run->fds[WIRE_RUN_CHANNEL], &entry, &fd, RUN_SEND_MS);
    run->built_sent = true;
}

void run_note_start(struct run *run)
{
    struct wire_started started = { .type = WIRE_STARTED, .origin = run->origin };

    if (run->started_us)
        return; /* the time limit runs but once */
    run->started_us = clock_monotonic_us();
    pace_start(&run->pace, run->started_us, run->request.timeout_us);
    brake_start(&run->brake, run->started_us);
    started.prepare_us = (uint64_t)(run->started_us - run->received_us);
    (void)wire_send_within(run->fds[WIRE_RUN_CHANNEL], &started, NULL, RUN_SEND_MS);
}

static void on_report(struct run *run, const struct cell_report *report, int fd)
{
    switch (report->type) {
    case CELL_STARTED:
        run_note_start(run);
        break;
    case CELL_STEP:
        run->ended_us = clock_monotonic_us();
        run->last = *report;
        run->reported = true;
        break;
    case CELL_FAILED:
        run_fail(run, report->name, report->error);
        break;
    case CELL_BUILT:
        send_built(run, fd);
        break;
    default:
        break;
    }
}

/* Not more at a time than an init has to tell: whoever might have taken one over must not keep the keeper here. */
static void read_reports(struct slot *slot, struct run *run)
{
    struct cell_report report;
    int fd;

    for (int i = 0; i < REPORTS_MAX && cell_report(&slot->cell, &report, &fd) == 0; i++) {
        on_report(run, &report, fd);
        cleanup_close_fd(&fd);
    }
}

/* The api counts with what the program holds, and the warden replaces the slot for as long as it does not come back. */
static void tell_pause(struct slot *slot, struct run *run, enum wire_pause_kind kind)
{
    struct slot_ready ready = { .runs = slot->runs, .parked = 1 };
    struct wire_paused paused = { .type = WIRE_PAUSED, .held_bytes = run->request.memory_bytes };

    run->whole_bytes = slot->cgroup.current.memory_bytes;
    if (kind == WIRE_PAUSE_SMALL)
        paused.held_bytes = hold_small(&slot->cgroup);
    (void)wire_send_within(run->fds[WIRE_RUN_CHANNEL], &paused, NULL, RUN_SEND_MS);
    if (!run->told_warden)
        (void)packet_send(SLOT_SOCKET_FD, &ready, sizeof(ready), NULL, 0);
    run->told_warden = true;
}

/* A program that waits for its caller spends no time of its own; one that goes on gets all its time again. */
static void pause_run(struct slot *slot, struct run *run, enum wire_pause_kind kind)
{
    int64_t now_us = clock_monotonic_us();

    if ((kind != WIRE_PAUSE_OVER) == (run->paused_us > 0) || !run->started_us)
        return;
    if (kind == WIRE_PAUSE_OVER) {
        run->waited_us += now_us - run->paused_us;
        run->paused_us = 0;
        hold_whole(&slot->cgroup, run->whole_bytes);
        pace_resume(&run->pace, &slot->cgroup, now_us, run->request.timeout_us);
        return;
    }
    run->paused_us = now_us;
    tell_pause(slot, run, kind);
    pace_pause(&run->pace, &slot->cgroup, now_us);
}

/* Anything else on the execution channel before the end is a wish to end: a kill, a closed channel, or nonsense. */
static void read_channel(struct slot *slot, struct run *run)
{
    union wire_message message;
    int fds[WIRE_FDS_MAX];
    int r = wire_receive(run->fds[WIRE_RUN_CHANNEL], WIRE_FROM_API, MSG_DONTWAIT, &message, fds);

    if (r == -EAGAIN)
        return;
    wire_close_fds(fds);
    if (r == 0 && message.type == WIRE_PAUSE)
        pause_run(slot, run, (enum wire_pause_kind)message.pause.kind);
    else
        kill_for(slot, run, WIRE_END_KILLED);
}

static void on_out_of_memory(struct slot *slot, struct run *run)
{
    if (cgroup_slot_oom_kills(&slot->cgroup) >= OOM_KILLS_MAX)
        kill_for(slot, run, WIRE_END_MEMORY);
}

/* -1 = nothing to wait for but events. */
static int poll_timeout_ms(const struct run *run)
{
    int64_t due_us = pace_due_us(&run->pace), left_us;

    if (run->brake.due_us && run->brake.due_us < due_us && !run->pace.killed_us)
        due_us = run->brake.due_us;
    if (due_us == PACE_NEVER_US)
        return -1;
    left_us = due_us - clock_monotonic_us();
    return left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

/* The program says that it has ended well and rests: worth as much as its exit with 0, since nothing but the cell says
 * either. What counts is that it stands still, alone. Otherwise it is told to end. */
static void on_rest(struct slot *slot, struct run *run)
{
    int r = rest_heard(slot->rest_fd, &run->unsaved);

    if (r == -EAGAIN)
        return;
    if (r == 0 && run->started_us && !run->pace.killed_us && !run->failed.type) {
        brake_end(&run->brake, &slot->cgroup);
        run->rests = rest_stop(slot->rest_fd, &slot->cgroup) == 0;
    }
    if (run->rests)
        return;
    rest_end(&slot->rest_fd);
    brake_start_again(&run->brake, &slot->cgroup, clock_monotonic_us());
}

void run_watch(struct slot *slot, struct run *run)
{
    while (!run->rests) {
        struct pollfd polls[] = {
            { .fd = slot->cell.pid_fd, .events = POLLIN },
            { .fd = run->hung_up ? -1 : slot->cell.control_fd, .events = POLLIN },
            { .fd = run->pace.killed_us ? -1 : run->fds[WIRE_RUN_CHANNEL], .events = POLLIN },
            cgroup_slot_oom_poll(&slot->cgroup),
            { .fd = slot->rest_fd, .events = POLLIN },
        };
        int timeout_ms = poll_timeout_ms(run);

        if (poll(polls, ARRAY_SIZE(polls), timeout_ms) < 0 && errno != EINTR)
            break;
        if (polls[1].revents & POLLIN)
            read_reports(slot, run);
        if (polls[0].revents)
            break;
        if (polls[1].revents & POLLHUP) {
            /* PID 1 closed its socket: it is on its way out, and needs the processor more than this loop. */
            run->hung_up = true;
            cell_kill(&slot->cell);
        }
        if (polls[2].revents)
            read_channel(slot, run);
        if (polls[3].revents)
            on_out_of_memory(slot, run);
        if (!run->pace.killed_us)
            brake_tick(&run->brake, &slot->cgroup, clock_monotonic_us());
        if (pace_tick(&run->pace, &slot->cgroup, clock_monotonic_us()))
            kill_for(slot, run, WIRE_END_TIMEOUT);
        else if (polls[4].revents)
            on_rest(slot, run);
    }
    if (!run->rests) {
        read_reports(slot, run);
        rest_end(&slot->rest_fd);
        cell_kill(&slot->cell);
    }
    brake_end(&run->brake, &slot->cgroup);
    pace_end(&run->pace, &slot->cgroup);
    if (!run->rests)
        cell_reap(&slot->cell);
    if (!run->ended_us || run->pace.killed_us)
        run->ended_us = clock_monotonic_us();
}

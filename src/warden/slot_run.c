/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log_file.h"
#include "warden/rest.h"
#include "warden/slot_cell.h"
#include "warden/slot_results.h"
#include "warden/slot_watch.h"
#include "wire/packet.h"

/* The keeper and the cell's init count as processes of the slot. */
#define KEEPER_PROCESSES 2

/* tmpfs is charged to the cell's memory. A layer as large as the whole limit could never be filled: the kernel would
 * kill the program for memory first, and the caller would be told the wrong reason. */
static uint64_t disk_bytes(const struct wire_run *request)
{
    uint64_t most = request->memory_bytes / 4 * 3;

    return request->disk_bytes < most ? request->disk_bytes : most;
}

/* The next cell of the slot has one laid out for a program like this one. */
static int make_workspace(struct slot *slot, struct run *run)
{
    uint64_t bytes = disk_bytes(&run->request), laid_bytes = slot->laid_bytes;

    slot->laid_bytes = run->lower_fd < 0 ? bytes : 0;
    run->laid = slot->laid.mount_fd >= 0 && slot->laid_bytes == laid_bytes;
    if (!run->laid) {
        workspace_deinit(&slot->laid);
        return workspace_new(run->lower_fd, slot->idmap_fd, slot->uid, bytes, &run->workspace);
    }
    run->workspace = slot->laid;
    slot->laid = WORKSPACE_INIT;
    return 0;
}

static int attach_workspace(struct slot *slot, struct run *run)
{
    return run->laid ? 0 : slot_attach(slot, run->workspace.mount_fd);
}

static int set_limits(struct slot *slot, struct run *run)
{
    struct cgroup_limits limits = {
        .memory_bytes = run->request.memory_bytes,
        .processes_max = run->request.processes_max + KEEPER_PROCESSES,
        .cpu_millis = run->request.cpu_millis,
    };
    int r = cgroup_slot_limit(&slot->cgroup, &limits);

    if (r == 0)
        r = pace_begin(&run->pace, &slot->cgroup);
    return r ? r : cgroup_slot_begin(&slot->cgroup);
}

/* No program runs in a cell that something else may be in. */
static int leave_unclear_cell(struct slot *slot)
{
    if (!slot->stock.expecting)
        return 0;
    slot_discard_cell(slot);
    return slot_arm(slot);
}

/* What waits in the cell to be the program, if it can be that. What it cannot be ends. */
static int take_copy(struct slot *slot, struct run *run)
{
    enum warm_kind kind = (enum warm_kind)run->request.zygote;
    const struct stock_want want = { .kind = kind, .memory_mb = runtime_memory_mb(kind, run->request.memory_bytes) };
    bool waited;
    int r;

    stock_clear(&slot->stock, &want);
    r = leave_unclear_cell(slot);
    if (r < 0)
        return r;
    if (!stock_take(&slot->stock, &slot->cell, &want, run->fds[WIRE_RUN_CHANNEL], &waited)) {
        if (want.kind != WARM_NONE && slot->stock.board)
            run->origin = WIRE_ORIGIN_STARTED;
    } else if (!waited)
        run->origin = WIRE_ORIGIN_FORKED;
    return leave_unclear_cell(slot);
}

/* Only a copy of the zygote can be stopped apart from its keeper. */
static bool may_rest(const struct slot *slot, const struct run *run)
{
    return run->request.park && warm_traits((enum warm_kind)run->request.zygote)->is_python &&
           slot->stock.copy.socket_fd >= 0 && cgroup_slot_can_rest(&slot->cgroup);
}

/* The reader of the output must see its end when the cell is gone. */
static void close_program_fds(struct run *run)
{
    for (int i = WIRE_RUN_PROGRAM; i < WIRE_RUN_FDS_MAX; i++) {
        cleanup_close_fd(&run->fds[i]);
        run->fds[i] = -1;
    }
}

static int hand_over(struct slot *slot, struct run *run)
{
    int fds[CELL_FDS_MAX] = {
        [CELL_FD_PROGRAM] = run->fds[WIRE_RUN_PROGRAM],    [CELL_FD_STDIN] = run->fds[WIRE_RUN_STDIN],
        [CELL_FD_STDOUT] = run->fds[WIRE_RUN_STDOUT],      [CELL_FD_STDERR] = run->fds[WIRE_RUN_STDERR],
        [CELL_FD_TOOLS] = run->fds[WIRE_RUN_TOOLS],        [CELL_FD_WARM] = slot->stock.copy.socket_fd,
        [CELL_FD_TRANSPILER] = slot->stock.copy.source_fd,
    };
    struct cell_warm warm = { .pid = slot->stock.copy.pid, .rests = may_rest(slot, run) };
    int r = 0;

    if (warm.rests && (slot->rest_fd = fcntl(slot->stock.copy.socket_fd, F_DUPFD_CLOEXEC, 0)) < 0)
        r = error_from_errno();
    if (r == 0)
        r = cell_run(&slot->cell, fds, run->request.file_bytes_max, &warm);
    slot->armed = false;
    stock_release(&slot->stock); /* it is the init's now */
    close_program_fds(run);
    return r;
}

/* A network is made with all that the server has. What a program may not have of it is taken away before it comes, and
 * the network with it when it is gone. */
static int narrow_network(struct slot *slot, struct run *run)
{
    int r = 0;

    if (slot->context->wan && run->request.network != WIRE_NETWORK_WAN) {
        slot->network_print = 0;
        r = wan_port_disconnect(&slot->port);
    }
    if (slot->listener_fd >= 0 && run->request.network == WIRE_NETWORK_OFF) {
        slot->network_print = 0;
        if (shutdown(slot->listener_fd, SHUT_RDWR) < 0)
            r = error_from_errno();
    }
    return r;
}

static int check_network(struct slot *slot, struct run *run)
{
    return run->request.network == slot->network ? 0 : -ESTALE;
}

/* What an earlier run filled and lived with, and is not renewed, is no reason for how this one ends. */
static int renew_mounts(struct slot *slot, struct run *run)
{
    int r = slot_replace_mounts(slot, run->workspace.mount_fd);

    run->full_before = cell_scratch_full(&slot->cell);
    return r;
}

/* What the cell holds is its program's, whichever run of its session brought it. */
static int renew_limits(struct slot *slot, struct run *run)
{
    uint64_t base_bytes = slot->cgroup.base_memory_bytes;
    int r = set_limits(slot, run);

    slot->cgroup.base_memory_bytes = base_bytes;
    return r;
}

static int go_on(struct slot *slot, struct run *run)
{
    int r;

    run->origin = WIRE_ORIGIN_HOT;
    r = rest_go_on(slot->rest_fd, &slot->cgroup, run->fds + WIRE_RUN_PROGRAM, run->request.file_bytes_max);
    close_program_fds(run);
    if (r == 0)
        run_note_start(run);
    return r;
}

struct run_step {
    const char *name;
    int (*run)(struct slot *slot, struct run *run);
};

static const struct run_step run_steps[] = {
    { "zygote", take_copy },  { "workspace mounts", make_workspace }, { "workspace", attach_workspace },
    { "limits", set_limits }, { "network", narrow_network },          { "hand over", hand_over },
};

static const struct run_step continue_steps[] = {
    { "parked", check_network },   { "workspace mounts", make_workspace },
    { "workspace", renew_mounts }, { "limits", renew_limits },
    { "hand over", go_on },
};

void run_fail(struct run *run, const char *step, int error)
{
    run->failed.type = WIRE_FAILED;
    run->failed.error = error > 0 ? error : EIO;
    snprintf(run->failed.step, sizeof(run->failed.step), "%s", step);
}

void run_close_fds(struct run *run)
{
    for (int i = 0; i < WIRE_RUN_FDS_MAX; i++)
        cleanup_close_fd(&run->fds[i]);
    cleanup_close_fd(&run->lower_fd);
}

static void serve(struct slot *slot, struct run *run, const struct run_step *steps, size_t n_steps)
{
    int r = 0;

    for (size_t i = 0; i < n_steps && r == 0; i++) {
        r = steps[i].run(slot, run);
        if (r < 0)
            run_fail(run, steps[i].name, -r);
    }
    if (r < 0)
        slot_end_cell(slot);
    else
        run_watch(slot, run);
    run_finish(slot, run);
}

void slot_run_program(struct slot *slot, struct run *run)
{
    serve(slot, run, run_steps, ARRAY_SIZE(run_steps));
}

void slot_continue_program(struct slot *slot, struct run *run)
{
    serve(slot, run, continue_steps, ARRAY_SIZE(continue_steps));
}

int run_receive(struct slot *slot, struct run *run)
{
    int fds[PACKET_FDS_MAX];
    size_t n_fds, n_own;
    ssize_t n = packet_receive(SLOT_SOCKET_FD, &run->request, sizeof(run->request), 0, fds, &n_fds);

    if (n == 0)
        return -EPIPE;
    if (n < 0)
        return (int)n;
    if (n == sizeof(SLOT_SETTLE) && n_fds <= 1) {
        if (n_fds == 1) {
            (void)log_file_use(fds[0]);
            close(fds[0]);
        }
        return -EAGAIN;
    }
    n_own = n == sizeof(run->request) ? wire_run_fds(&run->request) : 0;
    if (n_own == 0 || n_fds < n_own || n_fds > n_own + 1)
        return -EPROTO;
    run->fds[WIRE_RUN_TOOLS] = -1;
    memcpy(run->fds, fds, n_own * sizeof(int));
    run->lower_fd = n_fds > n_own ? fds[n_own] : -1;
    run->received_us = clock_monotonic_us();
    slot->runs++;
    run->origin = slot->armed ? WIRE_ORIGIN_ARMED : WIRE_ORIGIN_STARTED;
    return 0;
}

void run_refuse(struct run *run)
{
    run_fail(run, "parked", ESTALE);
    (void)wire_send_within(run->fds[WIRE_RUN_CHANNEL], &run->failed, NULL, 0); /* the first message: there is room */
    run_close_fds(run);
    *run = RUN_INIT;
}

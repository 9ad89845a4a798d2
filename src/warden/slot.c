/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/title.h"
#include "cell/cell.h"
#include "cell/listener.h"
#include "cell/namespaces.h"
#include "cell/rootfs.h"
#include "cell/wan_port.h"
#include "cell/workspace.h"
#include "warden/brake.h"
#include "warden/hold.h"
#include "warden/pace.h"
#include "warden/rest.h"
#include "wire/message.h"
#include "wire/packet.h"

/* Numbers that stay taken in a keeper, so that a cell's init can have them (cell.h). */
#define SOCKET_FD 3
#define SPARE_FD  4

/* A program may lose a child or two for memory and go on. One that keeps losing them would spend its time in the
 * kernel's search for more, and its own parent process could not get a page to see the end. */
#define OOM_KILLS_MAX 3

#define REPORTS_MAX 16

#define ARM_TIMEOUT_MS   10000
#define EMPTY_TIMEOUT_MS 5000
#define SEND_TIMEOUT_S   30

/* From the answer until a parked program has left its state. Whoever needs longer has left none. */
#define SAVE_TIMEOUT_US 30000000ull

#define RELEASE_TIMEOUT_MS 30000
#define RELEASE_LOOK_MS    2
#define RELEASED_BYTES     (32 << 20) /* the kernel's figure lags by some pages a CPU */

/* The keeper and the cell's init count as processes of the slot. */
#define KEEPER_PROCESSES 2

#define KEEPER_NICE (-20)

/* What the harvest may need beyond a cell that has used up its memory. */
#define HARVEST_MEMORY_BYTES (64ull << 20)

struct slot {
    const struct slot_context *context;
    unsigned index;
    uid_t uid; /* the slot's user on the host */
    struct cgroup_slot cgroup;
    int proc_fd;            /* the host's /proc */
    int proc_self_fd;       /* /proc/<keeper> in it */
    int home_fd;            /* the keeper's mount namespace */
    int idmap_fd;           /* the api's files as the slot's user's */
    uint64_t network_print; /* of the fresh network namespace */
    struct wan_port port;   /* its way out, if there is one */
    int listener_fd;        /* of the network, for the proxy; -1 = none */
    bool listener_told;     /* the warden has it */
    struct cell cell;
    bool armed; /* the cell waits for a program */
    struct stock stock;
    uint32_t runs;    /* that were received */
    int rest_fd;      /* where the program says that it rests; -1 = it may not */
    uint32_t network; /* enum wire_network of the cell that rests */
};

/* One execution. */
struct run {
    struct wire_run request;
    int fds[WIRE_RUN_FDS_MAX];
    int lower_fd; /* detached mount of the input directory; -1 = no inputs */
    struct workspace workspace;
    enum wire_origin origin;
    int64_t received_us, started_us, ended_us; /* 0 = not yet */
    int64_t paused_us;                         /* since when the program waits for its caller; 0 = it does not */
    uint64_t whole_bytes;                      /* its memory limit before the pause */
    bool told_warden;                          /* that it has begun to wait */
    int64_t waited_us;                         /* how long it has, in earlier pauses */
    struct pace pace;
    struct brake brake;
    enum wire_end_reason reason;
    bool reported, hung_up, built_sent;
    bool rests;                /* it has ended well, and its cell stands still instead of being dead */
    bool unsaved;              /* and has yet to leave its state */
    struct cell_report last;   /* the step that ended last */
    struct wire_failed failed; /* type 0 = no failure */
};

static int open_host_proc(struct slot *slot)
{
    char self[16];

    slot->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(self, sizeof(self), "%d", (int)getpid());
    if (slot->proc_fd < 0 || (slot->proc_self_fd = openat(slot->proc_fd, self, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return error_from_errno();
    return namespaces_idmap(slot->proc_fd, (uid_t)slot->context->options->api_uid, slot->uid, &slot->idmap_fd);
}

static int enter_cgroup(struct slot *slot)
{
    int r = cgroup_slot_open(slot->context->cgroups, slot->index, &slot->cgroup);

    if (r == 0 && slot->context->options->hot)
        r = cgroup_slot_let_rest(&slot->cgroup);
    return r ? r : cgroup_slot_enter(&slot->cgroup);
}

static int enter_root(struct slot *slot)
{
    if (unshare(CLONE_NEWNS) < 0)
        return error_from_errno();
    slot->home_fd = openat(slot->proc_self_fd, "ns/mnt", O_RDONLY | O_CLOEXEC);
    return slot->home_fd < 0 ? error_from_errno() : rootfs_enter(slot->context->root_dir);
}

static int open_port(struct slot *slot)
{
    return slot->context->wan ? wan_port_open(slot->context->wan, slot->index, &slot->port) : 0;
}

static int listen_for_proxy(struct slot *slot)
{
    cleanup_close_fd(&slot->listener_fd);
    slot->listener_fd = -1;
    slot->listener_told = false;
    return listener_open((uint16_t)slot->context->options->proxy_port, &slot->listener_fd);
}

static int new_network(struct slot *slot)
{
    int r = namespaces_new_network();

    if (r == 0 && slot->context->wan)
        r = wan_port_connect(&slot->port);
    if (r == 0 && slot->context->options->proxy_hosts)
        r = listen_for_proxy(slot);
    cleanup_close_fd(&slot->stock.place.network_fd);
    slot->stock.place.network_fd = openat(slot->proc_self_fd, "ns/net", O_RDONLY | O_CLOEXEC);
    slot->network_print = namespaces_network_print(slot->proc_self_fd);
    return r;
}

static bool network_is_fresh(const struct slot *slot)
{
    uint64_t print = namespaces_network_print(slot->proc_self_fd);

    return print != 0 && print == slot->network_print;
}

/* A keeper shares the processors' share of its cell: among hundreds of busy processes it must still see that their time
 * is over. */
static int prefer_attention(struct slot *slot)
{
    (void)slot;
    (void)setpriority(PRIO_PROCESS, 0, KEEPER_NICE);
    return 0;
}

/* The kernel should sooner kill anything in the cell than its keeper. Not every host grants the right to say so. */
static int prefer_survival(struct slot *slot)
{
    (void)fd_write_at(slot->proc_self_fd, "oom_score_adj", "-999");
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct slot *slot);
} setup_steps[] = {
    { "host proc", open_host_proc },      { "cgroup", enter_cgroup },
    { "place on the switch", open_port }, { "network namespace", new_network },
    { "root file system", enter_root },   { "out-of-memory score", prefer_survival },
    { "priority", prefer_attention },
};

static int slot_setup(struct slot *slot)
{
    for (size_t i = 0; i < ARRAY_SIZE(setup_steps); i++) {
        int r = setup_steps[i].run(slot);

        if (r < 0) {
            log_error("slot %u: %s: %s", slot->index, setup_steps[i].name, strerror(-r));
            return r;
        }
    }
    return 0;
}

static bool fd_readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout_ms) > 0;
}

static struct cell_options cell_options(const struct slot *slot)
{
    const struct warden_options *o = slot->context->options;

    return (struct cell_options){
        .filter = slot->context->filter,
        .hostname = o->hostname,
        .host_uid = slot->uid,
        .inside_uid = (uid_t)o->sandbox_uid,
        .tmp_bytes = o->tmp_mb << 20,
        .cgroup_fd = slot->cgroup.cell_fd,
    };
}

static int arm(struct slot *slot)
{
    struct cell_options options;
    struct cell_report report;
    CLEANUP_CLOSE int report_fd = -1;
    int r = cgroup_slot_renew(&slot->cgroup);

    options = cell_options(slot);
    if (r == 0)
        r = cell_arm(&options, &slot->cell);
    if (r < 0)
        return r;
    r = fd_readable(slot->cell.control_fd, ARM_TIMEOUT_MS) ? cell_report(&slot->cell, &report, &report_fd) : -ETIMEDOUT;
    if (r < 0)
        return r;
    if (report.type != CELL_ARMED) {
        log_error("slot %u: cell step %s: %s", slot->index, report.name, strerror(report.error));
        return -report.error;
    }
    slot->armed = true;
    stock_new_cell(&slot->stock);
    cgroup_slot_note_empty(&slot->cgroup);
    return 0;
}

/* Ends the cell, whatever its state. */
static void discard_cell(struct slot *slot)
{
    stock_release(&slot->stock);
    rest_end(&slot->rest_fd);
    cell_kill(&slot->cell);
    cell_reap(&slot->cell);
    cell_close(&slot->cell);
    slot->armed = false;
}

/* tmpfs is charged to the cell's memory. A layer as large as the whole limit could never be filled: the kernel would
 * kill the program for memory first, and the caller would be told the wrong reason. */
static uint64_t disk_bytes(const struct wire_run *request)
{
    uint64_t most = request->memory_bytes / 4 * 3;

    return request->disk_bytes < most ? request->disk_bytes : most;
}

static int make_workspace(struct slot *slot, struct run *run)
{
    return workspace_new(run->lower_fd, slot->idmap_fd, slot->uid, disk_bytes(&run->request), &run->workspace);
}

static int came_back(const struct slot *slot, int r)
{
    if (r == -ENOTRECOVERABLE) {
        log_error("slot %u: the way back from a cell's mounts is gone", slot->index);
        _exit(1);
    }
    return r;
}

static int attach_workspace(struct slot *slot, struct run *run)
{
    return came_back(slot, cell_attach(&slot->cell, slot->home_fd, run->workspace.mount_fd));
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
    discard_cell(slot);
    return arm(slot);
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
    if (!stock_take(&slot->stock, &slot->cell, &want, &waited)) {
        if (want.kind != WARM_NONE && slot->stock.board)
            run->origin = WIRE_ORIGIN_STARTED;
    } else if (!waited)
        run->origin = WIRE_ORIGIN_FORKED;
    return leave_unclear_cell(slot);
}

/* Only a copy of the zygote can be stopped apart from its keeper. */
static bool may_rest(const struct slot *slot, const struct run *run)
{
    return run->request.park && warm_is_python((enum warm_kind)run->request.zygote) &&
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
        [CELL_FD_PROGRAM] = run->fds[WIRE_RUN_PROGRAM], [CELL_FD_STDIN] = run->fds[WIRE_RUN_STDIN],
        [CELL_FD_STDOUT] = run->fds[WIRE_RUN_STDOUT],   [CELL_FD_STDERR] = run->fds[WIRE_RUN_STDERR],
        [CELL_FD_TOOLS] = run->fds[WIRE_RUN_TOOLS],     [CELL_FD_WARM] = slot->stock.copy.socket_fd,
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

struct run_step {
    const char *name;
    int (*run)(struct slot *slot, struct run *run);
};

static const struct run_step run_steps[] = {
    { "zygote", take_copy },  { "workspace mounts", make_workspace }, { "workspace", attach_workspace },
    { "limits", set_limits }, { "network", narrow_network },          { "hand over", hand_over },
};

static void fail(struct run *run, const char *name, int error)
{
    run->failed.type = WIRE_FAILED;
    run->failed.error = error > 0 ? error : EIO;
    snprintf(run->failed.step, sizeof(run->failed.step), "%s", name);
}

static void kill_for(struct slot *slot, struct run *run, enum wire_end_reason reason)
{
    if (run->pace.killed_us)
        return;
    run->reason = reason;
    pace_kill(&run->pace, &slot->cgroup, clock_monotonic_us());
    cell_kill(&slot->cell);
}

/* What the compile step made goes to the api at once, before the program that runs next can do anything; the api
 * decides if it is worth keeping. One is enough for a run. */
static void send_built(struct run *run, int fd)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_BUILT, .path = "built" };

    if (!run->built_sent)
        (void)wire_send(run->fds[WIRE_RUN_CHANNEL], &entry, &fd);
    run->built_sent = true;
}

static void note_start(struct run *run)
{
    struct wire_started started = { .type = WIRE_STARTED, .origin = run->origin };

    if (run->started_us)
        return; /* the time limit runs but once */
    run->started_us = clock_monotonic_us();
    pace_start(&run->pace, run->started_us, run->request.timeout_us);
    brake_start(&run->brake, run->started_us);
    started.prepare_us = (uint64_t)(run->started_us - run->received_us);
    (void)wire_send(run->fds[WIRE_RUN_CHANNEL], &started, NULL);
}

static void on_report(struct run *run, const struct cell_report *report, int fd)
{
    switch (report->type) {
    case CELL_STARTED:
        note_start(run);
        break;
    case CELL_STEP:
        run->ended_us = clock_monotonic_us();
        run->last = *report;
        run->reported = true;
        break;
    case CELL_FAILED:
        fail(run, report->name, report->error);
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
    (void)wire_send(run->fds[WIRE_RUN_CHANNEL], &paused, NULL);
    if (!run->told_warden)
        (void)packet_send(SOCKET_FD, &ready, sizeof(ready), NULL, 0);
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
    brake_start(&run->brake, clock_monotonic_us());
}

/* From hand-over to the death of the cell's last process, or until they all stand still. */
static void watch(struct slot *slot, struct run *run)
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

/* A cell that died full leaves its memory in the harvest's files; the keeper needs some of its own to read them. */
static void make_room(struct slot *slot)
{
    struct cgroup_limits limits = slot->cgroup.current;
    int64_t used = cgroup_slot_memory(&slot->cgroup);

    if (used < 0 || (uint64_t)used + HARVEST_MEMORY_BYTES / 2 < limits.memory_bytes)
        return;
    limits.memory_bytes += HARVEST_MEMORY_BYTES;
    (void)cgroup_slot_limit(&slot->cgroup, &limits);
}

/* How long the program ran; what it waited for its caller does not count. */
static uint64_t wall_us(const struct run *run)
{
    int64_t until_us = run->paused_us ? run->paused_us : run->ended_us;

    return run->started_us ? (uint64_t)(until_us - run->started_us - run->waited_us) : 0;
}

static uint64_t parked_bytes(const struct slot *slot)
{
    int64_t bytes = cgroup_slot_memory(&slot->cgroup);

    return bytes > 0 ? (uint64_t)bytes : 1;
}

static int send_ended(struct slot *slot, struct run *run)
{
    struct cgroup_figures figures;
    struct wire_ended ended = {
        .type = WIRE_ENDED,
        .reason = run->pace.killed_us           ? run->reason
                  : run->reported || run->rests ? WIRE_END_EXITED
                                                : WIRE_END_LOST,
        .step = run->last.step,
        .exit_code = run->last.exit_code,
        .signal = run->last.signal,
        .wall_us = wall_us(run),
    };

    cgroup_slot_figures(&slot->cgroup, &figures);
    ended.oom_kills = figures.oom_kills;
    ended.process_limit = figures.process_limit;
    ended.cpu_us = figures.cpu_us;
    ended.memory_peak_bytes = figures.memory_peak_bytes;
    ended.processes_peak = figures.processes_peak;
    ended.disk_full = workspace_is_full(&run->workspace) || cell_scratch_is_full(&slot->cell);
    if (run->rests) {
        ended.parked_bytes = parked_bytes(slot);
        ended.unsaved = run->unsaved;
    }
    return wire_send(run->fds[WIRE_RUN_CHANNEL], &ended, NULL);
}

static int send_entry(void *context, enum harvest_kind kind, const char *path, int fd, uint64_t size_bytes)
{
    static const enum wire_entry_kind kinds[] = {
        [HARVEST_FILE] = WIRE_ENTRY_FILE,
        [HARVEST_WHITEOUT] = WIRE_ENTRY_WHITEOUT,
        [HARVEST_OPAQUE] = WIRE_ENTRY_OPAQUE,
    };
    struct run *run = context;
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = kinds[kind], .size_bytes = size_bytes };
    int r;

    snprintf(entry.path, WIRE_PATH_SIZE, "%s", path);
    r = wire_send(run->fds[WIRE_RUN_CHANNEL], &entry, &fd);
    return r > 0 ? -EPIPE : r;
}

/* What the program left for the next one of its session; the api decides if it counts. */
static int send_state(const struct slot *slot, const struct run *run)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE, .path = HARVEST_STATE_NAME };
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (run->request.state_bytes_max == 0)
        return 0;
    r = harvest_state(slot->cell.scratch_fds[CELL_SCRATCH_BUILD], run->request.state_bytes_max, &fd, &entry.size_bytes);
    if (r == HARVEST_STATE_E_NONE)
        return 0;
    if (r == HARVEST_STATE_E_TOO_LARGE)
        entry.kind = WIRE_ENTRY_STATE_TOO_LARGE;
    (void)unlinkat(slot->cell.scratch_fds[CELL_SCRATCH_BUILD], HARVEST_STATE_NAME, 0); /* the next one's is its own */
    return wire_send(run->fds[WIRE_RUN_CHANNEL], &entry, &fd);
}

static void harvest(struct run *run)
{
    struct harvest_options options = {
        .entries_max = run->request.entries_max,
        .file_bytes_max = run->request.file_bytes_max,
        .entry = send_entry,
        .context = run,
    };
    struct harvest_result result;
    struct wire_done done = { .type = WIRE_DONE };

    if (workspace_harvest(&run->workspace, &options, &result) < 0)
        return;
    done.complete = result.complete;
    done.skipped = result.skipped;
    done.file_at_limit = result.file_at_limit;
    (void)wire_send(run->fds[WIRE_RUN_CHANNEL], &done, NULL);
}

static void close_run_fds(struct run *run)
{
    for (int i = 0; i < WIRE_RUN_FDS_MAX; i++)
        cleanup_close_fd(&run->fds[i]);
    cleanup_close_fd(&run->lower_fd);
}

static void finish(struct slot *slot, struct run *run)
{
    make_room(slot);
    if (run->failed.type)
        (void)wire_send(run->fds[WIRE_RUN_CHANNEL], &run->failed, NULL);
    else if (send_ended(slot, run) == 0 && send_state(slot, run) == 0)
        harvest(run);
    workspace_deinit(&run->workspace);
    if (run->rests)
        return;
    cell_close(&slot->cell);
    close_run_fds(run);
}

/* A reader that stops reading must not hold the slot for ever. */
static void bound_sends(int channel_fd)
{
    struct timeval limit = { .tv_sec = SEND_TIMEOUT_S };

    (void)setsockopt(channel_fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
}

/* Ends a cell whose run failed before its program. What it held is looked at once more, so it stays open. */
static void discard_before_run(struct slot *slot)
{
    stock_release(&slot->stock);
    rest_end(&slot->rest_fd);
    cell_kill(&slot->cell);
    cell_reap(&slot->cell);
}

static void serve(struct slot *slot, struct run *run, const struct run_step *steps, size_t n_steps)
{
    int r = 0;

    bound_sends(run->fds[WIRE_RUN_CHANNEL]);
    for (size_t i = 0; i < n_steps && r == 0; i++) {
        r = steps[i].run(slot, run);
        if (r < 0)
            fail(run, steps[i].name, -r);
    }
    if (r < 0)
        discard_before_run(slot);
    else
        watch(slot, run);
    finish(slot, run);
}

/* The slot may be used again when the kernel says that nobody but the keeper is in it. */
static int wait_until_empty(struct slot *slot)
{
    for (int waited_ms = 0; cgroup_slot_processes(&slot->cgroup) > 1; waited_ms++) {
        if (waited_ms >= EMPTY_TIMEOUT_MS)
            return -EBUSY;
        usleep(1000);
    }
    return 0;
}

/* The api reads a cell's files for a while after the answer, and one open file keeps the whole workspace in memory that
 * the slot's limit counts: the next cell would have to live with what is left. An api that never lets go harms but
 * itself. */
static void wait_until_released(const struct slot *slot)
{
    for (int waited_ms = 0; waited_ms < RELEASE_TIMEOUT_MS; waited_ms += RELEASE_LOOK_MS) {
        if (cgroup_slot_shared_memory(&slot->cgroup) <= RELEASED_BYTES)
            return;
        usleep(RELEASE_LOOK_MS * 1000);
    }
    log_warning("slot %u: files of an earlier execution are still open", slot->index);
}

static int renew(struct slot *slot)
{
    int r = wait_until_empty(slot);

    wait_until_released(slot);
    if (r == 0 && !network_is_fresh(slot))
        r = new_network(slot);
    return r;
}

static int receive_run(struct slot *slot, struct run *run)
{
    int fds[PACKET_FDS_MAX];
    size_t n_fds, n_own;
    ssize_t n = packet_receive(SOCKET_FD, &run->request, sizeof(run->request), 0, fds, &n_fds);

    if (n == 0)
        return -EPIPE;
    if (n < 0)
        return (int)n;
    if (n == sizeof(SLOT_SETTLE) && n_fds == 0)
        return -EAGAIN;
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

/* There is no cell any more that this run could continue. */
static void refuse_continuation(struct run *run)
{
    fail(run, "parked", ESTALE);
    (void)wire_send(run->fds[WIRE_RUN_CHANNEL], &run->failed, NULL);
    close_run_fds(run);
    *run = (struct run){ .workspace = WORKSPACE_INIT };
}

/* Brings the stock to what is wanted now and tells the warden what there is. */
static int settle(struct slot *slot)
{
    struct slot_ready ready = { .runs = slot->runs };
    int r;

    stock_settle(&slot->stock, &slot->cell);
    ready.kind = stock_ordered(&slot->stock);
    ready.starting = stock_kind(&slot->stock) != ready.kind;
    r = packet_send(SOCKET_FD, &ready, sizeof(ready), &slot->listener_fd,
                    slot->listener_fd >= 0 && !slot->listener_told);
    slot->listener_told = true;
    return r;
}

/* Waits for the next program. Returns -EAGAIN after something else that was to be done: the armed cell or the copy in
 * it may die meanwhile (somebody killed it from outside), or it is time for another, or for none. */
static int next_run(struct slot *slot, struct run *run)
{
    struct pollfd polls[] = {
        { .fd = SOCKET_FD, .events = POLLIN },
        { .fd = slot->cell.pid_fd, .events = POLLIN },
        { .fd = slot->stock.copy.socket_fd, .events = POLLIN },
    };
    int r;

    while (poll(polls, ARRAY_SIZE(polls), stock_idle_ms(&slot->stock)) < 0)
        if (errno != EINTR)
            return error_from_errno();
    r = polls[0].revents ? receive_run(slot, run) : -EAGAIN;
    if (r == 0 && run->request.continues[0]) {
        refuse_continuation(run);
        r = -EAGAIN;
    }
    if (r != -EAGAIN)
        return r;
    if (polls[2].revents)
        stock_heard(&slot->stock);
    if (polls[1].revents) {
        discard_cell(slot);
        if (arm(slot) < 0)
            return -ECHILD;
    }
    r = settle(slot);
    return r < 0 ? r : -EAGAIN;
}

static int replace_mounts(struct slot *slot, int mount_fd)
{
    struct cell_options options = cell_options(slot);

    return came_back(slot, cell_replace_mounts(&slot->cell, &options, slot->home_fd, mount_fd));
}

static int check_network(struct slot *slot, struct run *run)
{
    return run->request.network == slot->network ? 0 : -ESTALE;
}

static int renew_mounts(struct slot *slot, struct run *run)
{
    return replace_mounts(slot, run->workspace.mount_fd);
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
        note_start(run);
    return r;
}

static const struct run_step continue_steps[] = {
    { "parked", check_network },   { "workspace mounts", make_workspace },
    { "workspace", renew_mounts }, { "limits", renew_limits },
    { "hand over", go_on },
};

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
    brake_start(&run->brake, run->started_us);
    watch(slot, run);
    if (!run->rests)
        return -ECHILD;
    make_room(slot);
    r = send_state(slot, run);
    saved.parked_bytes = parked_bytes(slot);
    return r ? -EPIPE : wire_send(run->fds[WIRE_RUN_CHANNEL], &saved, NULL);
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
        { .fd = SOCKET_FD, .events = POLLIN },
        { .fd = slot->cell.pid_fd, .events = POLLIN },
        { .fd = slot->cell.control_fd, .events = POLLIN },
        { .fd = parked->fds[WIRE_RUN_CHANNEL], .events = POLLIN },
    };

    while (poll(polls, ARRAY_SIZE(polls), -1) < 0)
        if (errno != EINTR)
            return error_from_errno();
    if (polls[0].revents)
        return receive_run(slot, run);
    return polls[1].revents || polls[2].revents ? PARKED_OVER : read_parked_channel(slot, parked);
}

/* After the answer: the cell keeps nothing of the workspace, and the warden knows that the slot is not coming back. */
static int park(struct slot *slot, const struct run *run)
{
    struct slot_ready ready = { .runs = slot->runs, .parked = 1 };
    int r = replace_mounts(slot, -1);

    slot->network = run->request.network;
    stock_park(&slot->stock, true);
    if (r < 0)
        log_warning("slot %u: a parked cell keeps its workspace: %s", slot->index, strerror(-r));
    return packet_send(SOCKET_FD, &ready, sizeof(ready), NULL, 0);
}

/* Keeps the cell of *run, which rests, for the next run of its session, and serves that. In the end *run is the cell's
 * last, and the cell dead. Returns 0 or a negative errno. */
static int stay(struct slot *slot, struct run *run)
{
    int r = 0;

    while (r == 0 && run->rests) {
        struct run next = { .workspace = WORKSPACE_INIT };

        r = park(slot, run);
        if (r < 0)
            break;
        do
            r = next_of_session(slot, run, &next);
        while (r == -EAGAIN);
        close_run_fds(run);
        *run = next;
        if (r == 0)
            serve(slot, run, continue_steps, ARRAY_SIZE(continue_steps));
    }
    discard_cell(slot);
    (void)cgroup_slot_rest(&slot->cgroup, false);
    stock_park(&slot->stock, false);
    return r == PARKED_OVER ? 0 : r;
}

static int keep(struct slot *slot)
{
    int r = slot_setup(slot);

    while (r == 0) {
        struct run run = { .workspace = WORKSPACE_INIT };

        r = arm(slot);
        if (r == 0)
            r = settle(slot);
        if (r < 0)
            break;
        do
            r = next_run(slot, &run);
        while (r == -EAGAIN);
        if (r < 0)
            break;
        serve(slot, &run, run_steps, ARRAY_SIZE(run_steps));
        if (run.rests)
            r = stay(slot, &run);
        if (r == 0)
            r = renew(slot);
    }
    discard_cell(slot);
    return r;
}

static void take_numbers(const struct slot_context *context, int socket_fd)
{
    int copy = fcntl(socket_fd, F_DUPFD_CLOEXEC, 16);
    const struct wan *wan = context->wan;
    int kept[4 + WARM_KINDS] = { SOCKET_FD, SPARE_FD, wan ? wan->switch_fd : -1, wan ? wan->proc_fd : -1 };

    dup3(copy, SOCKET_FD, O_CLOEXEC);
    dup3(copy, SPARE_FD, O_CLOEXEC);
    memcpy(kept + 4, context->zygote_fds, sizeof(context->zygote_fds));
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

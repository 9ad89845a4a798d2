/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/warden.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cell/cgroup.h"
#include "cell/cgroup_server.h"
#include "cell/mount_api.h"
#include "cell/rootfs.h"
#include "cell/seccomp.h"
#include "cell/wan.h"
#include "warden/api_process.h"
#include "warden/proxy_process.h"
#include "warden/slot.h"
#include "warden/spares.h"
#include "warden/turns.h"
#include "warden/zygote_process.h"
#include "wire/message.h"
#include "wire/packet.h"
#include "wire/warm_counts.h"

#define RESTART_PAUSE_US  1000000
#define RETRY_MS          1000
#define FAILURES_PER_SLOT 3
#define EVENTS_MAX        64
#define UNANSWERED_MAX    3 /* orders of copies in a row */
#define STARTING_FEW      2

/* What a watched descriptor is; slots are numbered from WATCH_SLOT on. */
enum watch {
    WATCH_API,
    WATCH_SIGNALS,
    WATCH_ZYGOTE, /* and the next numbers, by enum warm_kind */
    WATCH_ZYGOTE_OUTPUT = WATCH_ZYGOTE + WARM_KINDS,
    WATCH_ZYGOTE_FILES = WATCH_ZYGOTE_OUTPUT + WARM_KINDS,
    WATCH_SLOT = WATCH_ZYGOTE_FILES + WARM_KINDS,
};

/* Of a kind that has zygotes; else of none. */
struct zygote {
    struct zygote_process process;
    int64_t due_us;   /* when another is to be started; 0 = not */
    int64_t renew_us; /* when the one there is is to be replaced; 0 = not */
};

struct keeper {
    pid_t pid; /* -1 = none */
    int socket_fd;
    int64_t started_us;
    bool ready;                                                         /* has an armed cell and no program */
    bool parked;                                                        /* its cell rests */
    bool given_back;                                                    /* it has ended, or shall, for want of use */
    uint32_t runs_sent;                                                 /* compared with struct slot_ready */
    char execution_id[sizeof(((struct wire_run *)NULL)->execution_id)]; /* of the run that it was given last */
};

struct waiting_run {
    struct wire_run request;
    int fds[WIRE_FDS_MAX];
};

struct warden {
    const struct warden_options *options;
    struct cgroup_layout cgroups;
    struct seccomp_filter filter, zygote_filter;
    struct slot_context context;
    struct wan wan;
    struct zygote_options zygote_options;
    struct zygote zygotes[WARM_KINDS];
    char root_dir[PATH_MAX];
    struct api_process api;
    struct proxy_process proxy; /* of cells with an allow-list */
    struct keeper *keepers;
    unsigned n_slots, n_started; /* keepers there may be, and those from the first on that there shall be */
    /* Ready slots and waiting executions, each first in, first out. A slot that was just used arms its next cell while
     * others serve. The api keeps to the number of slots it was told; the ring only bridges the moments in which a slot
     * is renewed. */
    struct turns ready[WARM_KINDS], starting[WARM_KINDS]; /* by what waits in them, or will; NONE is in ready */
    struct waiting_run *waiting_ring;
    unsigned waiting_head, waiting_count;
    int epoll_fd, signal_fd;
    int work_dir_fd;     /* DATA_DIR/work */
    unsigned failures;   /* keepers that died since one was ready */
    bool keeper_missing; /* one could not be started; it is tried again */
    struct spares spares;
    struct warm_counts *warm; /* what the api is shown of ready */
    int warm_fd;
    bool greeted, stopping, finished;
    bool tls_renewed; /* what the api was started with may be out of date */
    int status;
};

static int watch(struct warden *w, int fd, uint32_t tag)
{
    struct epoll_event event = { .events = EPOLLIN, .data.u32 = tag };

    return epoll_ctl(w->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? error_from_errno() : 0;
}

static int own_mounts(struct warden *w)
{
    (void)w;
    /* Whatever is mounted from here on vanishes with the last process of the server, however it ends. */
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_from_errno();
    return 0;
}

static int prepare_cgroups(struct warden *w)
{
    char what[CGROUP_PATH_SIZE * 2] = "";
    int r = cgroup_detect("/proc", &w->cgroups, what, sizeof(what));

    if (r == 0)
        r = cgroup_prepare(&w->cgroups, what, sizeof(what));
    if (r < 0)
        log_error("cgroup: %s", what);
    return r;
}

static int build_root(struct warden *w)
{
    const struct warden_options *o = w->options;
    struct rootfs_options options = {
        .source = o->rootfs,
        .guest_dir = o->guest_dir,
        .zygote_library = o->zygote_library,
        .target = w->root_dir,
        .hostname = o->hostname,
        .sandbox_uid = (uid_t)o->sandbox_uid,
        .mask_host_info = o->mask_host_info,
        .name_servers = o->wan.name ? o->wan.name_servers : NULL,
    };
    char step[32] = "";
    int r;

    snprintf(w->root_dir, sizeof(w->root_dir), "%s/root", o->data_dir);
    if (mkdir(w->root_dir, 0755) < 0 && errno != EEXIST)
        return error_from_errno();
    r = rootfs_build(&options, step, sizeof(step));
    if (r < 0)
        log_error("root file system of cells: %s", step);
    return r;
}

static int compile_filter(struct warden *w)
{
    int r = seccomp_filter_compile(SECCOMP_CELL, &w->filter);

    return r ? r : seccomp_filter_compile(SECCOMP_ZYGOTE, &w->zygote_filter);
}

/* Cells without the rules would be worse than no server. */
static int open_wan(struct warden *w)
{
    char reason[NFT_REASON_SIZE];
    int r;

    if (!w->options->wan.name) {
        if (w->options->wan_name_before && wan_forget(w->options->wan_name_before))
            log_info("took back what a server with ENABLE_WAN_ACCESS left on this host");
        return 0;
    }
    r = wan_open(&w->options->wan, &w->wan, reason);
    if (r < 0)
        log_error("ENABLE_WAN_ACCESS: %s", reason);
    else
        log_info("network %s is up: com.code-interpreter.wan-access=true for all cells", w->options->wan.name);
    w->context.wan = r < 0 ? NULL : &w->wan;
    return r;
}

static int open_work_dir(struct warden *w)
{
    char path[PATH_MAX];

    snprintf(path, sizeof(path), "%s/work", w->options->data_dir);
    w->work_dir_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return w->work_dir_fd < 0 ? error_from_errno() : 0;
}

static int make_turns(struct warden *w)
{
    int r = 0;

    for (int kind = 0; kind < WARM_KINDS && r == 0; kind++)
        if ((r = turns_init(&w->ready[kind], w->n_slots)) == 0)
            r = turns_init(&w->starting[kind], w->n_slots);
    return r;
}

static int make_loop(struct warden *w)
{
    sigset_t signals;
    int r;

    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    w->signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    w->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (w->signal_fd < 0 || w->epoll_fd < 0)
        return error_from_errno();
    r = watch(w, w->signal_fd, WATCH_SIGNALS);
    w->keepers = calloc(w->n_slots, sizeof(*w->keepers));
    w->waiting_ring = calloc(w->options->slots, sizeof(*w->waiting_ring));
    if (!w->keepers || !w->waiting_ring || make_turns(w) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < w->n_slots; i++)
        w->keepers[i] = (struct keeper){ .pid = -1, .socket_fd = -1 };
    return r ? r : warm_counts_new(&w->warm, &w->warm_fd);
}

static int start_api(struct warden *w)
{
    int r = api_process_start(&w->api, w->options->api_program);

    w->greeted = false;
    return r ? r : watch(w, w->api.channel_fd, WATCH_API);
}

static int open_api_program(struct warden *w)
{
    w->api = (struct api_process){
        .pid = -1,
        .channel_fd = -1,
        .config_fd = (int)w->options->config_fd,
        .program_fd = open(w->options->api_program, O_RDONLY | O_CLOEXEC),
        .uid = (uid_t)w->options->api_uid,
    };
    return w->api.program_fd < 0 ? error_from_errno() : start_api(w);
}

static int start_proxy(struct warden *w)
{
    const struct warden_options *o = w->options;

    if (!o->proxy_hosts)
        return 0;
    w->proxy.program_fd = w->api.program_fd;
    w->proxy.uid = (uid_t)o->proxy_uid;
    w->proxy.program = o->api_program;
    w->proxy.hosts = o->proxy_hosts;
    w->proxy.log_format = o->log_format;
    w->proxy.log_level = o->log_level;
    w->proxy.slots = w->n_slots;
    return proxy_process_start(&w->proxy);
}

/* One that dies at once must not keep the warden busy. */
static void restart_proxy(struct warden *w)
{
    if (w->stopping || !w->options->proxy_hosts || w->proxy.pid > 0 ||
        clock_monotonic_us() - w->proxy.started_us < RESTART_PAUSE_US)
        return;
    if (start_proxy(w) < 0)
        log_error("the proxy could not be started, trying again");
}

/* A server without one starts an interpreter for each program: it is slower, and nothing else. */
static void start_zygote(struct warden *w, enum warm_kind kind)
{
    struct zygote *zygote = &w->zygotes[kind];
    int r = zygote_process_start(&zygote->process);

    zygote->due_us = 0;
    if (r == 0)
        r = watch(w, zygote->process.output_fd, WATCH_ZYGOTE_OUTPUT + kind);
    if (r == 0)
        return;
    log_error("zygote: cannot be started, trying again: %s", strerror(-r));
    zygote->due_us = clock_monotonic_us() + RESTART_PAUSE_US;
}

static int open_zygote(struct warden *w, enum warm_kind kind)
{
    struct zygote_process *process = &w->zygotes[kind].process;
    int r = zygote_process_open(process, kind, &w->zygote_options, &w->context.board->zygotes[kind]);

    if (r == 0)
        r = watch(w, process->near_fd, WATCH_ZYGOTE + kind);
    if (r == 0 && process->files_fd >= 0)
        r = watch(w, process->files_fd, WATCH_ZYGOTE_FILES + kind);
    if (r < 0)
        return r;
    w->context.zygote_fds[kind] = process->near_fd;
    start_zygote(w, kind);
    return 0;
}

static int open_zygotes(struct warden *w)
{
    void *board;
    int r = 0;

    if (!w->options->zygote_library)
        return 0;
    w->zygote_options = (struct zygote_options){
        .source = w->options->rootfs,
        .root_dir = w->root_dir,
        .filter = &w->zygote_filter,
        .own_filter = &w->filter,
        .uid = (uid_t)(w->options->uid_base + w->n_slots),
        .start_seconds = (unsigned)w->options->zygote_seconds,
        .may_pass_groups = w->cgroups.controllers[CGROUP_ACCOUNTING].unified,
    };
    board = mmap(NULL, sizeof(struct zygote_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return error_from_errno();
    w->context.board = board;
    for (int kind = 0; kind < WARM_KINDS && r == 0; kind++)
        if (warm_is_copy(kind) && zygote_process_possible(kind, &w->zygote_options))
            r = open_zygote(w, kind);
    return r;
}

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
    keeper->ready = keeper->given_back = false;
    keeper->runs_sent = 0;
    r = watch(w, keeper->socket_fd, WATCH_SLOT + index);
    if (r < 0)
        kill(keeper->pid, SIGKILL); /* nobody would hear it; its death asks for another */
    return r;
}

static int start_keepers(struct warden *w)
{
    int r = 0;

    for (; w->n_started < w->options->slots && r == 0; w->n_started++)
        r = start_keeper(w, w->n_started);
    return r;
}

static const struct {
    const char *name;
    int (*run)(struct warden *w);
} setup_steps[] = {
    { "mount namespace", own_mounts },
    { "cgroups", prepare_cgroups },
    { "root file system of cells", build_root },
    { "system call filter", compile_filter },
    { "work directory", open_work_dir },
    { "public network", open_wan },
    { "event loop", make_loop },
    { "zygotes", open_zygotes },
    { "slots", start_keepers },
    { "api", open_api_program },
    { "proxy", start_proxy },
};

static int setup(struct warden *w)
{
    for (size_t i = 0; i < ARRAY_SIZE(setup_steps); i++) {
        int r = setup_steps[i].run(w);

        if (r < 0) {
            log_error("cannot start: %s: %s (`codecell doctor` tells what this host lacks)", setup_steps[i].name,
                      strerror(-r));
            return r;
        }
    }
    return 0;
}

static void refuse(int fds[static WIRE_FDS_MAX], int error)
{
    struct wire_failed failed = { .type = WIRE_FAILED, .error = error, .step = "slot" };

    /* Nobody's full socket may hold up the loop. */
    (void)fcntl(fds[WIRE_RUN_CHANNEL], F_SETFL, O_NONBLOCK);
    (void)wire_send(fds[WIRE_RUN_CHANNEL], &failed, NULL);
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
        refuse(run->fds, -r);
        return 1;
    }
    memcpy(fds, run->fds, n_fds * sizeof(int));
    fds[n_fds] = inputs_fd;
    r = packet_send(keeper->socket_fd, &run->request, sizeof(run->request), fds, n_fds + has_inputs);
    if (r == 0) {
        keeper->runs_sent++;
        keeper->parked = false;
        memcpy(keeper->execution_id, run->request.execution_id, sizeof(keeper->execution_id));
        wire_close_fds(run->fds);
    }
    if (r == 0 || r == -EPIPE || r == -ECONNRESET)
        return r;
    /* For want of memory, or for descriptors that the kernel will not carry: the keeper still waits. */
    refuse(run->fds, -r);
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
static void dispatch(struct warden *w)
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
static void continue_parked(struct warden *w, struct waiting_run *run)
{
    for (unsigned i = 0; i < w->n_started; i++) {
        struct keeper *keeper = &w->keepers[i];

        if (keeper->socket_fd >= 0 && !keeper->ready && strcmp(keeper->execution_id, run->request.continues) == 0 &&
            pass_on(w, keeper, run) >= 0)
            return;
    }
    refuse(run->fds, ESTALE);
}

static int open_regular(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_from_errno();
    return S_ISREG(st.st_mode) ? TAKE_FD(fd) : -EINVAL;
}

/* The paths are the administrator's; what is in the files only the api looks at. */
static void send_tls(struct warden *w)
{
    const struct wire_tls message = { .type = WIRE_TLS };
    CLEANUP_CLOSE int certificate = open_regular(w->options->tls_certificate);
    CLEANUP_CLOSE int key = open_regular(w->options->tls_key);
    const int fds[WIRE_TLS_FDS] = { [WIRE_TLS_CERTIFICATE] = certificate, [WIRE_TLS_KEY] = key };
    int r = certificate < 0 ? certificate : key;

    if (r >= 0) {
        (void)fcntl(w->api.channel_fd, F_SETFL, O_NONBLOCK); /* a full socket may not hold up the loop */
        r = wire_send(w->api.channel_fd, &message, fds);
    }
    if (r < 0)
        log_error("%s: %s; the certificate stays as it is",
                  certificate < 0 ? w->options->tls_certificate : w->options->tls_key, strerror(-r));
}

static void renew_tls(struct warden *w)
{
    if (!w->options->tls_certificate)
        return;
    w->tls_renewed = true;
    if (w->greeted && w->api.channel_fd >= 0)
        send_tls(w);
}

static void greet_api(struct warden *w)
{
    struct wire_hello hello = { .type = WIRE_HELLO, .slots = (uint32_t)w->options->slots };

    if (w->greeted || w->api.channel_fd < 0)
        return;
    w->greeted = wire_send(w->api.channel_fd, &hello, &w->warm_fd) == 0;
    if (w->greeted && w->tls_renewed)
        send_tls(w);
}

static void restart_keeper(struct warden *w, unsigned index)
{
    int r = start_keeper(w, index);

    if (r >= 0)
        return;
    log_error("slot %u: cannot start its keeper, trying again: %s", index, strerror(-r));
    w->keeper_missing = true;
}

static void settle(struct keeper *keeper)
{
    if (keeper->ready)
        (void)packet_send(keeper->socket_fd, SLOT_SETTLE, sizeof(SLOT_SETTLE), NULL, 0);
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
    if (w->context.board)
        atomic_store(&w->context.board->is_parked[index], true);
}

static void tend_slots(struct warden *w)
{
    int64_t pause_us = (int64_t)w->options->give_back_seconds * 1000000;

    if (!w->stopping && spares_due(&w->spares, n_spare(w), clock_monotonic_us(), pause_us))
        give_back(w);
}

static void on_slot(struct warden *w, unsigned index)
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
    turns_add(turns_of(w, &ready), index);
    greet_api(w);
    dispatch(w);
}

static void on_api_message(struct warden *w)
{
    struct waiting_run *place = &w->waiting_ring[(w->waiting_head + w->waiting_count) % (unsigned)w->options->slots];
    union wire_message message;
    int fds[WIRE_FDS_MAX];
    int r = wire_receive(w->api.channel_fd, WIRE_FROM_API, MSG_DONTWAIT, &message, fds);

    if (r == -EAGAIN)
        return;
    if (r != 0 || message.type != WIRE_RUN) {
        /* An api that sends what is not in the table is broken or taken over: it is ended and started afresh. */
        if (r == WIRE_E_INVALID || r == 0) {
            log_error("the api sent an invalid message and is ended");
            wire_close_fds(fds);
            kill(w->api.pid, SIGKILL);
        }
        cleanup_close_fd(&w->api.channel_fd);
        w->api.channel_fd = -1;
        return;
    }
    if (message.run.continues[0]) {
        struct waiting_run run = { .request = message.run };

        memcpy(run.fds, fds, sizeof(run.fds));
        continue_parked(w, &run);
        return;
    }
    if (w->waiting_count >= w->options->slots) {
        refuse(fds, EBUSY);
        return;
    }
    place->request = message.run;
    memcpy(place->fds, fds, sizeof(place->fds));
    w->waiting_count++;
    dispatch(w);
}

static void forget_waiting(struct warden *w)
{
    for (; w->waiting_count > 0; w->waiting_count--) {
        wire_close_fds(w->waiting_ring[w->waiting_head].fds);
        w->waiting_head = (w->waiting_head + 1) % (unsigned)w->options->slots;
    }
}

static void on_api_death(struct warden *w, int status)
{
    bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;

    w->api.pid = -1;
    cleanup_close_fd(&w->api.channel_fd);
    w->api.channel_fd = -1;
    forget_waiting(w);
    /* Exit status 78 (EX_CONFIG) says that starting it again would end the same way. */
    if (clean || w->stopping || (WIFEXITED(status) && (WEXITSTATUS(status) == 78 || WEXITSTATUS(status) >= 126))) {
        w->status = clean ? 0 : WIFEXITED(status) ? WEXITSTATUS(status) : 1;
        w->finished = true;
        return;
    }
    log_error("the api died (status %d) and is started again", status);
    usleep(RESTART_PAUSE_US);
    if (start_api(w) < 0) {
        w->status = 1;
        w->finished = true;
        return;
    }
    for (unsigned i = 0; i < w->n_started; i++)
        if (w->keepers[i].ready)
            greet_api(w);
}

static void restart_missing_keepers(struct warden *w)
{
    w->keeper_missing = false;
    for (unsigned i = 0; i < w->n_started && !w->stopping; i++)
        if (w->keepers[i].pid < 0 && !w->keepers[i].given_back)
            restart_keeper(w, i);
}

static void on_keeper_death(struct warden *w, unsigned index)
{
    struct keeper *keeper = &w->keepers[index];

    lose_turn(w, index);
    cleanup_close_fd(&keeper->socket_fd);
    *keeper = (struct keeper){
        .pid = -1, .socket_fd = -1, .started_us = keeper->started_us, .given_back = keeper->given_back
    };
    if (keeper->given_back)
        (void)cgroup_slot_remove(&w->cgroups, index); /* else by teardown() */
    if (w->stopping || keeper->given_back)
        return;
    if (++w->failures > FAILURES_PER_SLOT * w->n_started) {
        log_error("no slot can be kept alive (`codecell doctor` tells what this host lacks)");
        w->status = 1;
        w->finished = true;
        return;
    }
    log_warning("slot %u: its keeper died and is started again", index);
    if (clock_monotonic_us() - keeper->started_us < RESTART_PAUSE_US)
        usleep(RESTART_PAUSE_US / 4); /* a keeper that cannot live must not become a fork loop */
    restart_keeper(w, index);
}

static void on_zygote_death(struct warden *w, struct zygote *zygote)
{
    int pause_ms = zygote_process_died(&zygote->process);

    if (!w->stopping)
        zygote->due_us = clock_monotonic_us() + (int64_t)pause_ms * 1000;
}

/* Keepers at rest have copies made by the new zygote; those at work will do so when they rest. */
static void on_zygote(struct warden *w, enum warm_kind kind)
{
    if (!zygote_process_heard(&w->zygotes[kind].process))
        return;
    for (unsigned i = 0; i < w->n_started; i++)
        settle(&w->keepers[i]);
}

static void reap(struct warden *w)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == w->api.pid) {
            on_api_death(w, status);
            continue;
        }
        if (pid == w->proxy.pid) {
            log_error("the proxy died (status %d) and is started again", status);
            w->proxy.pid = -1;
        }
        for (int kind = 0; kind < WARM_KINDS; kind++)
            if (pid == w->zygotes[kind].process.pid)
                on_zygote_death(w, &w->zygotes[kind]);
        for (unsigned i = 0; i < w->n_started; i++)
            if (w->keepers[i].pid == pid)
                on_keeper_death(w, i);
    }
}

static void on_signals(struct warden *w)
{
    struct signalfd_siginfo info;

    while (read(w->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            reap(w);
            continue;
        }
        if (info.ssi_signo != SIGHUP)
            w->stopping = true;
        else
            renew_tls(w);
        if (w->api.pid > 0)
            kill(w->api.pid, (int)info.ssi_signo == SIGHUP ? SIGHUP : SIGTERM);
        else if (w->stopping)
            w->finished = true;
    }
}

static void renew_zygote(struct warden *w, enum warm_kind kind, const char *why)
{
    struct zygote *zygote = &w->zygotes[kind];

    zygote->renew_us = 0;
    atomic_store(&zygote->process.state->unanswered, 0);
    if (!zygote_process_renew(&zygote->process, why))
        zygote->due_us = clock_monotonic_us();
    if (zygote->process.files_fd >= 0)
        (void)watch(w, zygote->process.files_fd, WATCH_ZYGOTE_FILES + kind);
}

static void tend_zygote(struct warden *w, enum warm_kind kind)
{
    struct zygote *zygote = &w->zygotes[kind];
    int64_t now_us = clock_monotonic_us();

    if (zygote->due_us && now_us >= zygote->due_us)
        start_zygote(w, kind);
    if (zygote->process.ready_by_us && now_us >= zygote->process.ready_by_us)
        zygote_process_late(&zygote->process);
    if (zygote->renew_us && now_us >= zygote->renew_us)
        renew_zygote(w, kind, "it has new files");
    else if (zygote->process.state && atomic_load(&zygote->process.state->unanswered) >= UNANSWERED_MAX)
        renew_zygote(w, kind, "it does not answer");
}

static bool something_is_missing(const struct warden *w)
{
    bool missing = w->keeper_missing || w->spares.due_us || (w->options->proxy_hosts && w->proxy.pid < 0);

    for (int kind = 0; kind < WARM_KINDS; kind++)
        missing |= w->zygotes[kind].due_us || w->zygotes[kind].renew_us || w->zygotes[kind].process.ready_by_us;
    return missing;
}

static void on_zygote_event(struct warden *w, uint32_t tag)
{
    enum warm_kind kind = (tag - WATCH_ZYGOTE) % WARM_KINDS;
    struct zygote *zygote = &w->zygotes[kind];

    if (tag < WATCH_ZYGOTE_OUTPUT)
        on_zygote(w, kind);
    else if (tag < WATCH_ZYGOTE_FILES)
        zygote_process_log(&zygote->process);
    else
        zygote->renew_us = zygote_process_changed(&zygote->process);
}

static void show_what_waits(const struct warden *w)
{
    for (int kind = 0; kind < WARM_KINDS; kind++)
        atomic_store_explicit(&w->warm->waiting[kind], w->ready[kind].count, memory_order_relaxed);
}

static void loop(struct warden *w)
{
    while (!w->finished) {
        struct epoll_event events[EVENTS_MAX];
        int n = epoll_wait(w->epoll_fd, events, EVENTS_MAX, something_is_missing(w) ? RETRY_MS : -1);

        restart_proxy(w);
        if (n == 0)
            restart_missing_keepers(w);
        for (int kind = 0; kind < WARM_KINDS; kind++)
            tend_zygote(w, kind);
        for (int i = 0; i < n && !w->finished; i++) {
            uint32_t tag = events[i].data.u32;

            if (tag == WATCH_SIGNALS)
                on_signals(w);
            else if (tag == WATCH_API && w->api.channel_fd >= 0)
                on_api_message(w);
            else if (tag >= WATCH_ZYGOTE && tag < WATCH_SLOT)
                on_zygote_event(w, tag);
            else if (tag >= WATCH_SLOT && w->keepers[tag - WATCH_SLOT].socket_fd >= 0)
                on_slot(w, tag - WATCH_SLOT);
        }
        tend_slots(w);
        show_what_waits(w);
    }
}

/* What was a killed keeper's or zygote's child is ours; while it is not reaped the kernel counts it, and a PID
 * namespace that it is in does not end. */
static void reap_orphans(void)
{
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    usleep(10000);
}

/* A hundred cells are a moment dying; when the server is gone, they are too. */
static void await_orphans(void)
{
    for (int tries = 0; waitpid(-1, NULL, WNOHANG) >= 0 && tries < 300; tries++)
        reap_orphans();
}

/* Ends every keeper and waits for it, then gives the cgroups back. */
static void teardown(struct warden *w)
{
    w->stopping = true;
    if (w->api.pid > 0) {
        kill(w->api.pid, SIGKILL);
        waitpid(w->api.pid, NULL, 0);
    }
    for (int kind = 0; kind < WARM_KINDS; kind++)
        zygote_process_close(&w->zygotes[kind].process);
    for (unsigned i = 0; w->keepers && i < w->n_started; i++) {
        cleanup_close_fd(&w->keepers[i].socket_fd);
        if (w->keepers[i].pid > 0) {
            kill(w->keepers[i].pid, SIGKILL);
            waitpid(w->keepers[i].pid, NULL, 0);
        }
    }
    for (unsigned i = 0; i < w->n_started; i++)
        for (int tries = 0; cgroup_slot_remove(&w->cgroups, i) == -EBUSY && tries < 200; tries++)
            reap_orphans(); /* the cells of a killed keeper are still dying */
    cgroup_remove(&w->cgroups);
    proxy_process_end(&w->proxy);
    await_orphans();
    wan_close(&w->wan);
    seccomp_filter_deinit(&w->filter);
    seccomp_filter_deinit(&w->zygote_filter);
    free(w->keepers);
    for (int kind = 0; kind < WARM_KINDS; kind++) {
        turns_deinit(&w->ready[kind]);
        turns_deinit(&w->starting[kind]);
    }
    free(w->waiting_ring);
    cleanup_close_fd(&w->warm_fd);
    if (w->warm)
        munmap(w->warm, sizeof(*w->warm));
    if (w->context.board)
        munmap(w->context.board, sizeof(*w->context.board));
}

int warden_run(const struct warden_options *options)
{
    struct warden w = {
        .options = options,
        .n_slots = (unsigned)(options->slots + options->parked_slots),
        .epoll_fd = -1,
        .signal_fd = -1,
        .work_dir_fd = -1,
        .warm_fd = -1,
        .wan = WAN_INIT,
        .proxy = PROXY_PROCESS_INIT,
        .api = { .pid = -1, .channel_fd = -1 },
    };

    w.context = (struct slot_context){
        .options = options,
        .cgroups = &w.cgroups,
        .filter = &w.filter,
        .root_dir = w.root_dir,
    };
    for (int kind = 0; kind < WARM_KINDS; kind++) {
        w.zygotes[kind].process = ZYGOTE_PROCESS_INIT;
        w.context.zygote_fds[kind] = -1;
    }
    prctl(PR_SET_NAME, "codecell-warden");
    /* The cell of a keeper that was killed comes to us, to be reaped: until then the kernel counts it into its slot. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (setup(&w) == 0)
        loop(&w);
    else
        w.status = 1;
    teardown(&w);
    return w.status;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* warden_setup.c -- what the warden makes before its loop, step by step. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mount.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "cell/cgroup_server.h"
#include "cell/rootfs.h"
#include "warden/internal.h"

int warden_watch(struct warden *w, int fd, uint32_t tag)
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

#define ROOT_FD_MIN 16 /* keepers have numbers below for what is theirs */
#define ROOT_NAME   "tree"

/* DATA_DIR is the api's, so what lies there may be, too: a link or a file in the place of either directory must not
 * keep the server from starting, and unlink() takes no directory. The api can give this one another name, but not reach
 * the mount point in it. */
static int open_root_place(const struct warden_options *o, int *ret_fd)
{
    char path[PATH_MAX];
    CLEANUP_CLOSE int fd = -1;

    snprintf(path, sizeof(path), "%s/root", o->data_dir);
    (void)unlink(path);
    if (mkdir(path, 0700) < 0 && errno != EEXIST)
        return error_from_errno();
    fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fchown(fd, 0, 0) < 0 || fchmod(fd, 0700) < 0)
        return error_from_errno();
    (void)unlinkat(fd, ROOT_NAME, 0);
    if (mkdirat(fd, ROOT_NAME, 0755) < 0 && errno != EEXIST)
        return error_from_errno();
    *ret_fd = TAKE_FD(fd);
    return 0;
}

static int build_root(struct warden *w)
{
    const struct warden_options *o = w->options;
    struct rootfs_options options = {
        .source = o->rootfs,
        .guest_dir = o->guest_dir,
        .zygote_library = o->zygote_library,
        .packages_dir = o->packages_dir,
        .target = ROOT_NAME,
        .hostname = o->hostname,
        .sandbox_uid = (uid_t)o->sandbox_uid,
        .mask_host_info = o->mask_host_info,
        .name_servers = o->wan.name ? o->wan.name_servers : NULL,
    };
    CLEANUP_CLOSE int fd = -1, place_fd = -1;
    char step[32] = "place";
    int r = open_root_place(o, &place_fd);

    options.target_fd = place_fd;
    if (r == 0)
        r = rootfs_build(&options, step, sizeof(step), &fd);
    if (r < 0) {
        log_error("root file system of cells: %s", step);
        return r;
    }
    w->context.root_fd = fcntl(fd, F_DUPFD_CLOEXEC, ROOT_FD_MIN);
    return w->context.root_fd < 0 ? error_from_errno() : 0;
}

static int compile_filters(struct warden *w)
{
    int r = 0;

    for (int subject = 0; subject < SECCOMP_SUBJECTS && r == 0; subject++)
        r = seccomp_filter_compile((enum seccomp_subject)subject, &w->filters[subject]);
    return r;
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
    r = warden_watch(w, w->signal_fd, WATCH_SIGNALS);
    w->keepers = calloc(w->n_slots, sizeof(*w->keepers));
    w->waiting_ring = calloc(w->options->slots, sizeof(*w->waiting_ring));
    if (!w->keepers || !w->waiting_ring || make_turns(w) < 0)
        return -ENOMEM;
    for (unsigned i = 0; i < w->n_slots; i++)
        w->keepers[i] = (struct keeper){ .pid = -1, .socket_fd = -1 };
    return r ? r : warm_counts_new(&w->warm, &w->warm_fd);
}

static const struct {
    const char *name;
    int (*run)(struct warden *w);
} setup_steps[] = {
    { "log file", log_keep_directory },
    { "mount namespace", own_mounts },
    { "cgroups", prepare_cgroups },
    { "root file system of cells", build_root },
    { "system call filter", compile_filters },
    { "work directory", open_work_dir },
    { "public network", open_wan },
    { "event loop", make_loop },
    { "zygotes", zygotes_open },
    { "slots", keepers_start },
    { "api", api_open },
    { "proxy", proxy_start },
};

int warden_setup(struct warden *w)
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

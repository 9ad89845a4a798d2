/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/warden.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "cell/cgroup_server.h"
#include "warden/internal.h"

#define RETRY_MS 1000

/* Beyond the time that running programs have: for the end of those that are cancelled. */
#define STOP_GRACE_US 20000000

#define EVENTS_MAX 64

static void reap(struct warden *w)
{
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (pid == w->api.pid) {
            api_on_death(w, status);
            continue;
        }
        if (pid == w->proxy.pid) {
            log_error("the proxy died (status %d) and is started again", status);
            w->proxy.pid = -1;
        }
        for (int kind = 0; kind < WARM_KINDS; kind++)
            if (pid == w->zygotes[kind].process.pid)
                zygotes_on_death(w, &w->zygotes[kind]);
        for (unsigned i = 0; i < w->n_started; i++)
            if (w->keepers[i].pid == pid)
                keepers_on_death(w, i);
    }
}

static void begin_stop(struct warden *w)
{
    if (!w->stopping)
        w->stop_by_us = clock_monotonic_us() + (int64_t)w->options->drain_seconds * 1000000 + STOP_GRACE_US;
    w->stopping = true;
}

static void on_signals(struct warden *w)
{
    struct signalfd_siginfo info;

    while (read(w->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGCHLD) {
            reap(w);
            continue;
        }
        if (info.ssi_signo == SIGHUP) {
            log_reopen(w);
            api_renew_tls(w);
            continue;
        }
        begin_stop(w);
        if (w->api.pid > 0)
            kill(w->api.pid, SIGTERM);
        else
            w->finished = true;
    }
}

static bool something_is_missing(const struct warden *w)
{
    bool missing = w->restart_us || w->orphans_us || w->stop_by_us || w->spares.due_us ||
                   (w->options->proxy_hosts && w->proxy.pid < 0);

    for (int kind = 0; kind < WARM_KINDS; kind++)
        missing |= w->zygotes[kind].due_us || w->zygotes[kind].renew_us || w->zygotes[kind].process.ready_by_us;
    return missing;
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

        api_tend(w);
        proxy_restart(w);
        keepers_restart(w);
        zygotes_tend(w);
        for (int i = 0; i < n && !w->finished; i++) {
            uint32_t tag = events[i].data.u32;

            if (tag == WATCH_SIGNALS)
                on_signals(w);
            else if (tag == WATCH_API && w->api.channel_fd >= 0)
                api_on_message(w);
            else if (tag >= WATCH_ZYGOTE && tag < WATCH_SLOT)
                zygotes_on_event(w, tag);
            else if (tag >= WATCH_SLOT && w->keepers[tag - WATCH_SLOT].socket_fd >= 0)
                keepers_on_message(w, tag - WATCH_SLOT);
        }
        keepers_tend(w);
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
    for (int subject = 0; subject < SECCOMP_SUBJECTS; subject++)
        seccomp_filter_deinit(&w->filters[subject]);
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
        .filter = &w.filters[SECCOMP_CELL],
        .root_fd = -1,
    };
    for (int kind = 0; kind < WARM_KINDS; kind++) {
        w.zygotes[kind].process = ZYGOTE_PROCESS_INIT;
        w.context.zygote_fds[kind] = -1;
    }
    prctl(PR_SET_NAME, "codecell-warden");
    /* Whoever reads the log may go. Keepers and the proxy have it from here, programs do not. */
    signal(SIGPIPE, SIG_IGN);
    /* The cell of a keeper that was killed comes to us, to be reaped: until then the kernel counts it into its slot. */
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if (warden_setup(&w) == 0)
        loop(&w);
    else
        w.status = 1;
    teardown(&w);
    return w.status;
}

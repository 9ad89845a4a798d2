/* SPDX-License-Identifier: Apache-2.0 */
/* warden_zygotes.c -- zygotes are started, heard, replaced when their files change or they hang, and started again. */
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "warden/internal.h"

#define UNANSWERED_MAX 3 /* orders of copies in a row */

/* A server without one starts an interpreter for each program: it is slower, and nothing else. */
static void start_zygote(struct warden *w, enum warm_kind kind)
{
    struct zygote *zygote = &w->zygotes[kind];
    int r = zygote_process_start(&zygote->process);

    zygote->due_us = 0;
    if (r == 0)
        r = warden_watch(w, zygote->process.output_fd, WATCH_ZYGOTE_OUTPUT + kind);
    if (r == 0)
        return;
    log_error("zygote: cannot be started, trying again: %s", strerror(-r));
    if (zygote->process.pid > 0)
        kill(zygote->process.pid, SIGKILL); /* nobody would hear it; its death asks for another */
    else
        zygote->due_us = clock_monotonic_us() + RESTART_PAUSE_US;
}

/* What names no library can do without a zygote for as long as the libraries are being loaded, and that takes longer
 * the more begins beside it. */
static bool gives_way(const struct warden *w, enum warm_kind kind)
{
    const struct zygote_process *first = &w->zygotes[WARM_PYTHON].process;

    return kind == WARM_PYTHON_PLAIN && first->pid > 0 && atomic_load(&first->state->generation) == 0;
}

static int open_zygote(struct warden *w, enum warm_kind kind)
{
    struct zygote_process *process = &w->zygotes[kind].process;
    int r = zygote_process_open(process, kind, &w->zygote_options, &w->context.board->zygotes[kind]);

    if (r == 0)
        r = warden_watch(w, process->near_fd, WATCH_ZYGOTE + kind);
    if (r == 0 && process->files_fd >= 0)
        r = warden_watch(w, process->files_fd, WATCH_ZYGOTE_FILES + kind);
    if (r < 0)
        return r;
    w->context.zygote_fds[kind] = process->near_fd;
    if (gives_way(w, kind))
        w->zygotes[kind].due_us = clock_monotonic_us();
    else
        start_zygote(w, kind);
    return 0;
}

int zygotes_open(struct warden *w)
{
    void *board;
    int r = 0;

    if (!w->options->zygote_library)
        return 0;
    w->zygote_options = (struct zygote_options){
        .source = w->options->rootfs,
        .hostname = w->options->hostname,
        .root_fd = w->context.root_fd,
        .filter = &w->filters[SECCOMP_ZYGOTE],
        .copy_filter = &w->filters[SECCOMP_COPY],
        .uid = (uid_t)(w->options->uid_base + w->n_slots),
        .start_seconds = (unsigned)w->options->zygote_seconds,
        .may_pass_groups = w->cgroups.controllers[CGROUP_ACCOUNTING].unified,
    };
    board = mmap(NULL, sizeof(struct zygote_board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (board == MAP_FAILED)
        return error_from_errno();
    w->context.board = board;
    for (int kind = 0; kind < WARM_KINDS && r == 0; kind++)
        if (warm_traits(kind)->is_copy && zygote_process_possible(kind, &w->zygote_options))
            r = open_zygote(w, kind);
    return r;
}

void zygotes_on_death(struct warden *w, struct zygote *zygote)
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
    keepers_settle(w);
}

static void renew_zygote(struct warden *w, enum warm_kind kind, const char *why)
{
    struct zygote *zygote = &w->zygotes[kind];

    zygote->renew_us = 0;
    atomic_store(&zygote->process.state->unanswered, 0);
    if (!zygote_process_renew(&zygote->process, why))
        zygote->due_us = clock_monotonic_us();
    if (zygote->process.files_fd >= 0)
        (void)warden_watch(w, zygote->process.files_fd, WATCH_ZYGOTE_FILES + kind);
}

static bool is_late(const struct zygote *zygote, int64_t now_us)
{
    return zygote->process.ready_by_us && now_us >= zygote->process.ready_by_us;
}

static void tend_zygote(struct warden *w, enum warm_kind kind)
{
    struct zygote *zygote = &w->zygotes[kind];
    int64_t now_us = clock_monotonic_us();

    if (zygote->due_us && now_us >= zygote->due_us && !gives_way(w, kind))
        start_zygote(w, kind);
    if (is_late(zygote, now_us)) {
        on_zygote(w, kind); /* it may have said so while this process was not running */
        if (is_late(zygote, now_us))
            zygote_process_late(&zygote->process);
    }
    if (zygote->renew_us && now_us >= zygote->renew_us)
        renew_zygote(w, kind, "it has new files");
    else if (zygote->process.state && atomic_load(&zygote->process.state->unanswered) >= UNANSWERED_MAX)
        renew_zygote(w, kind, "it does not answer");
}

void zygotes_tend(struct warden *w)
{
    for (int kind = 0; kind < WARM_KINDS; kind++)
        tend_zygote(w, kind);
}

void zygotes_on_event(struct warden *w, uint32_t tag)
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

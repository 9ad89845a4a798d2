/* SPDX-License-Identifier: Apache-2.0 */
/* zygote_process.h -- a zygote as the warden's child: what it is given, and what is taken from it, before it becomes an
 * interpreter by exec (wire/zygote.h says what it is for).
 *
 * It is nobody's user, sees the root file system of cells, has no network, and two capabilities, which a filter of
 * system calls leaves it to use for nothing but setns(2); where there are v2 groups a third, to be cloned into one. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cell/seccomp.h"
#include "warden/restart.h"
#include "warden/stock.h"
#include "wire/warm_kind.h"

struct zygote_options {
    const char *source;                       /* tree that the runtimes are in ("/" or SANDBOX_ROOTFS) */
    const char *hostname;                     /* inside cells, and so what its libraries may remember */
    int root_fd;                              /* of the tree of cells (rootfs_build) */
    const struct seccomp_filter *filter;      /* of the zygote, which its copies inherit */
    const struct seccomp_filter *copy_filter; /* that the copies add */
    uid_t uid;
    unsigned start_seconds; /* that one may take until it is ready; later tries have more */
    bool may_pass_groups;   /* where there are v2 groups: cloning into one is a matter of file permissions */
};

struct zygote_process {
    const struct zygote_options *options;
    enum warm_kind kind;        /* of which interpreter */
    pid_t pid;                  /* -1 = none */
    int far_fd, near_fd;        /* the zygote's end of its socket, which outlives it, and the keepers' */
    int output_fd;              /* what it prints, for the log */
    int filter_fd;              /* sealed memory */
    int files_fd;               /* readable when the language's files changed */
    bool renewing;              /* it was ended because they did */
    struct zygote_state *state; /* on the board */
    int64_t started_us;
    int64_t ready_by_us; /* until when it must be ready; 0 = it is, or there is none */
    int64_t ready_us;    /* since when it is; 0 = it is not */
    uint32_t generations;
    struct restart restart;
};

#define ZYGOTE_PROCESS_INIT                                                                                            \
    ((struct zygote_process){                                                                                          \
        .pid = -1, .far_fd = -1, .near_fd = -1, .output_fd = -1, .filter_fd = -1, .files_fd = -1 })

/* True if there can be one: its interpreter is in the tree. */
bool zygote_process_possible(enum warm_kind kind, const struct zygote_options *options);

/* Makes what every zygote of the kind shares with keepers. state is the caller's, and shared with every process that is
 * forked later. Returns 0 or a negative errno. */
int zygote_process_open(struct zygote_process *zygote, enum warm_kind kind, const struct zygote_options *options,
                        struct zygote_state *state);

/* Starts one. Returns 0 or a negative errno. */
int zygote_process_start(struct zygote_process *zygote);

/* The near socket is readable. Returns true if a zygote has become ready. */
bool zygote_process_heard(struct zygote_process *zygote);

/* Logs a piece of what the zygote printed. */
void zygote_process_log(struct zygote_process *zygote);

/* files_fd is readable. Takes note; zygote_process_renew() is due some seconds after the last change, when an
 * installation is through. Returns that time of clock_monotonic_us(). */
int64_t zygote_process_changed(struct zygote_process *zygote);

/* Ends it, so that another takes its place which has loaded what is there now. Returns false if there is none that
 * could die: then another is to be started at once. */
bool zygote_process_renew(struct zygote_process *zygote, const char *why);

/* It is not ready and ready_by_us has passed: it hangs. Ends it. */
void zygote_process_late(struct zygote_process *zygote);

/* It died. Logs that, and returns after how many milliseconds another should be started (restart.h). */
int zygote_process_died(struct zygote_process *zygote);

/* Ends it and gives everything back. */
void zygote_process_close(struct zygote_process *zygote);

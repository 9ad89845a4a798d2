/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h -- the warden's one struct, and what its files (warden*.c) do for each other. Everything runs in one
 * thread: nothing here may wait, except while the server starts or ends, and for a second when the api has died.
 * Functions return 0 or a negative errno. */
#pragma once

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cell/cgroup.h"
#include "cell/seccomp.h"
#include "cell/wan.h"
#include "warden/api_process.h"
#include "warden/options.h"
#include "warden/proxy_process.h"
#include "warden/slot.h"
#include "warden/spares.h"
#include "warden/turns.h"
#include "warden/zygote_process.h"
#include "wire/message.h"
#include "wire/warm_counts.h"

#define RESTART_PAUSE_US 1000000 /* a child that dies at once must not become a fork loop */

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
    bool orphaned;                                                      /* its run was a dead api's */
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
    struct seccomp_filter filters[SECCOMP_SUBJECTS];
    struct slot_context context;
    struct wan wan;
    struct zygote_options zygote_options;
    struct zygote zygotes[WARM_KINDS];
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
    int work_dir_fd;    /* DATA_DIR/work */
    unsigned failures;  /* keepers that died since one was ready */
    int64_t orphans_us; /* when keepers whose runs were a dead api's are ended; 0 = there are none */
    int64_t stop_by_us; /* when an api that was told to stop has to have done so; 0 = it was not told */
    int64_t restart_us; /* when keepers that could not be started are tried again; 0 = there are none */
    struct spares spares;
    struct warm_counts *warm; /* what the api is shown of ready */
    int warm_fd;
    bool greeted, stopping, finished;
    bool api_ran;         /* one of them has had a program run */
    int64_t api_first_us; /* when the first one was started */
    bool tls_renewed;     /* what the api was started with may be out of date */
    bool log_renewed;     /* the log that the api was started with is not the server's any more */
    int status;
};

/* ---- warden_setup.c ---- */

/* Makes everything up to a running api; logs what cannot be made. */
int warden_setup(struct warden *w);

/* Has the loop told of what can be read from fd. */
int warden_watch(struct warden *w, int fd, uint32_t tag);

/* ---- warden_api.c ---- */

int api_open(struct warden *w);
int proxy_start(struct warden *w);
void proxy_restart(struct warden *w); /* if it is wanted and not there */

/* Tells the api that it may begin, once a slot is ready. */
void api_greet(struct warden *w);

void api_renew_log(struct warden *w); /* the warden's own standard output is the api's log now */
void api_renew_tls(struct warden *w); /* hands over the files of the certificate again */

void api_on_message(struct warden *w);
void api_tend(struct warden *w); /* ends it if it does not stop */
void api_on_death(struct warden *w, int status);

/* ---- warden_log.c ---- */

int log_keep_directory(struct warden *w);
void log_reopen(struct warden *w);

/* ---- warden_zygotes.c ---- */

int zygotes_open(struct warden *w);
void zygotes_tend(struct warden *w); /* starts and replaces those whose time it is */
void zygotes_on_event(struct warden *w, uint32_t tag);
void zygotes_on_death(struct warden *w, struct zygote *zygote);

/* ---- warden_keepers.c ---- */

int keepers_start(struct warden *w);
void keepers_orphan(struct warden *w);  /* the api is dead: what ran for it has to end soon */
void keepers_restart(struct warden *w); /* those that could not be started */
void keepers_tend(struct warden *w);    /* gives slots back that are left over */

/* Tells those at rest that what waits in their cells may be made anew, or at all. */
void keepers_settle(struct warden *w);

/* They write to this log from their next rest on. */
void keepers_log(struct warden *w, int log_fd);

/* Gives waiting runs to ready slots. */
void keepers_dispatch(struct warden *w);

/* Gives a run to the keeper whose cell it continues, or refuses it. Takes its descriptors. */
void keepers_continue(struct warden *w, struct waiting_run *run);

/* Fails a run that was not given to anybody: a positive errno for its api. Closes its descriptors. */
void keepers_refuse(int fds[static WIRE_FDS_MAX], int error);

void keepers_on_message(struct warden *w, unsigned index);
void keepers_on_death(struct warden *w, unsigned index);

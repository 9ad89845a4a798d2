/* SPDX-License-Identifier: Apache-2.0 */
/* slot.h -- a slot and its keeper.
 *
 * A slot is what is costly to make and safe to reuse once empty: cgroups, a network namespace, a host user. Its keeper
 * is a privileged, single-threaded process that lives in them and serves one execution after the other, in straight
 * lines: arm a cell, wait for a program, watch it end, harvest, clean. It parses nothing but fixed-size messages.
 *
 * A keeper that dies takes its cell with it (parent death signal); the warden starts another for the slot. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "cell/cgroup.h"
#include "cell/seccomp.h"
#include "cell/wan.h"
#include "warden/options.h"
#include "warden/stock.h"
#include "wire/message.h"

/* What all slots share; made by the warden before the first fork. */
struct slot_context {
    const struct warden_options *options;
    const struct cgroup_layout *cgroups;
    const struct seccomp_filter *filter;
    int root_fd;                /* of the tree that rootfs_build() built */
    const struct wan *wan;      /* NULL = cells have no network */
    int zygote_fds[WARM_KINDS]; /* where zygotes take orders; -1 = there is none of the kind */
    struct zygote_board *board; /* shared with the warden; NULL = the same */
};

/* What the warden passes on to a keeper: struct wire_run with its wire_run_fds() descriptors and, if the run has
 * inputs, one more: a detached mount of its input directory. A keeper cannot reach that directory itself. */
#define SLOT_RUN_FDS_MAX (WIRE_RUN_FDS_MAX + 1)

/* What a keeper says to the warden each time it has an armed cell, and when that cell changes; with the listening
 * socket of the cell's network if that is new and cells have a proxy. */
struct slot_ready {
    uint32_t kind;     /* enum warm_kind: what waits in it, or will */
    uint32_t starting; /* 1 = it will */
    uint32_t runs;     /* how many the keeper has received: what it says may be older than what was sent to it */
    uint32_t parked; /* 1 = it has no armed cell for now: its program waits for its client, or for its session's next */
};

/* What the warden says to a keeper at rest: another zygote takes orders; or with a descriptor, that is the log now. */
#define SLOT_SETTLE "settle"

/* The keeper's whole life. socket_fd receives runs and sends struct slot_ready; its end of file ends the keeper. Never
 * returns. */
_Noreturn void slot_keep(const struct slot_context *context, unsigned index, int socket_fd);

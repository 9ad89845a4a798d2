/* SPDX-License-Identifier: Apache-2.0 */
/* slot_state.h -- what a keeper knows of its slot; what it knows of one execution is in slot_run.h.
 *
 * The files of a keeper by purpose: slot.c is its life, slot_place.c where it lives, slot_cell.c the cell that waits or
 * runs there, slot_run.c how a program gets into it, slot_watch.c what happens while that runs, slot_results.c what is
 * told of it afterwards, slot_park.c the cell that is kept for its session. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cell/cell.h"
#include "cell/cgroup.h"
#include "cell/wan_port.h"
#include "cell/workspace.h"
#include "warden/slot.h"
#include "warden/stock.h"

/* Where every keeper hears from the warden and speaks to it. */
#define SLOT_SOCKET_FD 3

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
    bool armed;            /* the cell waits for a program */
    struct workspace laid; /* what it has as its workspace already, an empty one; WORKSPACE_INIT = nothing */
    uint64_t laid_bytes;   /* how large that is, or will be in the next cell; 0 = there will be none */
    struct stock stock;
    uint32_t runs;    /* that were received */
    int rest_fd;      /* where the program says that it rests; -1 = it may not */
    uint32_t network; /* enum wire_network of the cell that rests */
};

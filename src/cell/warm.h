/* SPDX-License-Identifier: Apache-2.0 */
/* warm.h -- what waits in an armed cell to be its program, a copy of a zygote or a runtime (cell/runtime.h), seen from
 * the slot's keeper (wire/zygote.h).
 *
 * The copy is a process of the cell from its birth: it is charged to the slot, and dies with the cell. What it does as
 * its program the init learns from the kernel, like of any other child. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "cell/cell.h"
#include "cell/cgroup.h"
#include "wire/warm_kind.h"

struct warm {
    int socket_fd; /* the keeper's end of the copy's socket; -1 = no copy */
    int source_fd; /* the end to write to of the pipe to its transpiler; -1 = it has none */
    pid_t pid;     /* in the cell; 0 = ordered, and not ready yet */
};

#define WARM_INIT ((struct warm){ .socket_fd = -1, .source_fd = -1 })

/* What a zygote must know of a slot. */
struct warm_place {
    const int *zygote_fds; /* by enum warm_kind; they do not block; -1 = there is none */
    int network_fd;
    uid_t inside_uid;
    const struct cgroup_slot *cgroup;
};

/* Has a copy of the zygote of that kind made in an armed cell. Returns 0 or a negative errno, -EAGAIN if the zygote has
 * too many orders. The socket becomes readable when the copy is ready, or will never be. */
int warm_order(enum warm_kind kind, const struct warm_place *place, const struct cell *cell, struct warm *ret_warm);

/* Has the cell's init start a runtime, and its transpiler if it has one. Returns 0 or a negative errno; the socket is
 * as above. */
int warm_order_runtime(const struct runtime_order *order, const struct cell *cell, struct warm *ret_warm);

/* Waits at most timeout_ms until an ordered copy is ready. Returns 0, -ETIMEDOUT, or another negative errno: the zygote
 * or the copy died. */
int warm_await(struct warm *warm, int timeout_ms);

/* Ends the copy, if there is one, or as soon as there is. */
void warm_drop(struct warm *warm);

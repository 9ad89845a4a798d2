/* SPDX-License-Identifier: Apache-2.0 */
/* capacity.h -- how many executions fit on this machine. */
#pragma once

#include <stdint.h>

struct capacity {
    double cores;         /* processors this process may use: affinity and cgroup quota */
    int64_t memory_bytes; /* of the machine, or of the cgroup if that has less */
};

/* Asks the kernel; what cannot be found out is left out of account. */
void capacity_measure(struct capacity *ret_capacity);

/* Runs at the same time: what was configured, or for 0 eight a core, as many as memory holds, between 2 and 256. */
unsigned capacity_slots(const struct capacity *capacity, int64_t configured, int64_t max_memory_mb);

#define CAPACITY_CELLS_MAX 512 /* running, waiting and hot ones together (warden/options.h) */

/* Cells parked at the same time: what was configured, as far as users of cells are left for them. */
unsigned capacity_parked(int64_t configured, unsigned slots);

/* Memory in MiB for programs that wait for their clients: what the slots leave, but an eighth of the machine and what
 * one program may use at least. */
int64_t capacity_paused_mb(const struct capacity *capacity, unsigned slots, int64_t max_memory_mb);

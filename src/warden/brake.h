/* SPDX-License-Identifier: Apache-2.0 */
/* brake.h -- a cell that forks in vain is made to rest.
 *
 * The kernel asks the process limit when a fork has already copied its parent's memory, and throws the copy away. Both
 * take the locks of every library that is mapped, and those are the same for all cells. Hundreds of processes that do
 * nothing else queue for these locks; whoever is next in the queue waits for a processor among his own kind, and
 * everybody's exec and exit waits for him: for seconds. Frozen, they empty the queue and leave it empty. A program that
 * forks in vain now and then is not touched, and one that stops doing so goes on.
 *
 * One thread; all times are clock_monotonic_us(). Does nothing where cgroup_slot_freeze() cannot. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/cgroup.h"

struct brake {
    int64_t started_us;
    int64_t due_us;   /* when to look again; 0 = not started */
    int64_t rest_us;  /* how long the next rest is */
    uint32_t refused; /* forks, up to the last rest */
    bool on;
};

/* The program runs since started_us. */
void brake_start(struct brake *brake, int64_t started_us);

/* The same for one that rested and goes on: what was refused before is no news. */
void brake_start_again(struct brake *brake, const struct cgroup_slot *cgroup, int64_t started_us);

/* To be called from time to time, at the latest when brake->due_us has come. */
void brake_tick(struct brake *brake, struct cgroup_slot *cgroup, int64_t now_us);

/* The cell is dead; the next one shall move. */
void brake_end(struct brake *brake, struct cgroup_slot *cgroup);

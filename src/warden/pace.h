/* SPDX-License-Identifier: Apache-2.0 */
/* pace.h -- how much of a busy machine an execution gets from its start to the death of its last process.
 *
 * One thread; all times are clock_monotonic_us(). A share that cannot be written is no reason to fail: the execution
 * goes on with the one it has. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell/cgroup.h"

#define PACE_NEVER_US INT64_MAX

struct pace {
    int64_t started_us, limit_us; /* when the program started and when its time is over; 0 = not started */
    int64_t killed_us;            /* 0 = not killed */
    int64_t look_us;              /* when to look at its age again */
    int64_t ran_us;               /* how long it has run before it waited */
    size_t age;                   /* row of ages[] that holds */
    bool punctual;                /* the keeper does not live on the program's share */
    bool in_last_moments;
    uint32_t cpu_millis; /* what the cell may use when it does not wait */
};

/* Before the program is handed over: a full share. Returns 0 or a negative errno. */
int pace_begin(struct pace *pace, struct cgroup_slot *cgroup);

/* The program runs since started_us and has timeout_us. */
void pace_start(struct pace *pace, int64_t started_us, uint64_t timeout_us);

/* The program waits for somebody outside: no time of its own passes, and what it does meanwhile gets next to none of
 * the processor, and less than anybody who runs: whoever spins in many pauses slows nobody else down. */
void pace_pause(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us);

/* It goes on since now_us, with all its time again, and as old as it was: what it has used counts for all its life. */
void pace_resume(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us, uint64_t timeout_us);

/* To be called just before the cell is killed. What dies shall die fast. */
void pace_kill(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us);

/* When pace_tick() has something to do, PACE_NEVER_US if never. */
int64_t pace_due_us(const struct pace *pace);

/* Does what is due. Returns true if the program's time is over and it has not been killed. */
bool pace_tick(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us);

/* After the death of the last process: the keeper has work to do. */
void pace_end(struct pace *pace, struct cgroup_slot *cgroup);

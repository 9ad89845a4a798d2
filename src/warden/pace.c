/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/pace.h"

#include "base/cleanup.h"

/* Before its time limit a program gets a full share again: its keeper lives on the same share, and must be there in
 * time. */
#define LAST_MOMENTS_US 500000

/* What was killed gets more than a running program at once, and nearly everything if it is still there a little later:
 * hundreds of processes are a long time dying, and their caller was promised an answer. */
#define DYING_CPU_MILLIS 64000
#define DYING_SHARES     (8 * CGROUP_SHARES_FULL)
#define OVERDUE_SHARES   (64 * CGROUP_SHARES_FULL)
#define OVERDUE_AFTER_US 400000

/* Little enough to compute nothing with, and enough to die with at once, should the keeper die first. */
#define PAUSED_CPU_MILLIS 50

/* The longer a program has run, the less of a busy machine it gets: most programs are short, and a few that loop for
 * ever must not slow them down. Alone on the machine each has what its limit allows at any age. */
static const struct {
    int64_t from_us; /* since the program's start */
    uint32_t shares;
} ages[] = {
    { 0, CGROUP_SHARES_FULL },
    { 100000, CGROUP_SHARES_FULL / 4 },
    { 500000, CGROUP_SHARES_FULL / 16 },
    { 3000000, CGROUP_SHARES_FULL / 64 },
};

int pace_begin(struct pace *pace, struct cgroup_slot *cgroup)
{
    *pace = (struct pace){ 0 };
    return cgroup_slot_weigh(cgroup, ages[0].shares);
}

void pace_start(struct pace *pace, int64_t started_us, uint64_t timeout_us)
{
    pace->started_us = started_us;
    pace->limit_us = started_us + (int64_t)timeout_us;
}

static void set_cpu(struct cgroup_slot *cgroup, uint32_t cpu_millis)
{
    struct cgroup_limits limits = cgroup->current;

    limits.cpu_millis = cpu_millis;
    (void)cgroup_slot_limit(cgroup, &limits);
}

void pace_pause(struct pace *pace, struct cgroup_slot *cgroup)
{
    if (pace->killed_us)
        return;
    pace->started_us = 0;
    pace->cpu_millis = cgroup->current.cpu_millis;
    set_cpu(cgroup, PAUSED_CPU_MILLIS);
}

void pace_resume(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us, uint64_t timeout_us)
{
    uint32_t cpu_millis = pace->cpu_millis;

    if (pace->killed_us)
        return;
    set_cpu(cgroup, cpu_millis);
    (void)pace_begin(pace, cgroup);
    pace_start(pace, now_us, timeout_us);
}

/* Hundreds of processes take a while to end within the share and quota of one. */
void pace_kill(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us)
{
    pace->killed_us = now_us;
    (void)cgroup_slot_weigh(cgroup, DYING_SHARES);
    set_cpu(cgroup, DYING_CPU_MILLIS);
}

int64_t pace_due_us(const struct pace *pace)
{
    int64_t last_us = pace->limit_us - LAST_MOMENTS_US;
    bool ages_left = pace->age + 1 < ARRAY_SIZE(ages);

    if (pace->overdue || !(pace->killed_us || pace->started_us))
        return PACE_NEVER_US;
    if (pace->killed_us)
        return pace->killed_us + OVERDUE_AFTER_US;
    if (pace->in_last_moments)
        return pace->limit_us;
    if (ages_left && pace->started_us + ages[pace->age + 1].from_us < last_us)
        return pace->started_us + ages[pace->age + 1].from_us;
    return last_us;
}

bool pace_tick(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us)
{
    if (now_us < pace_due_us(pace))
        return false;
    if (pace->killed_us) {
        pace->overdue = true;
        (void)cgroup_slot_weigh(cgroup, OVERDUE_SHARES);
    } else if (now_us >= pace->limit_us)
        return true;
    else if (now_us >= pace->limit_us - LAST_MOMENTS_US) {
        pace->in_last_moments = true;
        (void)cgroup_slot_weigh(cgroup, CGROUP_SHARES_FULL);
    } else
        (void)cgroup_slot_weigh(cgroup, ages[++pace->age].shares);
    return false;
}

void pace_end(struct pace *pace, struct cgroup_slot *cgroup)
{
    (void)pace;
    (void)cgroup_slot_weigh(cgroup, CGROUP_SHARES_FULL);
}

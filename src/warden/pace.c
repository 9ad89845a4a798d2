/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/pace.h"

#include "base/cleanup.h"

/* Before its time limit a program gets a full share again if its keeper has to live on it and must be there in time. */
#define LAST_MOMENTS_US 500000

/* What was killed gets nearly everything: hundreds of processes are a long time dying, everybody's exec and exit waits
 * for the locks that they hold, and their caller was promised an answer. */
#define DYING_CPU_MILLIS 64000
#define DYING_SHARES     (64 * CGROUP_SHARES_FULL)

/* Little enough to compute nothing with, and enough to die with at once, should the keeper die first. A hundred could
 * still keep all processors busy with threads that do not wait: they get next to nothing of what others want. */
#define PAUSED_CPU_MILLIS         50
#define PAUSED_SHARES             (CGROUP_SHARES_FULL / 256)
#define PAUSED_WITH_KEEPER_SHARES (CGROUP_SHARES_FULL / 16) /* enough for a keeper that has to live on them, too */

/* The more of the processors a program has used, the less it gets of a busy machine: most programs are short, and a few
 * that loop for ever must not slow them down. The time that has passed would not do: on a busy machine what has hardly
 * begun would be old, and while it waits with a lock of the kernel's in its hand, so do others. Alone on the machine
 * each has what its limit allows at any age. */
static const struct {
    int64_t from_us; /* of processor time */
    uint32_t shares;
} ages[] = {
    { 0, CGROUP_SHARES_FULL },
    { 100000, CGROUP_SHARES_FULL / 4 },
    { 300000, CGROUP_SHARES_FULL / 16 },
    { 1000000, CGROUP_SHARES_FULL / 64 },
};

/* To look costs a wakeup: not before something can have changed, and the longer a program is there the rarer. */
#define LOOK_MIN_US    50000
#define LOOK_MAX_US    500000
#define LOOKS_PER_LIFE 8

int pace_begin(struct pace *pace, struct cgroup_slot *cgroup)
{
    *pace = (struct pace){ .punctual = cgroup->aside };
    return cgroup_slot_weigh(cgroup, ages[0].shares);
}

void pace_start(struct pace *pace, int64_t started_us, uint64_t timeout_us)
{
    pace->started_us = started_us;
    pace->limit_us = started_us + (int64_t)timeout_us;
    pace->look_us = started_us + LOOK_MIN_US;
}

static void set_cpu(struct cgroup_slot *cgroup, uint32_t cpu_millis)
{
    struct cgroup_limits limits = cgroup->current;

    limits.cpu_millis = cpu_millis;
    (void)cgroup_slot_limit(cgroup, &limits);
}

static void step_aside(struct pace *pace, struct cgroup_slot *cgroup)
{
    if (!pace->punctual)
        pace->punctual = cgroup_slot_step_aside(cgroup) == 0;
}

/* What it has used, where the kernel tells; else it can be no more than what has passed while it ran. */
static int64_t used_us(const struct pace *pace, const struct cgroup_slot *cgroup, int64_t now_us)
{
    int64_t used_us = cgroup_slot_cpu_us(cgroup);

    return used_us < 0 ? pace->ran_us + now_us - pace->started_us : used_us;
}

static void note_age(struct pace *pace, const struct cgroup_slot *cgroup, int64_t now_us)
{
    int64_t used = used_us(pace, cgroup, now_us);

    while (pace->age + 1 < ARRAY_SIZE(ages) && used >= ages[pace->age + 1].from_us)
        pace->age++;
}

/* Its age is noted here, too: one that always waits before it is looked at would stay young for ever. */
void pace_pause(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us)
{
    if (pace->killed_us)
        return;
    note_age(pace, cgroup, now_us);
    pace->ran_us += now_us - pace->started_us;
    pace->started_us = 0;
    pace->cpu_millis = cgroup->current.cpu_millis;
    step_aside(pace, cgroup);
    (void)cgroup_slot_weigh(cgroup, pace->punctual ? PAUSED_SHARES : PAUSED_WITH_KEEPER_SHARES);
    set_cpu(cgroup, PAUSED_CPU_MILLIS);
}

void pace_resume(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us, uint64_t timeout_us)
{
    if (pace->killed_us)
        return;
    set_cpu(cgroup, pace->cpu_millis);
    (void)cgroup_slot_weigh(cgroup, ages[pace->age].shares);
    pace->in_last_moments = false;
    pace_start(pace, now_us, timeout_us);
}

/* Hundreds of processes take a while to end within the share and quota of one. */
void pace_kill(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us)
{
    pace->killed_us = now_us;
    (void)cgroup_slot_weigh(cgroup, DYING_SHARES);
    set_cpu(cgroup, DYING_CPU_MILLIS);
}

/* When the program gets a full share again; at its limit = never. */
static int64_t last_moments_us(const struct pace *pace)
{
    return pace->punctual ? pace->limit_us : pace->limit_us - LAST_MOMENTS_US;
}

int64_t pace_due_us(const struct pace *pace)
{
    int64_t last_us = last_moments_us(pace);

    if (pace->killed_us || !pace->started_us)
        return PACE_NEVER_US;
    if (pace->in_last_moments)
        return pace->limit_us;
    return pace->look_us < last_us ? pace->look_us : last_us;
}

static int64_t next_look_us(const struct pace *pace, int64_t now_us)
{
    int64_t wait_us = (now_us - pace->started_us) / LOOKS_PER_LIFE;

    if (pace->age + 1 == ARRAY_SIZE(ages))
        return PACE_NEVER_US;
    return now_us + (wait_us < LOOK_MIN_US ? LOOK_MIN_US : wait_us > LOOK_MAX_US ? LOOK_MAX_US : wait_us);
}

static void grow_older(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us)
{
    note_age(pace, cgroup, now_us);
    step_aside(pace, cgroup);
    (void)cgroup_slot_weigh(cgroup, ages[pace->age].shares);
    pace->look_us = next_look_us(pace, now_us);
}

bool pace_tick(struct pace *pace, struct cgroup_slot *cgroup, int64_t now_us)
{
    if (now_us < pace_due_us(pace))
        return false;
    if (now_us >= pace->limit_us)
        return true;
    if (now_us >= last_moments_us(pace)) {
        pace->in_last_moments = true;
        (void)cgroup_slot_weigh(cgroup, CGROUP_SHARES_FULL);
    } else
        grow_older(pace, cgroup, now_us);
    return false;
}

void pace_end(struct pace *pace, struct cgroup_slot *cgroup)
{
    (void)pace;
    (void)cgroup_slot_weigh(cgroup, CGROUP_SHARES_FULL);
    (void)cgroup_slot_step_in(cgroup);
}

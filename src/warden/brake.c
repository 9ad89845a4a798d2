/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/brake.h"

#include "base/cleanup.h"

/* A bomb goes off early or late; to look costs a wakeup, and the longer a program runs the less a delay matters. */
#define LOOK_MIN_US    20000
#define LOOK_MAX_US    200000
#define LOOKS_PER_LIFE 16

/* So many refusals may come before a rest is due. */
#define REFUSED_MAX 16

/* Each rest is longer than the one before: between two of them each process tries once more, and hundreds of those keep
 * a processor busy for a fifth of a second. */
#define REST_MIN_US 1000000
#define REST_MAX_US 8000000

void brake_start(struct brake *brake, int64_t started_us)
{
    *brake = (struct brake){ .started_us = started_us, .due_us = started_us + LOOK_MIN_US, .rest_us = REST_MIN_US };
}

void brake_start_again(struct brake *brake, const struct cgroup_slot *cgroup, int64_t started_us)
{
    brake_start(brake, started_us);
    brake->refused = cgroup_slot_refused_forks(cgroup);
}

static int64_t next_look_us(const struct brake *brake, int64_t now_us)
{
    int64_t wait_us = (now_us - brake->started_us) / LOOKS_PER_LIFE;

    return now_us + (wait_us < LOOK_MIN_US ? LOOK_MIN_US : wait_us > LOOK_MAX_US ? LOOK_MAX_US : wait_us);
}

static void release(struct brake *brake, struct cgroup_slot *cgroup)
{
    if (brake->on)
        (void)cgroup_slot_freeze(cgroup, false);
    brake->on = false;
}

static void engage(struct brake *brake, struct cgroup_slot *cgroup, int64_t now_us)
{
    brake->on = cgroup_slot_freeze(cgroup, true) == 0;
    brake->due_us = now_us + brake->rest_us;
    if (brake->rest_us < REST_MAX_US)
        brake->rest_us *= 2;
}

void brake_tick(struct brake *brake, struct cgroup_slot *cgroup, int64_t now_us)
{
    uint32_t refused;

    if (brake->due_us == 0 || now_us < brake->due_us)
        return;
    refused = cgroup_slot_refused_forks(cgroup);
    brake->due_us = next_look_us(brake, now_us);
    if (brake->on) {
        release(brake, cgroup);
        brake->due_us = now_us + LOOK_MIN_US;
        brake->refused = refused; /* what was refused on the way to rest is no news */
    } else if (refused - brake->refused > REFUSED_MAX)
        engage(brake, cgroup, now_us);
}

void brake_end(struct brake *brake, struct cgroup_slot *cgroup)
{
    release(brake, cgroup);
    brake->due_us = 0;
}

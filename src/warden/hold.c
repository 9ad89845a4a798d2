/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/hold.h"

/* A program that waits may have threads that do not. */
#define SLACK_BYTES (8ull << 20)
#define SLACK_SHARE 4 /* and a quarter of what it has */

uint64_t hold_small(struct cgroup_slot *cgroup)
{
    struct cgroup_limits limits = cgroup->current;
    int64_t used = cgroup_slot_memory(cgroup);

    if (used < 0)
        return cgroup->current.memory_bytes;
    limits.memory_bytes = (uint64_t)used + (uint64_t)used / SLACK_SHARE + SLACK_BYTES;
    if (limits.memory_bytes < cgroup->current.memory_bytes)
        (void)cgroup_slot_limit(cgroup, &limits);
    return cgroup->current.memory_bytes;
}

void hold_whole(struct cgroup_slot *cgroup, uint64_t limit_bytes)
{
    struct cgroup_limits limits = cgroup->current;

    limits.memory_bytes = limit_bytes;
    (void)cgroup_slot_limit(cgroup, &limits);
}

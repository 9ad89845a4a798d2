/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/capacity.h"

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/number.h"

#define SLOTS_PER_CORE 8
#define MEMORY_SHARE   0.8 /* the rest is for the server, the page cache and the workspaces in tmpfs */
#define PAUSED_SHARE   8   /* at least an eighth, for programs that wait */
#define SLOTS_MIN      2
#define SLOTS_MAX      256
#define CGROUP_ROOT    "/sys/fs/cgroup"

/* A container sees its own cgroup as the root of the hierarchy, which is where these files are then. "max" is no limit.
 */
static bool read_limit(const char *path, uint64_t *ret_first, uint64_t *ret_second)
{
    char text[128];
    const char *at = text;

    if (fd_read_at(AT_FDCWD, path, text, sizeof(text)) <= 0 || !number_take(&at, ret_first) || *ret_first == 0)
        return false;
    return !ret_second || (number_take(&at, ret_second) && *ret_second > 0);
}

static void apply_cgroup_limits(struct capacity *capacity)
{
    static const char *const memory_files[] = { CGROUP_ROOT "/memory.max",
                                                CGROUP_ROOT "/memory/memory.limit_in_bytes" };
    uint64_t quota, period, limit;

    for (size_t i = 0; i < ARRAY_SIZE(memory_files); i++)
        if (read_limit(memory_files[i], &limit, NULL) && limit < (uint64_t)capacity->memory_bytes)
            capacity->memory_bytes = (int64_t)limit;
    if (read_limit(CGROUP_ROOT "/cpu.max", &quota, &period) && (double)quota / (double)period < capacity->cores)
        capacity->cores = (double)quota / (double)period;
}

void capacity_measure(struct capacity *ret_capacity)
{
    cpu_set_t set;

    ret_capacity->cores =
        sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : (double)sysconf(_SC_NPROCESSORS_ONLN);
    ret_capacity->memory_bytes = (int64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
    apply_cgroup_limits(ret_capacity);
}

unsigned capacity_slots(const struct capacity *capacity, int64_t configured, int64_t max_memory_mb)
{
    double by_cores = SLOTS_PER_CORE * capacity->cores;
    double by_memory = MEMORY_SHARE * (double)capacity->memory_bytes / ((double)max_memory_mb * 1048576.0);
    double slots = by_cores < by_memory ? by_cores : by_memory;

    if (configured > 0)
        return (unsigned)configured;
    if (slots < SLOTS_MIN)
        return SLOTS_MIN;
    return slots > SLOTS_MAX ? SLOTS_MAX : (unsigned)slots;
}

unsigned capacity_parked(int64_t configured, unsigned slots)
{
    unsigned most = slots < CAPACITY_CELLS_MAX ? CAPACITY_CELLS_MAX - slots : 0;

    return configured < most ? (unsigned)configured : most;
}

int64_t capacity_paused_mb(const struct capacity *capacity, unsigned slots, int64_t max_memory_mb)
{
    int64_t left_mb = (int64_t)(MEMORY_SHARE * (double)capacity->memory_bytes / 1048576) - slots * max_memory_mb;
    int64_t least_mb = (capacity->memory_bytes >> 20) / PAUSED_SHARE;

    if (left_mb < least_mb)
        left_mb = least_mb;
    return left_mb < max_memory_mb ? max_memory_mb : left_mb;
}

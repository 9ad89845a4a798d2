/* SPDX-License-Identifier: Apache-2.0 */
#include "main/capacity.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"

#define SLOTS_PER_CORE 8
#define MEMORY_SHARE   0.8 /* the rest is for the server, the page cache and the workspaces in tmpfs */
#define SLOTS_MIN      2
#define SLOTS_MAX      256
#define CGROUP_ROOT    "/sys/fs/cgroup"

/* A container sees its own cgroup as the root of the hierarchy, which is where these files are then. */
static void apply_cgroup_limits(struct capacity *capacity)
{
    static const char *const memory_files[] = { CGROUP_ROOT "/memory.max",
                                                CGROUP_ROOT "/memory/memory.limit_in_bytes" };
    char text[128];
    int64_t quota, period, limit;

    for (size_t i = 0; i < sizeof(memory_files) / sizeof(memory_files[0]); i++)
        if (fd_read_at(AT_FDCWD, memory_files[i], text, sizeof(text)) > 0 && sscanf(text, "%" SCNd64, &limit) == 1 &&
            limit > 0 && limit < capacity->memory_bytes)
            capacity->memory_bytes = limit;
    if (fd_read_at(AT_FDCWD, CGROUP_ROOT "/cpu.max", text, sizeof(text)) > 0 &&
        sscanf(text, "%" SCNd64 " %" SCNd64, &quota, &period) == 2 && period > 0 && quota > 0 &&
        (double)quota / (double)period < capacity->cores)
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

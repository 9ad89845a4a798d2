/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_layout.h -- where a host has the controllers that limit cells.
 *
 * Read from /proc/self/cgroup and /proc/self/mountinfo, never guessed from the distribution. On a mixed host limits
 * come from the v1 controllers and CPU figures from the unified hierarchy. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CGROUP_PATH_SIZE 512

enum cgroup_controller {
    CGROUP_MEMORY,
    CGROUP_CPU,
    CGROUP_PIDS,
    CGROUP_ACCOUNTING, /* where CPU time is read: the unified hierarchy, else v1's cpuacct */
    CGROUP_CONTROLLERS,
};

/* Where each controller is. */
struct cgroup_layout {
    struct {
        bool found;
        bool unified;                     /* v2 files, else v1 files */
        char mount[CGROUP_PATH_SIZE];     /* mount point of the hierarchy */
        char directory[CGROUP_PATH_SIZE]; /* the group under which slots are made */
    } controllers[CGROUP_CONTROLLERS];
    bool pure_v2; /* one hierarchy for all */
};

/* Reads the layout of the calling process from proc ("/proc"). Returns 0; -ENOENT if a controller that limits need
 * (memory, pids, cpu) is on no hierarchy, with its name in missing; or another negative errno. */
int cgroup_detect(const char *proc, struct cgroup_layout *ret_layout, char *missing, size_t missing_size);

/* Parses the two files; separate for tests and fuzzing. */
int cgroup_parse(const char *self_cgroup, const char *mountinfo, struct cgroup_layout *ret_layout, char *missing,
                 size_t missing_size);

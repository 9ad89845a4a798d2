/* SPDX-License-Identifier: Apache-2.0 */
/* rlimits.h -- limits per process, besides the cgroup's for the whole cell. */
#pragma once

#include <stdint.h>

/* Sets soft and hard limits of the calling process, which children inherit: no core files, 256 descriptors, no
 * real-time priority and so on. A hard limit that is already lower stays. Returns 0 or a negative errno. */
int rlimits_apply(void);

/* The same for the size of a file, which only a run knows. */
int rlimits_file_size(uint64_t bytes_max);

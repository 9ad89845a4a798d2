/* SPDX-License-Identifier: Apache-2.0 */
/* rlimits.h -- limits per process, besides the cgroup's for the whole cell. */
#pragma once

#include <stdint.h>

/* Sets soft and hard limits of the calling process, which children inherit: no core files, 256 descriptors, files of at
 * most file_bytes_max, no real-time priority and so on. A hard limit that is already lower stays. Returns 0 or a
 * negative errno. */
int rlimits_apply(uint64_t file_bytes_max);

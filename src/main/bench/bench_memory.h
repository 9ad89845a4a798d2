/* SPDX-License-Identifier: Apache-2.0 */
/* bench_memory.h -- what cells that wait hold of memory of their own, read from /proc.
 *
 * A cell is a PID namespace below the warden. Those with a Python in them are Python cells, but for the oldest, which
 * is the zygote they were forked from. */
#pragma once

#include <sys/types.h>

#include "main/bench/bench_stats.h"

/* Adds one sample a waiting Python cell: the private memory of all its processes together, in MiB. Needs the right to
 * read other users' /proc (root). Returns 0, also with none found, or a negative errno. */
int bench_memory_python_cells(pid_t warden, struct bench_samples *samples);

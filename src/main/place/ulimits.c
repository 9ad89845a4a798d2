/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/ulimits.h"

#include <stddef.h>
#include <sys/resource.h>

#include "base/cleanup.h"

/* More than all programs that may wait, run or be queued need, with their connections: what waits takes five each, and
 * one key's programs must not take the last of everybody's. */
#define DESCRIPTORS_MAX 65536

/* Threads have stacks of the soft limit. Programs get theirs from what the hard one leaves (src/cell/rlimits.c). */
#define STACK_BYTES     (8u << 20)
#define STACK_BYTES_MAX (64u << 20)

/* The processes of a user are counted over the whole machine, and an id that is nobody's may be that of other servers.
 */
static const int without_end[] = { RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_RSS };

/* A shell gives a thousand and lets us have more. */
static void raise_descriptors(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    if (limit.rlim_cur < DESCRIPTORS_MAX)
        limit.rlim_cur = limit.rlim_max < DESCRIPTORS_MAX ? limit.rlim_max : DESCRIPTORS_MAX;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

static rlim_t larger(rlim_t one, rlim_t other)
{
    return one > other ? one : other;
}

static void raise_stack(void)
{
    struct rlimit limit, wanted;

    if (getrlimit(RLIMIT_STACK, &limit) < 0)
        return;
    wanted = (struct rlimit){ larger(limit.rlim_cur, STACK_BYTES), larger(limit.rlim_max, STACK_BYTES_MAX) };
    if (setrlimit(RLIMIT_STACK, &wanted) == 0)
        return;
    if (limit.rlim_cur < STACK_BYTES)
        limit.rlim_cur = limit.rlim_max < STACK_BYTES ? limit.rlim_max : STACK_BYTES;
    (void)setrlimit(RLIMIT_STACK, &limit);
}

void ulimits_raise(void)
{
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

    for (size_t i = 0; i < ARRAY_SIZE(without_end); i++) {
        struct rlimit limit;

        if (setrlimit(without_end[i], &none) == 0 || getrlimit(without_end[i], &limit) < 0)
            continue;
        limit.rlim_cur = limit.rlim_max; /* not root, or a container's */
        (void)setrlimit(without_end[i], &limit);
    }
    raise_stack();
    raise_descriptors();
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/ulimits.h"

#include <stddef.h>
#include <sys/resource.h>

#include "base/cleanup.h"

/* More than all programs that may wait, run or be queued need, with their connections: what waits takes five each, and
 * one key's programs must not take the last of everybody's. */
#define DESCRIPTORS_MAX 65536

#define STACK_BYTES_MAX (64u << 20) /* programs get theirs from what the hard limit leaves (src/cell/rlimits.c) */

/* The processes of a user are counted over the whole machine, and an id that is nobody's may be that of other servers.
 */
static const int without_end[] = { RLIMIT_AS, RLIMIT_CPU, RLIMIT_DATA, RLIMIT_FSIZE, RLIMIT_NPROC, RLIMIT_RSS };

/* To what is wanted, or as far as the hard limit lets whoever is not root, or in a container. */
static void raise_soft(int resource, rlim_t wanted)
{
    struct rlimit limit;

    if (getrlimit(resource, &limit) < 0)
        return;
    if (limit.rlim_cur < wanted)
        limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
    (void)setrlimit(resource, &limit);
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
    wanted = (struct rlimit){ larger(limit.rlim_cur, ULIMITS_STACK_BYTES), larger(limit.rlim_max, STACK_BYTES_MAX) };
    if (setrlimit(RLIMIT_STACK, &wanted) < 0)
        raise_soft(RLIMIT_STACK, ULIMITS_STACK_BYTES);
}

void ulimits_raise(void)
{
    const struct rlimit none = { RLIM_INFINITY, RLIM_INFINITY };

    for (size_t i = 0; i < ARRAY_SIZE(without_end); i++)
        if (setrlimit(without_end[i], &none) < 0)
            raise_soft(without_end[i], RLIM_INFINITY);
    raise_stack();
    raise_soft(RLIMIT_NOFILE, DESCRIPTORS_MAX); /* a shell gives a thousand and lets us have more */
}

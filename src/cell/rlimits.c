/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/rlimits.h"

#include <stddef.h>
#include <sys/resource.h>

#include "base/cleanup.h"
#include "base/error.h"

static const struct {
    int resource;
    rlim_t soft, hard;
} limits[] = {
    { RLIMIT_CORE, 1,
      1 }, /* 0 forbids files only; 1 also keeps a core_pattern pipe from starting a helper on the host */
    { RLIMIT_NOFILE, 256, 256 },
    { RLIMIT_STACK, 8 << 20, 64 << 20 }, /* compilers raise their own */
    { RLIMIT_MEMLOCK, 64 << 10, 64 << 10 },
    { RLIMIT_MSGQUEUE, 0, 0 },
    { RLIMIT_RTPRIO, 0, 0 },
    { RLIMIT_NICE, 0, 0 },
    { RLIMIT_SIGPENDING, 1024, 1024 },
};

/* Raising a hard limit needs a capability of the host that not every host grants; lowering needs none. */
static int set(int resource, rlim_t soft, rlim_t hard)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)resource, &now) < 0)
        return error_from_errno();
    if (now.rlim_max < hard)
        hard = now.rlim_max;
    if (hard < soft)
        soft = hard;
    if (setrlimit((__rlimit_resource_t)resource, &(struct rlimit){ .rlim_cur = soft, .rlim_max = hard }) < 0)
        return error_from_errno();
    return 0;
}

int rlimits_apply(void)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(limits) && r == 0; i++)
        r = set(limits[i].resource, limits[i].soft, limits[i].hard);
    return r;
}

int rlimits_file_size(uint64_t bytes_max)
{
    return set(RLIMIT_FSIZE, bytes_max, bytes_max);
}

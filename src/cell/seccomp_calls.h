/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp_calls.h -- system calls that are decided by their names alone. What depends on arguments is in seccomp.c.
 *
 * A call is in one of these lists at most, but for those of zygotes. One that is in none gets ENOSYS. */
#pragma once

#include <stddef.h>

struct seccomp_calls {
    const char *const *names;
    size_t n;
};

extern const struct seccomp_calls seccomp_allowed;
extern const struct seccomp_calls seccomp_refused;     /* EPERM */
extern const struct seccomp_calls seccomp_granted;     /* to zygotes, whatever the others say; not to their copies */
extern const struct seccomp_calls seccomp_unsupported; /* EOPNOTSUPP */
extern const struct seccomp_calls seccomp_ignored;     /* succeed, and do nothing */

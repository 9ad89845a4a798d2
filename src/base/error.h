/* SPDX-License-Identifier: Apache-2.0 */
/* error.h -- the one error scheme of the program.
 *
 * A function that can fail returns int:
 *   0            success;
 *   negative     an errno value, negated: something unexpected, travels up unchanged until the top of a request or
 *                of a loop logs it once and answers 500;
 *   positive     an outcome the caller must handle, from a small enum in that module's header (FILE_E_NOT_FOUND ...).
 *                It must not be passed on: it means something else one level up.
 *
 * Results are written through ret_ parameters and only on success. A function either logs or returns, never both. */
#pragma once

#include <errno.h>
#include <stdbool.h>

/* Negated errno that is never 0, for the failure path of a call that should have set errno. */
static inline int error_from_errno(void)
{
    return errno > 0 ? -errno : -EIO;
}

/* Whether waiting may mend a fault (a negated errno): room, memory, a port, a lock that others have for now. What is
 * not listed a person has to mend. */
static inline bool error_may_pass(int error)
{
    switch (-error) {
    case EADDRINUSE:
    case EADDRNOTAVAIL:
    case EAGAIN:
    case EBUSY:
    case EDQUOT:
    case EINTR:
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case ETIMEDOUT:
        return true;
    default:
        return false;
    }
}

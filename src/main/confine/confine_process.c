/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "main/confine/confine.h"

int confine_check_unprivileged(void)
{
    char status[8192];
    ssize_t n = fd_read_at(AT_FDCWD, "/proc/self/status", status, sizeof(status));
    static const char *const sets[] = { "CapInh:", "CapPrm:", "CapEff:", "CapBnd:", "CapAmb:" };

    if (n < 0)
        return (int)n;
    if (getuid() == 0 || geteuid() == 0 || getgid() == 0 || getegid() == 0)
        return -EPERM;
    for (size_t i = 0; i < ARRAY_SIZE(sets); i++) {
        const char *line = strstr(status, sets[i]);

        if (!line || strtoull(line + strlen(sets[i]), NULL, 16) != 0)
            return -EPERM;
    }
    return 0;
}

int confine_memory(void)
{
    const struct rlimit none = { 0, 0 };

    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        return error_from_errno();
#ifndef __SANITIZE_ADDRESS__ /* the leak checker traces its own process */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return error_from_errno();
#endif
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/unprivileged.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cell/credentials.h"

#define FIRST_FD 3
#define FDS_MAX  4
#define HIGH_FD  16

static int drop_privileges(uid_t uid)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

    if (credentials_drop_bounding(0) < 0)
        return -1;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return -1;
    if (syscall(SYS_capset, &header, none) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* First all out of the way, then each to its place. */
static int place_descriptors(const int *fds, size_t n, int program_fd)
{
    int high[FDS_MAX], program = fcntl(program_fd, F_DUPFD_CLOEXEC, HIGH_FD);

    for (size_t i = 0; i < n; i++)
        if ((high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, HIGH_FD)) < 0)
            return -1;
    for (size_t i = 0; i < n; i++)
        if (dup2(high[i], FIRST_FD + (int)i) < 0)
            return -1;
    if (program < 0 || dup3(program, FIRST_FD + (int)n, O_CLOEXEC) < 0)
        return -1;
    return close_range(FIRST_FD + (unsigned)n + 1, ~0U, 0);
}

_Noreturn void unprivileged_become(int program_fd, uid_t uid, char *const argv[], const int *fds, size_t n)
{
    /* The C library would keep up to 240 KiB of freed pieces for each of some twenty threads. */
    char *const envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8",
                           "GLIBC_TUNABLES=glibc.malloc.tcache_count=0", NULL };
    sigset_t told;

    /* What the warden passes on waits until it is read. */
    sigemptyset(&told);
    sigaddset(&told, SIGHUP);
    sigaddset(&told, SIGTERM);
    sigaddset(&told, SIGINT);
    sigprocmask(SIG_SETMASK, &told, NULL);
    /* The death signal is set after the change of user, which clears it. */
    if (n > FDS_MAX || place_descriptors(fds, n, program_fd) < 0 || drop_privileges(uid) < 0 ||
        prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        _exit(126);
    syscall(SYS_execveat, FIRST_FD + (int)n, "", argv, envp, AT_EMPTY_PATH);
    _exit(127);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/credentials.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <sched.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fd.h"

static int set_ids(uid_t uid)
{
    if (setgroups(0, NULL) < 0)
        return error_from_errno();
    /* Capabilities survive the change of user, so that the user namespace can be made where unprivileged users may not.
     */
    if (prctl(PR_SET_KEEPCAPS, 1) < 0)
        return error_from_errno();
    if (syscall(SYS_setresgid, uid, uid, uid) < 0 || syscall(SYS_setresuid, uid, uid, uid) < 0)
        return error_from_errno();
    return 0;
}

/* The effective set is cleared by the change of user; the permitted one is still there. */
static int raise_permitted(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        return error_from_errno();
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted;
    return syscall(SYS_capset, &header, data) < 0 ? error_from_errno() : 0;
}

int credentials_become(int proc_fd, uid_t host_uid, uid_t inside_uid)
{
    char map[64];
    int r = set_ids(host_uid);

    if (r == 0)
        r = raise_permitted();
    if (r < 0)
        return r;
    /* The files of /proc/self belong to root while a process is undumpable, which a change of user makes it. */
    if (prctl(PR_SET_DUMPABLE, 1) < 0 || unshare(CLONE_NEWUSER) < 0)
        return error_from_errno();
    snprintf(map, sizeof(map), "%u %u 1\n", inside_uid, host_uid);
    /* PID 1 by number: the last component of a path may not be followed, and "self" is a link. */
    r = fd_write_at(proc_fd, "1/setgroups", "deny");
    if (r == 0)
        r = fd_write_at(proc_fd, "1/uid_map", map);
    if (r == 0)
        r = fd_write_at(proc_fd, "1/gid_map", map);
    return r;
}

int credentials_drop_bounding(uint64_t kept)
{
    for (int cap = 0; cap <= 63; cap++)
        if (!(kept & UINT64_C(1) << cap) && prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap) < 0)
            return error_from_errno();
    return 0;
}

static int verify(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct data[2];

    if (syscall(SYS_capget, &header, data) < 0)
        return error_from_errno();
    for (int i = 0; i < 2; i++)
        if (data[i].effective || data[i].permitted || data[i].inheritable)
            return -EPERM;
    if (prctl(PR_CAPBSET_READ, CAP_SYS_ADMIN) != 0 || prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1 ||
        prctl(PR_GET_DUMPABLE) != 0)
        return -EPERM;
    return 0;
}

int credentials_drop(void)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };
    int r = credentials_drop_bounding(0);

    if (r < 0)
        return r;
    if (prctl(PR_SET_SECUREBITS, SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |
                                     SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED |
                                     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED) < 0)
        return error_from_errno();
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return error_from_errno();
    if (syscall(SYS_capset, &header, none) < 0)
        return error_from_errno();
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return error_from_errno();
    return verify();
}

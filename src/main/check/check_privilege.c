/* SPDX-License-Identifier: Apache-2.0 */
/* check_privilege.c -- who the server is, and which walls it may build. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "main/check/check.h"

void check_root(const struct check_context *context, struct check_report *report)
{
    if (geteuid() == 0)
        check_ok(report, "runs as root");
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_ROOT), "runs as user %u, not as root",
                  geteuid());
}

static const struct {
    unsigned number;
    const char *name;
} needed[] = {
    { CAP_SYS_ADMIN, "SYS_ADMIN" },   { CAP_SETUID, "SETUID" },       { CAP_SETGID, "SETGID" },
    { CAP_SETPCAP, "SETPCAP" },       { CAP_CHOWN, "CHOWN" },         { CAP_DAC_OVERRIDE, "DAC_OVERRIDE" },
    { CAP_FOWNER, "FOWNER" },         { CAP_KILL, "KILL" },           { CAP_MKNOD, "MKNOD" },
    { CAP_SYS_CHROOT, "SYS_CHROOT" }, { CAP_NET_ADMIN, "NET_ADMIN" },
};

static int read_effective(uint64_t *ret_set)
{
    char text[8192];
    ssize_t n = fd_read_at(AT_FDCWD, "/proc/self/status", text, sizeof(text));
    const char *line = n > 0 ? strstr(text, "CapEff:") : NULL;

    if (!line)
        return n < 0 ? (int)n : -EIO;
    *ret_set = strtoull(line + 7, NULL, 16);
    return 0;
}

void check_capabilities(const struct check_context *context, struct check_report *report)
{
    char missing[256] = "";
    size_t used = 0;
    uint64_t set = 0;

    read_effective(&set);
    for (size_t i = 0; i < ARRAY_SIZE(needed); i++)
        if (!(set & (1ULL << needed[i].number)))
            used += (size_t)snprintf(missing + used, sizeof(missing) - used, " %s", needed[i].name);
    if (used == 0)
        check_ok(report, "has the %zu capabilities it needs", ARRAY_SIZE(needed));
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_CAPABILITIES), "lacks the capabilities%s",
                  missing);
}

void check_user_ids(const struct check_context *context, struct check_report *report)
{
    const struct identity *identity = &context->identity;

    if (context->identity_result == 0)
        check_ok(report, "api runs as %u, cells as %u and up", identity->api_uid, identity->cell_base);
    else if (context->identity_result == IDENTITY_E_ROOT)
        check_say(report, CHECK_FAIL,
                  "userdel codecell && useradd --system --no-create-home --shell /usr/sbin/nologin codecell",
                  "the user codecell is root");
    else
        check_say(report, CHECK_FAIL,
                  "give the container a map of at least 65536 ids (/etc/subuid and /etc/subgid: codecell:100000:65536)",
                  "this user namespace maps too few user ids: %d are needed for the cells", IDENTITY_CELL_IDS);
}

static const struct {
    int flag;
    const char *name;
} kinds[] = {
    { CLONE_NEWUSER, "user" }, { CLONE_NEWNS, "mount" }, { CLONE_NEWPID, "pid" },       { CLONE_NEWNET, "net" },
    { CLONE_NEWIPC, "ipc" },   { CLONE_NEWUTS, "uts" },  { CLONE_NEWCGROUP, "cgroup" },
};

static int try_unshare(const void *argument)
{
    return unshare(*(const int *)argument) < 0 ? error_from_errno() : 0;
}

void check_namespaces(const struct check_context *context, struct check_report *report)
{
    char refused[256] = "";
    size_t used = 0;

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        int r = check_in_child(try_unshare, &kinds[i].flag);

        if (r < 0)
            used += (size_t)snprintf(refused + used, sizeof(refused) - used, "%s %s (%s)", used ? "," : "",
                                     kinds[i].name, strerrorname_np(-r));
    }
    if (used == 0)
        check_ok(report, "user, mount, pid, net, ipc, uts and cgroup namespaces can be made");
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_NAMESPACES), "namespaces are refused:%s",
                  refused);
}

/* A cell makes its user namespace after it has become its slot's user, so it needs what any user may do. */
static int try_as_cell(const void *argument)
{
    uid_t uid = ((const struct identity *)argument)->cell_base;

    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return error_from_errno();
    if (unshare(CLONE_NEWUSER) < 0)
        return error_from_errno();
    /* AppArmor lets the namespace be made and then refuses its capabilities. */
    return prctl(PR_CAPBSET_DROP, CAP_SYS_BOOT, 0, 0, 0) < 0 ? error_from_errno() : 0;
}

/* Switches of distributions that forbid it, the likely one first. */
static const struct {
    const char *file;
    char forbids;
    const char *mend;
} switches[] = {
    { "/proc/sys/kernel/apparmor_restrict_unprivileged_userns", '1',
      "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0" },
    { "/proc/sys/kernel/unprivileged_userns_clone", '0', "sysctl -w kernel.unprivileged_userns_clone=1" },
    { "/proc/sys/user/max_user_namespaces", '0', "sysctl -w user.max_user_namespaces=15000" },
};

void check_user_namespace(const struct check_context *context, struct check_report *report)
{
    const char *mend = host_mend(&context->host, HOST_NEEDS_NAMESPACES);
    char text[32];
    int r;

    if (context->identity_result != 0) {
        check_say(report, CHECK_WARN, "mend user-ids first", "user namespaces of cells cannot be tried yet");
        return;
    }
    r = check_in_child(try_as_cell, &context->identity);
    if (r == 0) {
        check_ok(report, "an unprivileged user can make a user namespace");
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(switches); i++)
        if (fd_read_at(AT_FDCWD, switches[i].file, text, sizeof(text)) > 0 && text[0] == switches[i].forbids) {
            mend = switches[i].mend;
            break;
        }
    check_say(report, CHECK_FAIL, mend, "unprivileged users cannot make user namespaces: %s", strerror(-r));
}

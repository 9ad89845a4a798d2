/* SPDX-License-Identifier: Apache-2.0 */
/* check_kernel.c -- the kernel itself: version, seccomp, settings that a shared machine should have. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/number.h"
#include "main/check/check.h"
#include "main/confine/confine.h"

/* Linux 5.19 can stack an overlay on an idmapped layer, which the workspace of a cell is. */
#define KERNEL_MAJOR 5
#define KERNEL_MINOR 19

#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"

#define YEAR_OF_THIS_PROGRAM 2024

void check_kernel_version(const struct check_context *context, struct check_report *report)
{
    struct utsname name;
    const char *at = name.release;
    uint64_t major = 0, minor = 0;

    uname(&name);
    if (number_take(&at, &major) && *at++ == '.' && number_take(&at, &minor) &&
        (major > KERNEL_MAJOR || (major == KERNEL_MAJOR && minor >= KERNEL_MINOR)))
        check_ok(report, "Linux %s on %s", name.release, name.machine);
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_KERNEL), "Linux %s is older than %d.%d",
                  name.release, KERNEL_MAJOR, KERNEL_MINOR);
}

static int try_seccomp(const void *argument)
{
    struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    struct sock_fprog program = { .len = 1, .filter = &allow };

    (void)argument;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) < 0)
        return error_from_errno();
    return 0;
}

void check_seccomp(const struct check_context *context, struct check_report *report)
{
    int r = check_in_child(try_seccomp, NULL);

    if (r == 0)
        check_ok(report, "system call filters can be loaded");
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_SECCOMP),
                  "system call filters are refused: %s", strerror(-r));
}

/* Both walls of the api around itself, for a directory that is always there. */
static int try_confinement(const void *argument)
{
    const struct confine_options options = { .data_dir = "/", .port = 1 };
    int r;

    (void)argument;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return error_from_errno();
    r = confine_files(&options);
    return r == 0 ? confine_calls() : r;
}

void check_landlock(const struct check_context *context, struct check_report *report)
{
    int abi = confine_landlock_abi(), r = 0;

    (void)context;
    if (abi >= CONFINE_LANDLOCK_ABI_MIN)
        r = check_in_child(try_confinement, NULL);
    if (abi < CONFINE_LANDLOCK_ABI_MIN)
        check_say(report, CHECK_WARN,
                  "boot with lsm=landlock in front of the list of security modules (cat "
                  "/sys/kernel/security/lsm), on Linux 5.19 or newer built with CONFIG_SECURITY_LANDLOCK",
                  "the api process cannot be confined to its own files (no Landlock); its user and its system call "
                  "filter still hold it");
    else if (r < 0)
        check_say(report, CHECK_FAIL,
                  "look for a security module or container profile that refuses landlock and seccomp",
                  "the api process cannot confine itself: %s", strerror(-r));
    else
        check_ok(report, "the api process can be confined to its own files (Landlock %d)", abi);
}

/* Settings that keep users of one machine apart. They harden, the server works without. */
static const struct {
    const char *file;
    const char *setting;
    long least;
} sysctls[] = {
    { "/proc/sys/fs/protected_hardlinks", "fs.protected_hardlinks", 1 },
    { "/proc/sys/fs/protected_symlinks", "fs.protected_symlinks", 1 },
    { "/proc/sys/kernel/perf_event_paranoid", "kernel.perf_event_paranoid", 2 },
    { "/proc/sys/kernel/unprivileged_bpf_disabled", "kernel.unprivileged_bpf_disabled", 1 },
    { "/proc/sys/kernel/dmesg_restrict", "kernel.dmesg_restrict", 1 },
    { "/proc/sys/kernel/kptr_restrict", "kernel.kptr_restrict", 1 },
};

void check_sysctls(const struct check_context *context, struct check_report *report)
{
    char mend[512] = "sysctl -w", text[32];
    size_t used = strlen(mend), n = 0;

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(sysctls); i++) {
        if (fd_read_at(AT_FDCWD, sysctls[i].file, text, sizeof(text)) <= 0 ||
            strtol(text, NULL, 10) >= sysctls[i].least)
            continue;
        used += (size_t)snprintf(mend + used, sizeof(mend) - used, " %s=%ld", sysctls[i].setting, sysctls[i].least);
        n++;
    }
    if (n == 0)
        check_ok(report, "hardening settings of the kernel are on");
    else
        check_say(report, CHECK_WARN, mend, "%zu hardening setting%s of the kernel %s off", n, n == 1 ? "" : "s",
                  n == 1 ? "is" : "are");
}

/* Merged pages let one cell measure what is in the memory of another. */
void check_ksm(const struct check_context *context, struct check_report *report)
{
    char text[32];

    (void)context;
    if (fd_read_at(AT_FDCWD, "/sys/kernel/mm/ksm/run", text, sizeof(text)) > 0 && text[0] == '1')
        check_say(report, CHECK_WARN, "echo 2 > /sys/kernel/mm/ksm/run",
                  "equal memory pages of different cells are merged (KSM)");
    else
        check_ok(report, "memory pages are not merged (KSM is off)");
}

/* Names, with a space in front of each, of the processor's known faults (Spectre, MDS ...) that nothing mitigates.
 * Returns how many faults the kernel knows of. */
static size_t list_vulnerable(char *ret_names, size_t size)
{
    DIR *dir = opendir(VULNERABILITIES);
    struct dirent *entry;
    char text[256];
    size_t used = 0, known = 0;

    ret_names[0] = '\0';
    while (dir && (entry = readdir(dir))) {
        if (entry->d_name[0] == '.' || fd_read_at(dirfd(dir), entry->d_name, text, sizeof(text)) <= 0)
            continue;
        known++;
        if (strncmp(text, "Vulnerable", 10) == 0 && used < size)
            used += (size_t)snprintf(ret_names + used, size - used, " %s", entry->d_name);
    }
    if (dir)
        closedir(dir);
    return known;
}

void check_processor(const struct check_context *context, struct check_report *report)
{
    char names[256];
    size_t known = list_vulnerable(names, sizeof(names));

    (void)context;
    if (known == 0)
        check_ok(report, "the kernel reports no vulnerabilities of the processor");
    else if (*names)
        check_say(report, CHECK_WARN,
                  "boot without mitigations=off and with current microcode (apt-get install intel-microcode "
                  "amd64-microcode); "
                  "inside a virtual machine: on its host",
                  "the processor's vulnerabilities have no mitigation:%s", names);
    else
        check_ok(report, "all %zu known vulnerabilities of the processor (Spectre, MDS ...) have a mitigation", known);
}

/* A handler behind a pipe runs as root on the host for each crash inside a cell; RLIMIT_CORE 0 does not stop it. */
void check_core_pattern(const struct check_context *context, struct check_report *report)
{
    char text[256];

    (void)context;
    if (fd_read_at(AT_FDCWD, "/proc/sys/kernel/core_pattern", text, sizeof(text)) > 0 && text[0] == '|')
        check_say(report, CHECK_WARN, "sysctl -w kernel.core_pattern=core",
                  "crashing programs start %.*s as root on this host", (int)strcspn(text + 1, " \n"), text + 1);
    else
        check_ok(report, "crashing programs start nothing");
}

void check_clock(const struct check_context *context, struct check_report *report)
{
    struct timex state = { 0 };
    time_t now = time(NULL);
    struct tm utc;

    (void)context;
    gmtime_r(&now, &utc);
    if (utc.tm_year + 1900 < YEAR_OF_THIS_PROGRAM)
        check_say(report, CHECK_WARN, "timedatectl set-ntp true", "the clock says %d: sessions would expire wrongly",
                  utc.tm_year + 1900);
    else if (adjtimex(&state) == TIME_ERROR)
        check_say(report, CHECK_WARN, "timedatectl set-ntp true", "the clock is not synchronised");
    else
        check_ok(report, "the clock is synchronised");
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/check/check.h"

#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

const struct check checks[] = {
    { "kernel", check_kernel_version, CHECK_AT_START },
    { "root", check_root, CHECK_AT_START },
    { "capabilities", check_capabilities, CHECK_AT_START | CHECK_AS_ROOT },
    { "user-ids", check_user_ids, CHECK_AT_START },
    { "namespaces", check_namespaces, CHECK_AT_START | CHECK_AS_ROOT },
    { "user-ns", check_user_namespace, CHECK_AT_START | CHECK_AS_ROOT },
    { "mounts", check_mount_api, CHECK_AT_START | CHECK_AS_ROOT },
    { "overlay", check_overlay, CHECK_AT_START | CHECK_AS_ROOT },
    { "idmap", check_idmapped, CHECK_AT_START | CHECK_AS_ROOT },
    { "proc", check_proc, CHECK_AT_START | CHECK_AS_ROOT },
    { "seccomp", check_seccomp, CHECK_AT_START },
    { "landlock", check_landlock, CHECK_AT_START },
    { "cgroups", check_controllers, CHECK_AT_START },
    { "cgroup-write", check_cgroup_write, CHECK_AT_START | CHECK_AS_ROOT },
    { "swap", check_swap, 0 },
    { "program", check_program, CHECK_AT_START | CHECK_AS_ROOT },
    { "rootfs", check_rootfs, CHECK_AT_START },
    { "runtimes", check_runtimes, CHECK_AT_START },
    { "skill-deps", check_skill_deps, CHECK_AT_START },
    { "data-dir", check_data_dir, CHECK_AT_START | CHECK_AS_ROOT },
    { "log-file", check_log_file, CHECK_AT_START | CHECK_AS_ROOT },
    { "space", check_space, CHECK_AT_START },
    { "port", check_port, CHECK_AT_START },
    { "wan", check_wan, CHECK_AT_START | CHECK_AS_ROOT },
    { "tls", check_tls, CHECK_AT_START | CHECK_AS_ROOT },
    { "descriptors", check_descriptors, 0 },
    { "limits", check_limits, CHECK_AT_START },
    { "dotenv", check_dotenv, 0 },
    { "sysctls", check_sysctls, 0 },
    { "ksm", check_ksm, 0 },
    { "processor", check_processor, 0 },
    { "core-dumps", check_core_pattern, 0 },
    { "clock", check_clock, 0 },
    { 0 },
};

void check_context_init(struct check_context *context, const struct config *config, const struct location *location)
{
    *context = (struct check_context){ .config = config, .location = location };
    host_detect(&context->host);
    context->identity_result = identity_find(&context->identity);
}

void check_ok(struct check_report *report, const char *format, ...)
{
    va_list args;

    report->status = CHECK_OK;
    report->mend[0] = '\0';
    va_start(args, format);
    vsnprintf(report->what, sizeof(report->what), format, args);
    va_end(args);
}

void check_say(struct check_report *report, enum check_status status, const char *mend, const char *format, ...)
{
    va_list args;

    report->status = status;
    snprintf(report->mend, sizeof(report->mend), "%s", mend);
    va_start(args, format);
    vsnprintf(report->what, sizeof(report->what), format, args);
    va_end(args);
}

int check_in_child(int (*try)(const void *argument), const void *argument)
{
    pid_t pid;
    int status;

    fflush(NULL);
    pid = fork();
    if (pid < 0)
        return error_from_errno();
    if (pid == 0) {
        int r = try(argument);

        _exit(r <= -256 || r > 0 ? EIO : -r);
    }
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_from_errno();
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

void check_existing(const char *path, char ret_path[static PATH_MAX])
{
    char parent[PATH_MAX];

    snprintf(ret_path, PATH_MAX, "%s", path);
    while (access(ret_path, F_OK) < 0 && strcmp(ret_path, "/") != 0) {
        snprintf(parent, sizeof(parent), "%s", ret_path);
        snprintf(ret_path, PATH_MAX, "%s", dirname(parent));
    }
}

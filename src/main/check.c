/* SPDX-License-Identifier: Apache-2.0 */
#include "main/check.h"

#include <libgen.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

const struct check checks[] = {
    { "kernel", check_kernel_version, true },
    { "root", check_root, true },
    { "capabilities", check_capabilities, true },
    { "user-ids", check_user_ids, true },
    { "namespaces", check_namespaces, true },
    { "user-ns", check_user_namespace, true },
    { "mounts", check_mount_api, true },
    { "overlay", check_overlay, true },
    { "idmap", check_idmapped, true },
    { "proc", check_proc, true },
    { "seccomp", check_seccomp, true },
    { "cgroups", check_controllers, true },
    { "cgroup-write", check_cgroup_write, true },
    { "swap", check_swap, false },
    { "program", check_program, true },
    { "rootfs", check_rootfs, true },
    { "runtimes", check_runtimes, true },
    { "data-dir", check_data_dir, true },
    { "space", check_space, true },
    { "port", check_port, true },
    { "descriptors", check_descriptors, false },
    { "dotenv", check_dotenv, false },
    { "sysctls", check_sysctls, false },
    { "ksm", check_ksm, false },
    { "core-dumps", check_core_pattern, false },
    { "clock", check_clock, false },
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

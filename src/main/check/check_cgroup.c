/* SPDX-License-Identifier: Apache-2.0 */
/* check_cgroup.c -- the controllers that limit cells, wherever this host has them. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/cgroup_server.h"
#include "main/check/check.h"

static const char *const names[CGROUP_CONTROLLERS] = {
    [CGROUP_MEMORY] = "memory",
    [CGROUP_CPU] = "cpu",
    [CGROUP_PIDS] = "pids",
    [CGROUP_ACCOUNTING] = "accounting",
};

void check_controllers(const struct check_context *context, struct check_report *report)
{
    struct cgroup_layout layout;
    char missing[128] = "", where[128];
    size_t used = 0;
    int r = cgroup_detect("/proc", &layout, missing, sizeof(missing));

    if (r < 0) {
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_CGROUPS), "no cgroup controller %s: %s",
                  *missing ? missing : "can be found", strerror(-r));
        return;
    }
    for (int i = 0; i < CGROUP_CONTROLLERS; i++)
        if (layout.controllers[i].found && used < sizeof(where))
            used += (size_t)snprintf(where + used, sizeof(where) - used, "%s%s on %s", used ? ", " : "", names[i],
                                     layout.controllers[i].unified ? "v2" : "v1");
    check_ok(report, "%s", where);
}

/* Makes a group and removes it again. */
static int try_group(const char *directory)
{
    char path[CGROUP_PATH_SIZE + 64];

    snprintf(path, sizeof(path), "%s/codecell-doctor-%d", directory, getpid());
    if (mkdir(path, 0755) < 0)
        return error_from_errno();
    return rmdir(path) < 0 ? error_from_errno() : 0;
}

void check_cgroup_write(const struct check_context *context, struct check_report *report)
{
    struct cgroup_layout layout;
    char missing[128];

    if (cgroup_detect("/proc", &layout, missing, sizeof(missing)) < 0) {
        check_say(report, CHECK_FAIL, "mend the line above first", "groups for cells cannot be made");
        return;
    }
    if (!cgroup_offers_limits(&layout)) {
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_CGROUPS),
                  "%.200s is not given the memory, pids and cpu controllers (cgroup.controllers)",
                  layout.controllers[CGROUP_MEMORY].directory);
        return;
    }
    for (int i = 0; i < CGROUP_CONTROLLERS; i++) {
        int r = layout.controllers[i].found ? try_group(layout.controllers[i].directory) : 0;

        if (r < 0) {
            check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_CGROUPS),
                      "no group can be made in %.200s: %s", layout.controllers[i].directory, strerror(-r));
            return;
        }
    }
    check_ok(report, "groups for cells can be made");
}

/* Version 1 counts swap only if the kernel was told to; the limit would leave it open. */
void check_swap(const struct check_context *context, struct check_report *report)
{
    struct cgroup_layout layout;
    char missing[128], swaps[4096], path[CGROUP_PATH_SIZE + 64];
    bool has_swap = fd_read_at(AT_FDCWD, "/proc/swaps", swaps, sizeof(swaps)) > 0 && strchr(swaps, '/');

    (void)context;
    if (!has_swap || cgroup_detect("/proc", &layout, missing, sizeof(missing)) < 0 ||
        layout.controllers[CGROUP_MEMORY].unified) {
        check_ok(report, has_swap ? "swap is part of the memory limit" : "the machine has no swap");
        return;
    }
    snprintf(path, sizeof(path), "%s/memory.memsw.limit_in_bytes", layout.controllers[CGROUP_MEMORY].mount);
    if (access(path, F_OK) == 0)
        check_ok(report, "swap is part of the memory limit");
    else
        check_say(report, CHECK_WARN,
                  "boot with swapaccount=1 (GRUB_CMDLINE_LINUX in /etc/default/grub, update-grub), or swapoff -a",
                  "swap is not part of the memory limit of cells");
}

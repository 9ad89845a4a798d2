/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cell/mount_api.h"

/* Files of /proc that tell of the host or act on it. Those that only root may open are refused by ownership already;
 * they are masked all the same, because one wall is not enough. */
static const char *const masked_files[] = {
    "/proc/bootconfig",
    "/proc/buddyinfo",
    "/proc/cgroups",
    "/proc/cmdline",
    "/proc/config.gz",
    "/proc/consoles",
    "/proc/diskstats",
    "/proc/interrupts",
    "/proc/iomem",
    "/proc/ioports",
    "/proc/kallsyms",
    "/proc/kcore",
    "/proc/key-users",
    "/proc/keys",
    "/proc/kmsg",
    "/proc/kpagecgroup",
    "/proc/kpagecount",
    "/proc/kpageflags",
    "/proc/latency_stats",
    "/proc/locks",
    "/proc/mdstat",
    "/proc/modules",
    "/proc/mtrr",
    "/proc/pagetypeinfo",
    "/proc/partitions",
    "/proc/sched_debug",
    "/proc/schedstat",
    "/proc/slabinfo",
    "/proc/softirqs",
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/pty/nr",
    "/proc/sys/kernel/random/boot_id",
    "/proc/sysrq-trigger",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/vmallocinfo",
    "/proc/vmstat",
    "/proc/zoneinfo",
};

/* In the last the kernel counts all open files, inodes and names; it finds more to count there with the years. */
static const char *const masked_dirs[] = { "/proc/acpi", "/proc/asound",   "/proc/bus",  "/proc/driver", "/proc/fs",
                                           "/proc/irq",  "/proc/pressure", "/proc/scsi", "/proc/sys/fs" };

int proc_mount(int *ret_writable_fd)
{
    CLEANUP_CLOSE int read_only = -1;
    unsigned flags = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    int r = mount_new("proc", NULL, 0, flags | MOUNT_ATTR_RDONLY, &read_only);

    if (r == 0)
        r = mount_new("proc", NULL, 0, flags, ret_writable_fd);
    return r ? r : mount_attach(read_only, AT_FDCWD, "/proc");
}

int proc_mask(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(masked_files); i++)
        if (mount("/dev/null", masked_files[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return error_from_errno();
    for (size_t i = 0; i < ARRAY_SIZE(masked_dirs); i++)
        if (mount("/run/empty", masked_dirs[i], NULL, MS_BIND, NULL) < 0 && errno != ENOENT)
            return error_from_errno();
    return 0;
}

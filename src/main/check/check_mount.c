/* SPDX-License-Identifier: Apache-2.0 */
/* check_mount.c -- what a cell's file system is made of, tried once each in a mount namespace that dies with the try.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/mount.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cell/mount_api.h"
#include "cell/namespaces.h"
#include "main/check/check.h"

static int enter_namespace(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_from_errno();
    return 0;
}

/* An empty tmpfs as working directory, in a mount namespace of its own. */
static int make_scratch(void)
{
    if (mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0700,size=1m") < 0 || chdir("/tmp") < 0)
        return error_from_errno();
    return 0;
}

static int enter_scratch(void)
{
    int r = enter_namespace();

    return r < 0 ? r : make_scratch();
}

static int try_mount_api(const void *argument)
{
    CLEANUP_CLOSE int mount_fd = -1, clone_fd = -1;
    const struct mount_option size = { "size", "64k" };
    int r = enter_scratch();

    (void)argument;
    if (r == 0)
        r = mount_new("tmpfs", &size, 1, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &mount_fd);
    if (r == 0 && mkdir("here", 0700) < 0)
        r = error_from_errno();
    if (r == 0)
        r = mount_attach(mount_fd, AT_FDCWD, "here");
    if (r < 0)
        return r;
    clone_fd = (int)syscall(SYS_open_tree, AT_FDCWD, "here", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
    return clone_fd < 0 ? error_from_errno() : 0;
}

void check_mount_api(const struct check_context *context, struct check_report *report)
{
    int r = check_in_child(try_mount_api, NULL);

    if (r == 0)
        check_ok(report, "fsopen, fsmount, move_mount and open_tree work");
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, r == -ENOSYS ? HOST_NEEDS_KERNEL : HOST_NEEDS_MOUNTS),
                  "mounts are refused: %s", strerror(-r));
}

static int make_layers(void)
{
    static const char *const names[] = { "lower", "upper", "work", "merged" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (mkdir(names[i], 0755) < 0)
            return error_from_errno();
    return 0;
}

static int try_overlay(const void *argument)
{
    CLEANUP_CLOSE int mount_fd = -1;
    const struct mount_option options[] = { { "lowerdir", "lower" }, { "upperdir", "upper" }, { "workdir", "work" } };
    int r = enter_scratch();

    (void)argument;
    if (r == 0)
        r = make_layers();
    if (r == 0)
        r = mount_new("overlay", options, ARRAY_SIZE(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &mount_fd);
    if (r == 0)
        r = mount_attach(mount_fd, AT_FDCWD, "merged");
    if (r == 0 && mkdir("merged/made", 0700) < 0)
        r = error_from_errno();
    return r;
}

void check_overlay(const struct check_context *context, struct check_report *report)
{
    int r = check_in_child(try_overlay, NULL);

    if (r == 0)
        check_ok(report, "overlayfs works on tmpfs");
    else
        check_say(report, CHECK_FAIL, r == -ENODEV ? "modprobe overlay" : host_mend(&context->host, HOST_NEEDS_MOUNTS),
                  "overlayfs on tmpfs is refused: %s", strerror(-r));
}

static int stack_on_idmapped(int lower_fd)
{
    CLEANUP_CLOSE int mount_fd = -1;
    const struct mount_option options[] = { { "lowerdir", "mapped" }, { "upperdir", "upper" }, { "workdir", "work" } };
    int r;

    if (mkdir("mapped", 0755) < 0)
        return error_from_errno();
    r = mount_attach(lower_fd, AT_FDCWD, "mapped");
    if (r == 0)
        r = mount_new("overlay", options, ARRAY_SIZE(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, &mount_fd);
    return r;
}

struct idmap_try {
    uid_t uid;
    const char *directory; /* on the file system of DATA_DIR */
};

/* The directory is opened inside the namespace, for only its own mounts can be cloned, and before /tmp is covered. */
static int try_idmapped(const void *argument)
{
    const struct idmap_try *try = argument;
    CLEANUP_CLOSE int idmap_fd = -1, lower_fd = -1, dir_fd = -1, proc_fd = -1;
    int r = enter_namespace();

    if (r < 0)
        return r;
    dir_fd = open(try->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 || proc_fd < 0)
        return error_from_errno();
    r = namespaces_idmap(proc_fd, 0, try->uid, &idmap_fd);
    if (r == 0)
        r = mount_clone(dir_fd, &lower_fd);
    if (r == 0)
        r = mount_map_ids(lower_fd, idmap_fd);
    if (r == 0)
        r = make_scratch();
    if (r == 0)
        r = make_layers();
    return r < 0 ? r : stack_on_idmapped(lower_fd);
}

void check_idmapped(const struct check_context *context, struct check_report *report)
{
    char directory[PATH_MAX];
    const struct idmap_try try = { .uid = context->identity.cell_base, .directory = directory };
    int r;

    check_existing(context->config->data_dir, directory);
    r = check_in_child(try_idmapped, &try);
    if (r == 0)
        check_ok(report, "files of DATA_DIR can be shown to each cell as its own (idmapped overlay layer)");
    else if (r == -EINVAL || r == -EOPNOTSUPP || r == -ENOSYS)
        check_say(
            report, CHECK_FAIL,
            "set DATA_DIR to a directory on ext4, xfs or btrfs (in a container: on a volume), not on overlayfs, a "
            "network or FUSE file system, or before Linux 6.3 tmpfs",
            "the file system of %s does not support idmapped mounts", directory);
    else if (r == -ENOTDIR)
        check_say(report, CHECK_FAIL, "set DATA_DIR to a directory on a local disk", "DATA_DIR=%.200s: %s", directory,
                  strerror(-r));
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_MOUNTS), "idmapped mounts are refused: %s",
                  strerror(-r));
}

/* Inside a user namespace the kernel allows a new /proc only if nothing covers parts of the one that is seen. */
static int try_proc(const void *argument)
{
    pid_t pid;
    int status;

    (void)argument;
    if (unshare(CLONE_NEWNS | CLONE_NEWPID) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return error_from_errno();
    pid = fork();
    if (pid < 0)
        return error_from_errno();
    if (pid == 0)
        _exit(mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0 ? errno : 0);
    if (waitpid(pid, &status, 0) < 0)
        return error_from_errno();
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

void check_proc(const struct check_context *context, struct check_report *report)
{
    int r = check_in_child(try_proc, NULL);

    if (r == 0)
        check_ok(report, "a cell can have its own /proc");
    else
        check_say(report, CHECK_FAIL, host_mend(&context->host, HOST_NEEDS_PROC), "a new /proc is refused: %s",
                  strerror(-r));
}

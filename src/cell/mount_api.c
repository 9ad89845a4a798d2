/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/mount_api.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

int mount_new(const char *type, const struct mount_option *options, size_t n_options, unsigned attributes, int *ret_fd)
{
    CLEANUP_CLOSE int context = (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
    int fd;

    if (context < 0)
        return error_from_errno();
    for (size_t i = 0; i < n_options; i++) {
        unsigned command = options[i].value ? FSCONFIG_SET_STRING : FSCONFIG_SET_FLAG;

        if (syscall(SYS_fsconfig, context, command, options[i].name, options[i].value, 0) < 0)
            return error_from_errno();
    }
    if (syscall(SYS_fsconfig, context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_from_errno();
    fd = (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
    if (fd < 0)
        return error_from_errno();
    *ret_fd = fd;
    return 0;
}

int mount_attach(int mount_fd, int dir_fd, const char *path)
{
    if (syscall(SYS_move_mount, mount_fd, "", dir_fd, path, MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return error_from_errno();
    return 0;
}

int mount_replace(int mount_fd, const char *path)
{
    if (umount2(path, MNT_DETACH | UMOUNT_NOFOLLOW) < 0 && errno != EINVAL)
        return error_from_errno();
    return mount_fd < 0 ? 0 : mount_attach(mount_fd, AT_FDCWD, path);
}

int mount_clone(int dir_fd, int *ret_fd)
{
    int fd = (int)syscall(SYS_open_tree, dir_fd, "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH);

    if (fd < 0)
        return error_from_errno();
    *ret_fd = fd;
    return 0;
}

bool mount_is_full(int fd)
{
    struct statvfs st;

    /* A write needs a whole page, so a few may be left when the last write fails. */
    return fstatvfs(fd, &st) == 0 && (st.f_bavail <= 4 || st.f_favail == 0);
}

int mount_map_ids(int mount_fd, int idmap_fd)
{
    struct mount_attr attr = {
        .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV,
        .userns_fd = (unsigned)idmap_fd,
    };

    return syscall(SYS_mount_setattr, mount_fd, "", AT_EMPTY_PATH, &attr, sizeof(attr)) < 0 ? error_from_errno() : 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* mount_api.h -- the kernel's mount calls that work on descriptors, which the C library of older releases does not
 * wrap.
 *
 * A mount is made detached and attached once, by descriptor: no path is ever looked up that somebody else could change.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct mount_option {
    const char *name;
    const char *value; /* NULL = a flag */
};

/* Makes a detached mount of a new file system instance. attributes are MOUNT_ATTR_*. Returns 0 and the mount's
 * descriptor, which the caller owns, or a negative errno. */
int mount_new(const char *type, const struct mount_option *options, size_t n_options, unsigned attributes, int *ret_fd);

/* Attaches a detached mount on path below dir_fd, whose last component is not followed. Returns 0 or a negative errno.
 */
int mount_attach(int mount_fd, int dir_fd, const char *path);

/* The same in the caller's mount namespace, in the place of what is attached at path; processes keep what they have
 * open. mount_fd -1 leaves nothing there. */
int mount_replace(int mount_fd, const char *path);

/* Makes a detached copy of the mount that shows the directory dir_fd, which must be in the caller's mount namespace.
 * Returns 0 and the descriptor, which the caller owns, or a negative errno. */
int mount_clone(int dir_fd, int *ret_fd);

/* True if the file system that fd is of, which is in memory, has no block or no inode left. */
bool mount_is_full(int fd);

/* Makes a detached mount read-only, and its files appear as the mapping of idmap_fd, a descriptor of a user namespace,
 * says. Needs Linux 5.12; as an overlay layer 5.19. Returns 0 or a negative errno. */
int mount_map_ids(int mount_fd, int idmap_fd);

/* SPDX-License-Identifier: Apache-2.0 */
/* rootfs.h -- the root file system that all cells share, read-only.
 *
 * Made once by the warden, in its own mount namespace, on a private tmpfs: read-only binds of the runtime tree and of
 * the operator's packages, copies of the few files of /etc that runtimes read, device nodes, and empty directories
 * where each cell mounts its own.
 * Nothing of the host besides is in it. Slot keepers make it their root; cells inherit it. */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

struct rootfs_options {
    const char *source;         /* tree whose runtimes cells see: "/" or SANDBOX_ROOTFS */
    const char *guest_dir;      /* shown as /opt/codecell/guest */
    const char *zygote_library; /* shown as /opt/codecell/zygote.so; NULL = none */
    const char *packages_dir;   /* shown as /opt/skill-deps; NULL = none */
    int target_fd;              /* of an existing directory, */
    const char *target;         /* whose entry of this name, a directory too, it is built on */
    const char *hostname;       /* for /etc/hostname and /etc/hosts */
    uid_t sandbox_uid;          /* named in /etc/passwd; also the group */
    bool mask_host_info;        /* else the host's machine-id is copied */
    const char *name_servers;   /* comma list of addresses for /etc/resolv.conf; NULL = names are not looked up */
};

/* Builds the tree on options->target in the calling process's mount namespace, which must be private. Returns 0 and a
 * descriptor of the tree, or a negative errno; then step (at least 32 bytes) names what failed.
 *
 * Only root may write to the directory of target_fd: whoever is in another mount namespace, as cells are, can remove
 * what is a mount point here, and the mount is gone with it. By its path nobody may look for it again, since a
 * directory above may be the api's. */
int rootfs_build(const struct rootfs_options *options, char *step, size_t step_size, int *ret_root_fd);

/* Makes the tree, which must be the working directory since before the calling process got a mount namespace of its
 * own, the root of that, and drops everything else from it. (The kernel takes the working directory along into a new
 * namespace, see copy_mnt_ns(); a descriptor it leaves in the old one.) The root and each runtime directory are shown
 * through an overlay that has no writable layer: so each caller, and with it each slot, has inodes of its own, and two
 * cells cannot meet on the locks or watches of a file they both may read. Returns 0 or a negative errno. */
int rootfs_enter(void);

/* SPDX-License-Identifier: Apache-2.0 */
/* workspace.h -- what a cell sees as /mnt/data, and the harvest of what it wrote there.
 *
 * Without inputs it is a size-limited tmpfs. With inputs it is an overlay: the lower layer a directory of the store,
 * shown with the cell's owner by an idmapped mount, the upper layer a size-limited tmpfs. Either way everything a
 * program changed is in one tmpfs, which the keeper holds by descriptor and reads only after the cell is dead. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct workspace {
    int tmpfs_fd; /* the writable layer's file system */
    int upper_fd; /* directory in it that the harvest walks */
    int mount_fd; /* what is attached as /mnt/data */
    bool has_lower;
};

#define WORKSPACE_INIT ((struct workspace){ -1, -1, -1, false })

/* Makes the mounts, detached. lower_fd: a detached mount of the input directory (mount_clone()), used up by this call,
 * or -1; idmap_fd: see namespaces_idmap(). Files belong to uid, the slot's on the host. The layers pass through
 * /run/layers of the caller's mount namespace. Returns 0 or a negative errno. */
int workspace_new(int lower_fd, int idmap_fd, uid_t uid, uint64_t disk_bytes, struct workspace *ret_workspace);
void workspace_deinit(struct workspace *workspace);

/* True if the writable layer has no block or no inode left. */
bool workspace_is_full(const struct workspace *workspace);

enum harvest_kind {
    HARVEST_FILE,
    HARVEST_WHITEOUT, /* this name of the lower layer is gone or hidden */
    HARVEST_OPAQUE,
    HARVEST_UNREACHED, /* this directory holds something too deep, or of too long a path, to be looked at */
};

struct harvest_options {
    unsigned entries_max;    /* entries reported */
    uint64_t file_bytes_max; /* a file of exactly this size has hit its limit */
    /* Called for each entry; path is relative and lasts for the call, as does fd (-1 unless a file). Returns 0 to go
     * on, or a negative errno that ends the harvest. */
    int (*entry)(void *context, enum harvest_kind kind, const char *path, int fd, uint64_t size_bytes);
    void *context;
};

struct harvest_result {
    bool complete;
    unsigned skipped; /* not readable */
    bool file_at_limit;
};

/* Walks the writable layer. Opens only regular files, never follows a symbolic link, never leaves the file
 * system, never blocks; bounded in entries, depth, name length and directory entries looked at. Nobody else may be able
 * to write there any more. Returns 0 or a negative errno. */
int workspace_harvest(const struct workspace *workspace, const struct harvest_options *options,
                      struct harvest_result *ret_result);

/* Name of the file in the build directory in which a program leaves the state for the next one of its session. */
#define HARVEST_STATE_NAME ".state"

enum harvest_state_outcome {
    HARVEST_STATE_E_NONE = 1,      /* no such file, or no regular one with one name */
    HARVEST_STATE_E_TOO_LARGE = 2, /* above the limit; *ret_size_bytes says by how much */
};

/* Opens the state that a dead cell left in its build directory, under the same rules as the harvest. Returns 0 and a
 * descriptor for reading that the caller owns, or an outcome. */
int harvest_state(int build_fd, uint64_t bytes_max, int *ret_fd, uint64_t *ret_size_bytes);

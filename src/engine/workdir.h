/* SPDX-License-Identifier: Apache-2.0 */
/* workdir.h -- an execution's input directory below DATA_DIR/work: hard links of blobs under their mounted names.
 *
 * It becomes the read-only lower layer of /mnt/data. The file system itself decides collisions: what comes first gets
 * the name. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "store/blob.h"

struct workdir {
    int parent_fd; /* DATA_DIR/work, borrowed */
    int fd;        /* -1 = not made yet */
    char name[ID_SIZE];
};

#define WORKDIR_INIT(work_dir_fd) ((struct workdir){ .parent_fd = (work_dir_fd), .fd = -1 })

enum workdir_outcome {
    WORKDIR_E_TAKEN = 1, /* the name, or a directory it needs, is another file's */
    WORKDIR_E_LOST = 2,  /* the blob is not there */
};

/* Links a blob as path (safe and relative), making directories and, at first use, the input directory called name.
 * Returns 0, an outcome or a negative errno. */
int workdir_link(struct workdir *workdir, const char *name, struct blob_store *blobs, const char *blob,
                 const char *path);

/* Makes a relative symbolic link at path to target, both relative to the input directory. Returns 0, WORKDIR_E_TAKEN or
 * a negative errno. */
int workdir_symlink(struct workdir *workdir, const char *path, const char *target);

/* Removes the directory and everything in it. */
void workdir_deinit(struct workdir *workdir);

/* Removes every input directory that an earlier server left. Returns 0 or a negative errno. */
int workdir_clean(int work_dir_fd);

/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h -- what each cell may write besides /mnt/data: file systems in memory, of its own.
 *
 * The keeper makes the mounts, so that it can ask how full they were after the cell is dead; the cell attaches them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum cell_scratch {
    CELL_SCRATCH_TMP,   /* /tmp, and /var/tmp as a link to it */
    CELL_SCRATCH_BUILD, /* /run/build: sources and what compilers make of them */
    CELL_SCRATCH_SHM,   /* /dev/shm */
    CELL_SCRATCHES,
};

/* Makes one, detached and empty, whose files belong to uid, the slot's on the host. That of /tmp has tmp_bytes. Returns
 * 0 and the descriptor, which the caller owns, or a negative errno. */
int scratch_make(enum cell_scratch which, uid_t uid, uint64_t tmp_bytes, int *ret_fd);

/* Attaches it at its place in the caller's mount namespace. Returns 0 or a negative errno. */
int scratch_attach(enum cell_scratch which, int fd);

/* The same in the place of the one that is attached there. */
int scratch_replace(enum cell_scratch which, int fd);

/* True if nothing is in it, was in it, or is held open of it, and its directory has the rights and times of its birth
 * still. */
bool scratch_is_untouched(enum cell_scratch which, int fd);

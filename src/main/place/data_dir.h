/* SPDX-License-Identifier: Apache-2.0 */
/* data_dir.h -- DATA_DIR: the one directory that the server writes to.
 *
 *     codecell.db       records of sessions, files, states and keys
 *     blobs/            contents of files
 *     work/             input directories of running cells
 *     audit/            the audit log (domain/audit_file.h)
 *     builds/           what compilers made, for the next run of the same source
 *     state.key         what binds a Python state to its session
 *     keys.generation   goes up with each change of a managed key (domain/key.h)
 *
 * It and its subdirectories belong to the api's user, mode 0700. */
#pragma once

#include <limits.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define DATA_DIR_BLOBS      "blobs"
#define DATA_DIR_WORK       "work"
#define DATA_DIR_AUDIT      "audit"
#define DATA_DIR_BUILDS     "builds"
#define DATA_DIR_DATABASE   "codecell.db"
#define DATA_DIR_KEY        "state.key"
#define DATA_DIR_GENERATION "keys.generation" /* domain/key.h */

enum data_dir_outcome {
    DATA_DIR_E_REFUSED = 1,
    DATA_DIR_E_BUSY = 2, /* it may be free later */
};

/* Why a directory cannot be the server's, and what makes it so; "" unless it was refused. */
struct data_dir_refusal {
    char what[PATH_MAX + NAME_MAX + 128];
    char mend[PATH_MAX + 64];
};

/* Makes what is missing and gives it to owner. A directory that belongs to somebody else, or that holds foreign files,
 * is refused, not taken over. Returns 0, DATA_DIR_E_REFUSED or a negative errno. */
int data_dir_prepare(const char *path, uid_t owner, struct data_dir_refusal *ret_refusal);

/* Says whether data_dir_prepare() would refuse, and changes nothing; what is missing is no reason. */
int data_dir_check(const char *path, uid_t owner, struct data_dir_refusal *ret_refusal);

/* Opens the directory and locks it against other servers, waiting up to wait_ms for one that is ending. The lock lives
 * as long as *ret_fd, which the caller owns. Returns 0, DATA_DIR_E_BUSY with the reason and what to do, or a negative
 * errno. */
int data_dir_lock(const char *path, int wait_ms, int *ret_fd, char *reason, size_t reason_size);

/* Reads the key that lies in the open directory, of exactly size bytes; makes one if there is none. Returns 0, -EBADMSG
 * for a file of another size, or another negative errno. */
int data_dir_key(int dir_fd, uint8_t *ret_key, size_t size);

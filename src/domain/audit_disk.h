/* SPDX-License-Identifier: Apache-2.0 */
/* audit_disk.h -- an audit log as it lies on the disk: what its files are called, and what their beginnings and ends
 * say. Nothing here writes to a log, holds its lock, or knows what was there before. */
#pragma once

#include <stdint.h>

#include "domain/audit_chain.h"

#define AUDIT_FILE_NAME    "audit.log"
#define AUDIT_HEAD_SUFFIX  ".head" /* behind the log's name */
#define AUDIT_FILE_HEAD    AUDIT_FILE_NAME AUDIT_HEAD_SUFFIX
#define AUDIT_ROTATED_SIZE (sizeof(AUDIT_FILE_NAME) + 21) /* a rotated file's name and its NUL */

enum audit_disk_outcome {
    AUDIT_DISK_E_TORN = AUDIT_CHAIN_E_HASH + 1, /* the end holds no newline, in more bytes than a line may have */
};

/* "audit.log.1" is the newest of the rotated files. */
void audit_disk_rotated_name(uint64_t number, char ret_name[static AUDIT_ROTATED_SIZE]);

/* Number and hash of the last line, as an open head file has them. Returns 0, -ENODATA if there are none, or another
 * negative errno. */
int audit_disk_read_head(int head_fd, struct audit_chain *ret_chain);

/* Returns 0 or a negative errno. */
int audit_disk_write_head(int head_fd, const struct audit_chain *chain);

/* Reads the first line of a log. Returns 0, AUDIT_CHAIN_E_FORM or a negative errno. */
int audit_disk_read_opening(int fd, struct audit_opening *ret_opening);

/* Reads the last whole line of a log of file_bytes, of which ret_torn_bytes lie behind that line's newline: a writer
 * died there. Returns 0, AUDIT_CHAIN_E_FORM (an empty file has no line), AUDIT_DISK_E_TORN (before those bytes nothing
 * was read) or a negative errno. */
int audit_disk_read_end(int fd, int64_t file_bytes, struct audit_chain *ret_last, int64_t *ret_torn_bytes);

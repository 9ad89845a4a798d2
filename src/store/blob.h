/* SPDX-License-Identifier: Apache-2.0 */
/* blob.h -- immutable byte strings under content-derived keys; one adapter a back end (directory.c; s3.c later).
 *
 * Key = hex SHA-256 over (scope, mode, contents). The scope is the storing session: equal files of different sessions
 * never share an inode, so that a link count seen inside a cell tells nothing about others. The mode is part of it
 * because a read-only input and a writable one are hard links of blobs with different permissions.
 *
 * A blob becomes visible complete and durable (temporary name, fsync, rename, fsync of the directory) or not at all. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "store/digest.h"

#define BLOB_DIGEST_SIZE DIGEST_HEX_SIZE
#define BLOB_KEY_SIZE    DIGEST_HEX_SIZE

enum blob_outcome {
    BLOB_E_NOT_FOUND = 1,
    BLOB_E_TOO_LARGE = 2, /* more bytes than the writer's ceiling; nothing is stored */
    BLOB_E_FULL = 3,      /* no space or quota; nothing is stored */
};

struct blob_store;
struct blob_writer;

/* Opens (and makes, mode 0700) the store below directory: objects in objects/ab/<key>, unfinished ones in incoming/,
 * which is emptied. Returns 0 or a negative errno. The caller frees with blob_store_free(). */
int blob_store_open_directory(const char *directory, struct blob_store **ret_store);
struct blob_store *blob_store_free(struct blob_store *store);

/* Starts a blob of at most ceiling_bytes. read_only gives file mode 0444, else 0644. Returns 0, BLOB_E_FULL or a
 * negative errno. */
int blob_writer_new(struct blob_store *store, const char *scope, bool read_only, int64_t ceiling_bytes,
                    struct blob_writer **ret_writer);

/* Adds bytes. Returns 0, BLOB_E_TOO_LARGE, BLOB_E_FULL or a negative errno; after a failure only free is allowed. */
int blob_writer_append(struct blob_writer *writer, const void *data, size_t size);

/* Adds all bytes of an open descriptor from its offset on. Returns as blob_writer_append. */
int blob_writer_append_fd(struct blob_writer *writer, int fd);

/* Makes the blob durable and visible. Returns 0, BLOB_E_FULL or a negative errno. */
int blob_writer_commit(struct blob_writer *writer, char ret_key[static BLOB_KEY_SIZE],
                       char ret_sha256[static BLOB_DIGEST_SIZE], int64_t *ret_size_bytes);

/* Frees a writer; an uncommitted blob leaves nothing. Returns NULL. Accepts NULL. */
struct blob_writer *blob_writer_free(struct blob_writer *writer);

/* Opens a blob for reading. Returns 0 (the caller owns *ret_fd), BLOB_E_NOT_FOUND or a negative errno. */
int blob_open(struct blob_store *store, const char *key, int *ret_fd, int64_t *ret_size_bytes);

/* Makes a hard link of the blob as name below directory dir_fd (same file system). Returns 0, BLOB_E_NOT_FOUND or a
 * negative errno. */
int blob_link(struct blob_store *store, const char *key, int dir_fd, const char *name);

/* Deletes a blob; one that is absent is no error. One whose contents were committed again in the last minutes stays,
 * since a record of it may be on its way; whoever deletes the unreferenced must come again. Returns 0 or a negative
 * errno. */
int blob_delete(struct blob_store *store, const char *key);

/* Calls visit for every blob older than age_ms (by its time stamp). visit returns 0 to go on. Returns 0 or a negative
 * errno. */
int blob_visit_older(struct blob_store *store, int64_t age_ms, int (*visit)(void *context, const char *key),
                     void *context);

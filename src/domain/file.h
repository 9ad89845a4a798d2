/* SPDX-License-Identifier: Apache-2.0 */
/* file.h -- the files of sessions: uploads, outputs and aliases (exec.md 10.6, 10.9; files.md).
 *
 * A record names a blob; several records may name one blob (aliases), which lives as long as one of them. Bytes are in
 * the blob store before a record names them, so that a crash leaves at worst an unreferenced blob, which file_sweep()
 * finds. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/id.h"
#include "domain/session.h"
#include "store/blob.h"
#include "store/kv.h"

#define FILE_NAME_SIZE         1025 /* stored name: path relative to /mnt/data */
#define FILE_CONTENT_TYPE_SIZE 128
#define FILE_RESOURCE_ID_SIZE  256
#define FILE_KIND_SIZE         8 /* "skill", "agent", "user" */

enum file_outcome {
    FILE_E_NOT_FOUND = 1,
};

enum file_origin {
    FILE_UPLOAD,
    FILE_OUTPUT,
    FILE_ALIAS,
};

struct file_record {
    char id[ID_SIZE];
    char session_id[ID_SIZE];
    char name[FILE_NAME_SIZE];          /* stored name (files.md F7.3) */
    char original_name[FILE_NAME_SIZE]; /* as uploaded; for outputs the stored name; never empty */
    char content_type[FILE_CONTENT_TYPE_SIZE];
    int64_t size_bytes;
    char sha256[BLOB_DIGEST_SIZE]; /* hex digest of the contents */
    char blob[BLOB_KEY_SIZE];      /* key in the blob store */
    int64_t created_ms;
    int64_t sequence; /* orders records of one millisecond; increases within a session */
    enum file_origin origin;
    bool read_only;                  /* mounted 0444, shown as read_only */
    bool infrastructure;             /* changes made by programs are dropped (files.md F1) */
    char source_session_id[ID_SIZE]; /* aliases: what they stand for; else "" */
    char source_id[ID_SIZE];
    char edition_of[ID_SIZE]; /* the file that was edited first, or stood for, however often since; "" = itself */
    char resource_id[FILE_RESOURCE_ID_SIZE]; /* "" = unknown */
    char kind[FILE_KIND_SIZE];               /* "" = unknown */
    bool has_version;
    int64_t version;
};

/* The file that a record is an edition of, or stands for, or else itself: two that have the same are one to a client.
 */
const char *file_root(const struct file_record *record);

/* Stores the records of blobs that are already in the store, all or none, in one transaction. Fills id, created_ms and
 * sequence of each record; the caller has filled the rest. The blobs must have been committed within the last hour.
 * Returns 0, -ENOENT if a session is not alive, -EINVAL for a record that could not be read back (an unsafe name, no
 * digest), or another negative errno. */
int file_add(struct kv *kv, struct file_record *records, size_t n_records);

/* Looks a record up for a tenant. Returns 0, FILE_E_NOT_FOUND (also if the session is unknown, expired or another
 * tenant's) or a negative errno. */
int file_get(struct kv *kv, const char *tenant, const char *session_id, const char *file_id,
             struct file_record *ret_record);

/* The records of a living session of this tenant (the newest LIMIT_FILES_LISTED), by created_ms, sequence. An unknown
 * session gives none. *ret_records is the caller's to free(). Returns 0 or a negative errno. */
int file_list(struct kv *kv, const char *tenant, const char *session_id, struct file_record **ret_records,
              size_t *ret_n);

/* Resolves a reference as exec.md 10.6.2: by id, else the newest file of that session with this stored name.
 * Returns 0, FILE_E_NOT_FOUND or a negative errno. */
int file_resolve(struct kv *kv, const char *tenant, const char *session_id, const char *file_id, const char *name,
                 struct file_record *ret_record);

/* Deletes blobs whose records could not be stored, but for those that another record names. What cannot be deleted now
 * the sweep finds. */
void file_take_back(struct kv *kv, struct blob_store *blobs, const struct file_record *records, size_t n_records);

/* Makes sure that session_id holds an alias of source (exec.md 10.6.5); an existing one is kept. A source of session_id
 * itself needs none, and one that was deleted or has expired since it was resolved gets none. Returns 0, -ENOENT if
 * session_id is not alive, or another negative errno. */
int file_alias(struct kv *kv, const char *session_id, const struct file_record *source);

/* Deletes a record, which *ret_record was; its blob goes when no record names it any more. Returns 0, FILE_E_NOT_FOUND
 * or a negative errno. */
int file_delete(struct kv *kv, struct blob_store *blobs, const char *tenant, const char *session_id,
                const char *file_id, struct file_record *ret_record);

/* Deletes up to limit expired sessions with their files, then blobs that no record names and that are older than an
 * hour. *ret_sessions is how many sessions went. Returns 0 or a negative errno. */
int file_sweep(struct kv *kv, struct blob_store *blobs, unsigned limit, unsigned *ret_sessions);

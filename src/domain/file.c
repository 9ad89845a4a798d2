/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/file.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/filename.h"
#include "domain/guard.h"
#include "domain/limits.h"
#include "domain/record.h"
#include "domain/state.h"

#define SCORE_MAX ((double)INT64_MAX)

_Static_assert(FILE_NAME_SIZE == FILENAME_SIZE, "records hold what the rules make");

/* Numbers for n records: microseconds of the wall clock, pushed on where it stands still or goes back. They order the
 * files of a session across restarts, and as scores they are exact (below 2^53). */
static int64_t take_sequence(size_t n)
{
    static _Atomic int64_t next;
    int64_t first, now_us = clock_wall_ms() * 1000, expected = atomic_load(&next);

    do {
        first = expected > now_us ? expected : now_us;
    } while (!atomic_compare_exchange_weak(&next, &expected, first + (int64_t)n));
    return first;
}

static int load(struct kv *kv, const char *session_id, const char *file_id, struct file_record *ret_record)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r;

    if (!id_is_ours(session_id) || !id_is_ours(file_id))
        return FILE_E_NOT_FOUND;
    r = kv_get(kv, record_file(session_id, file_id).text, &json, &length);
    if (r == KV_E_NOT_FOUND)
        return FILE_E_NOT_FOUND;
    if (r == 0)
        r = record_decode_file(json, length, session_id, file_id, ret_record);
    if (r != -EBADMSG)
        return r;
    log_warning("the record of file %s in session %s is damaged and counts as absent", file_id, session_id);
    return FILE_E_NOT_FOUND;
}

/* Adds to batch the record, its place in the session, its claim on the blob and, for an alias, its name by source. */
static int batch_store(struct kv_batch *batch, const struct file_record *record)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = record_encode_file(record, &json, &length);

    if (r < 0)
        return r;
    kv_batch_put(batch, record_file(record->session_id, record->id).text, json, length, 0);
    kv_batch_add(batch, record_set_files(record->session_id).text, record->id, (double)record->sequence);
    if (record->origin == FILE_ALIAS)
        kv_batch_put(batch, record_alias(record->session_id, record->source_session_id, record->source_id).text,
                     record->id, strlen(record->id), 0);
    return kv_batch_add(batch, record_set_blob(record->blob).text,
                        record_reference(record->session_id, record->id).text, (double)record->sequence);
}

/* The reverse of batch_store(). */
static int batch_drop(struct kv_batch *batch, const struct file_record *record)
{
    kv_batch_delete(batch, record_file(record->session_id, record->id).text);
    kv_batch_remove(batch, record_set_files(record->session_id).text, record->id);
    if (record->origin == FILE_ALIAS)
        kv_batch_delete(batch, record_alias(record->session_id, record->source_session_id, record->source_id).text);
    return kv_batch_remove(batch, record_set_blob(record->blob).text,
                           record_reference(record->session_id, record->id).text);
}

static int batch_store_all(struct kv_batch *batch, struct file_record *records, size_t n_records)
{
    int64_t sequence = take_sequence(n_records), created_ms = clock_wall_ms();
    int r = 0;

    for (size_t i = 0; i < n_records && r == 0; i++) {
        id_generate(records[i].id);
        records[i].created_ms = created_ms;
        records[i].sequence = sequence + (int64_t)i;
        r = batch_store(batch, &records[i]);
    }
    return r;
}

/* Files of a session that is gone would never be swept. */
static int check_sessions_live(struct kv *kv, const struct file_record *records, size_t n_records)
{
    for (size_t i = 0; i < n_records; i++) {
        struct session session;
        int r;

        if (i > 0 && strcmp(records[i].session_id, records[i - 1].session_id) == 0)
            continue;
        r = session_find(kv, records[i].session_id, &session);
        if (r != 0)
            return r < 0 ? r : -ENOENT;
    }
    return 0;
}

int file_add(struct kv *kv, struct file_record *records, size_t n_records)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    int r = kv_batch_new(kv, &batch);

    if (r == 0)
        r = batch_store_all(batch, records, n_records);
    if (r < 0)
        return r;
    GUARDED;
    r = check_sessions_live(kv, records, n_records);
    return r < 0 ? r : kv_full_to_errno(kv_batch_commit(batch));
}

int file_get(struct kv *kv, const char *tenant, const char *session_id, const char *file_id,
             struct file_record *ret_record)
{
    struct session session;
    int r = session_get(kv, tenant, session_id, &session);

    if (r != 0)
        return r < 0 ? r : FILE_E_NOT_FOUND;
    return load(kv, session_id, file_id, ret_record);
}

static int compare_age(const void *left, const void *right)
{
    const struct file_record *a = left, *b = right;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return (a->sequence > b->sequence) - (a->sequence < b->sequence);
}

/* A record that was deleted meanwhile or is damaged is passed over. */
static int load_members(struct kv *kv, const char *session_id, const struct kv_member *members, size_t n_members,
                        struct file_record **ret_records, size_t *ret_n)
{
    CLEANUP_FREE struct file_record *records = calloc(n_members, sizeof(*records));
    size_t n = 0;

    if (!records)
        return -ENOMEM;
    for (size_t i = 0; i < n_members; i++) {
        int r = load(kv, session_id, members[i].name, &records[n]);

        if (r < 0)
            return r;
        n += r == 0;
    }
    qsort(records, n, sizeof(*records), compare_age);
    *ret_records = TAKE_PTR(records);
    *ret_n = n;
    return 0;
}

int file_list(struct kv *kv, const char *tenant, const char *session_id, struct file_record **ret_records,
              size_t *ret_n)
{
    CLEANUP_FREE struct kv_member *members = NULL;
    struct session session;
    size_t n_members = 0;
    int r = session_get(kv, tenant, session_id, &session);

    if (r < 0)
        return r;
    if (r == 0)
        r = kv_members(kv, record_set_files(session_id).text, 0, SCORE_MAX, KV_DESCENDING, LIMIT_FILES_LISTED, &members,
                       &n_members);
    if (r < 0)
        return r;
    if (n_members > 0)
        return load_members(kv, session_id, members, n_members, ret_records, ret_n);
    *ret_records = NULL;
    *ret_n = 0;
    return 0;
}

int file_resolve(struct kv *kv, const char *tenant, const char *session_id, const char *file_id, const char *name,
                 struct file_record *ret_record)
{
    CLEANUP_FREE struct file_record *records = NULL;
    size_t n;
    int r = file_id ? file_get(kv, tenant, session_id, file_id, ret_record) : FILE_E_NOT_FOUND;

    if (r != FILE_E_NOT_FOUND || !name || !name[0])
        return r;
    r = file_list(kv, tenant, session_id, &records, &n);
    if (r < 0)
        return r;
    while (n-- > 0) {
        if (strcmp(records[n].name, name) == 0) {
            *ret_record = records[n];
            return 0;
        }
    }
    return FILE_E_NOT_FOUND;
}

/* True (1) if the session has an alias of source that still leads to a record. */
static int has_alias(struct kv *kv, const char *session_id, const struct file_record *source)
{
    CLEANUP_FREE char *alias_id = NULL;
    struct file_record alias;
    size_t length;
    int r = kv_get(kv, record_alias(session_id, source->session_id, source->id).text, &alias_id, &length);

    if (r == KV_E_NOT_FOUND)
        return 0;
    if (r == 0)
        r = load(kv, session_id, alias_id, &alias);
    return r < 0 ? r : r == 0;
}

/* True (1) if source is still there to be named. From the moment its session expires the sweep may delete its bytes. */
static int source_lives(struct kv *kv, const struct file_record *source)
{
    struct session session;
    struct file_record record;
    int r = session_find(kv, source->session_id, &session);

    if (r == 0)
        r = load(kv, source->session_id, source->id, &record);
    return r < 0 ? r : r == 0;
}

const char *file_root(const struct file_record *record)
{
    if (record->edition_of[0])
        return record->edition_of;
    return record->origin == FILE_ALIAS ? record->source_id : record->id;
}

static int store_alias(struct kv *kv, const char *session_id, const struct file_record *source)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    struct file_record alias = *source;
    int r = kv_batch_new(kv, &batch);

    if (r < 0)
        return r;
    alias.origin = FILE_ALIAS;
    memcpy(alias.session_id, session_id, ID_SIZE);
    memcpy(alias.source_session_id, source->session_id, ID_SIZE);
    memcpy(alias.source_id, source->id, ID_SIZE);
    memcpy(alias.edition_of, file_root(source), ID_SIZE);
    r = batch_store_all(batch, &alias, 1);
    if (r == 0)
        r = check_sessions_live(kv, &alias, 1);
    return r < 0 ? r : kv_full_to_errno(kv_batch_commit(batch));
}

int file_alias(struct kv *kv, const char *session_id, const struct file_record *source)
{
    int r;

    if (!id_is_ours(session_id))
        return -EINVAL;
    if (strcmp(session_id, source->session_id) == 0)
        return 0;
    GUARDED;
    r = has_alias(kv, session_id, source);
    if (r != 0)
        return r < 0 ? r : 0;
    r = source_lives(kv, source);
    return r == 1 ? store_alias(kv, session_id, source) : r;
}

/* True (1) if some record of another session than this one ("" = of any session) names the blob, or so many do that it
 * is not worth looking through them: then it goes with the last of them. Under the lock. */
static int blob_is_named(struct kv *kv, const char *blob, const char *except_session_id)
{
    CLEANUP_FREE struct kv_member *members = NULL;
    size_t n, length = strlen(except_session_id);
    int r = kv_members(kv, record_set_blob(blob).text, 0, SCORE_MAX, KV_ASCENDING, LIMIT_SWEEP_FILES + 1, &members, &n);

    if (r < 0)
        return r;
    if (n > LIMIT_SWEEP_FILES)
        return 1;
    for (size_t i = 0; i < n; i++) {
        if (length == 0 || strncmp(members[i].name, except_session_id, length) != 0)
            return 1;
    }
    return 0;
}

/* Deletes the blob unless it is named. Bytes that cannot be deleted now are found by the sweep: that is for the
 * operator to know, not for the caller. Under the lock. */
static int delete_unnamed_blob(struct kv *kv, struct blob_store *blobs, const char *blob, const char *except_session_id)
{
    int r = blob_is_named(kv, blob, except_session_id);

    if (r != 0)
        return r < 0 ? r : 0;
    r = blob_delete(blobs, blob);
    if (r < 0)
        log_warning("blob %s could not be deleted: %s", blob, strerror(-r));
    return 0;
}

void file_take_back(struct kv *kv, struct blob_store *blobs, const struct file_record *records, size_t n_records)
{
    GUARDED;
    for (size_t i = 0; i < n_records; i++)
        (void)delete_unnamed_blob(kv, blobs, records[i].blob, "");
}

int file_delete(struct kv *kv, struct blob_store *blobs, const char *tenant, const char *session_id,
                const char *file_id, struct file_record *ret_record)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    struct file_record record = { 0 };
    int r = kv_batch_new(kv, &batch);

    if (r < 0)
        return r;
    GUARDED;
    r = file_get(kv, tenant, session_id, file_id, &record);
    if (r == 0)
        r = batch_drop(batch, &record);
    if (r == 0)
        r = kv_full_to_errno(kv_batch_commit(batch));
    if (r != 0)
        return r;
    r = delete_unnamed_blob(kv, blobs, record.blob, "");
    if (r < 0) /* the file is gone all the same, and the sweep finds its bytes */
        log_warning("whether blob %s is named cannot be read: %s", record.blob, strerror(-r));
    *ret_record = record;
    return 0;
}

/* Drops a file of an expired session. Its bytes go first: nobody can see the record any more, and on a full disk that
 * is what makes room for the change of the records. A damaged record leaves its claim on a blob to sweep_blob(). */
static int drop_expired_file(struct kv *kv, struct blob_store *blobs, struct kv_batch *batch, const char *session_id,
                             const char *file_id)
{
    struct file_record record = { 0 };
    int r = load(kv, session_id, file_id, &record);

    if (r < 0)
        return r;
    if (r == FILE_E_NOT_FOUND) {
        kv_batch_delete(batch, record_file(session_id, file_id).text);
        return kv_batch_remove(batch, record_set_files(session_id).text, file_id);
    }
    r = delete_unnamed_blob(kv, blobs, record.blob, session_id);
    return r < 0 ? r : batch_drop(batch, &record);
}

/* Drops the first files of an expired session; *ret_all tells whether that were all it had. */
static int drop_expired_files(struct kv *kv, struct blob_store *blobs, struct kv_batch *batch, const char *session_id,
                              bool *ret_all)
{
    CLEANUP_FREE struct kv_member *members = NULL;
    size_t n;
    int r =
        kv_members(kv, record_set_files(session_id).text, 0, SCORE_MAX, KV_ASCENDING, LIMIT_SWEEP_FILES, &members, &n);

    for (size_t i = 0; r == 0 && i < n; i++)
        r = drop_expired_file(kv, blobs, batch, session_id, members[i].name);
    *ret_all = n < LIMIT_SWEEP_FILES;
    return r;
}

/* One step of the deletion of a session, in one transaction, small enough not to keep others waiting. */
static int sweep_session_step(struct kv *kv, struct blob_store *blobs, const char *session_id, bool *ret_done)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    int r = kv_batch_new(kv, &batch);

    if (r < 0)
        return r;
    GUARDED;
    r = session_is_expired(kv, session_id);
    if (r <= 0) {
        *ret_done = true; /* renewed since it was looked up */
        return r;
    }
    r = drop_expired_files(kv, blobs, batch, session_id, ret_done);
    if (r == 0 && *ret_done)
        r = state_batch_drop(kv, blobs, batch, session_id);
    if (r == 0 && *ret_done)
        r = session_batch_drop(kv, batch, session_id);
    return r < 0 ? r : kv_full_to_errno(kv_batch_commit(batch));
}

static int sweep_session(struct kv *kv, struct blob_store *blobs, const char *session_id)
{
    bool done = false;
    int r = 0;

    while (r == 0 && !done)
        r = sweep_session_step(kv, blobs, session_id, &done);
    return r;
}

struct sweep {
    struct kv *kv;
    struct blob_store *blobs;
};

/* True (1) if the record that claims a blob is there, and, being a state's, which is replaced in its place, still names
 * it; else 0, or a negative errno. */
static int claim_holds(struct kv *kv, const char *blob, const char *reference)
{
    CLEANUP_FREE char *value = NULL;
    struct state_record state;
    size_t length, text_at;
    int r = kv_get(kv, record_of_reference(reference).text, &value, &length);

    if (r != 0)
        return r == KV_E_NOT_FOUND ? 0 : r;
    if (!record_is_of_state(reference))
        return 1;
    r = record_decode_state(value, length, &state, &text_at);
    if (r == -ENOMEM)
        return r;
    return r == 0 && strcmp(state.blob, blob) == 0;
}

/* Takes back the blob's first claim if it does not hold. Returns 1 if a claim stays, 0 if none does. */
static int check_claim(struct kv *kv, const char *blob, const struct kv_member *claim)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    int r = claim_holds(kv, blob, claim->name);

    if (r != 0)
        return r;
    r = kv_batch_new(kv, &batch);
    if (r < 0)
        return r;
    kv_batch_remove(batch, record_set_blob(blob).text, claim->name);
    r = kv_full_to_errno(kv_batch_commit(batch));
    return r < 0 ? r : blob_is_named(kv, blob, "");
}

static int sweep_blob(void *context, const char *key)
{
    struct sweep *sweep = context;
    CLEANUP_FREE struct kv_member *claims = NULL;
    size_t n;
    int r;

    GUARDED;
    r = kv_members(sweep->kv, record_set_blob(key).text, 0, SCORE_MAX, KV_ASCENDING, 1, &claims, &n);
    if (r == 0 && n > 0)
        r = check_claim(sweep->kv, key, &claims[0]);
    if (r != 0)
        return r < 0 ? r : 0;
    return blob_delete(sweep->blobs, key);
}

/* A full disk stops no sweep: another session's bytes may be what makes room. */
static int sweep_sessions(struct sweep *sweep, const struct kv_member *members, size_t n, unsigned *ret_sessions)
{
    int result = 0;

    for (size_t i = 0; i < n; i++) {
        int r = sweep_session(sweep->kv, sweep->blobs, members[i].name);

        if (r == -ENOSPC)
            result = r;
        else if (r < 0)
            return r;
        else
            ++*ret_sessions;
    }
    return result;
}

int file_sweep(struct kv *kv, struct blob_store *blobs, unsigned limit, unsigned *ret_sessions)
{
    struct sweep sweep = { .kv = kv, .blobs = blobs };
    CLEANUP_FREE struct kv_member *members = NULL;
    unsigned n_swept = 0;
    size_t n;
    int r = kv_members(kv, RECORD_SESSIONS, 0, (double)clock_wall_ms(), KV_ASCENDING, limit, &members, &n);

    if (r < 0)
        return r;
    r = sweep_sessions(&sweep, members, n, &n_swept);
    if ((r == 0 || r == -ENOSPC) && n < limit) {
        int r_blobs = blob_visit_older(blobs, ORPHAN_AGE_MS, sweep_blob, &sweep);

        r = r < 0 ? r : r_blobs;
    }
    *ret_sessions = n_swept;
    return r;
}

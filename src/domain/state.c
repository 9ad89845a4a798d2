/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/state.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/guard.h"
#include "domain/record.h"
#include "domain/state_event.h"
#include "domain/state_text.h"

#define READ_BYTES       (64 * 1024)
#define LOAD_TRIES       8
#define SCOPE_SIZE       (sizeof("state:") + ID_SIZE)
#define RENEW_FRACTION   100 /* of the time to live, which may pass before a use is noted */
#define TEXT_BYTES(size) (BASE64_ENCODE_RAW_LENGTH((size_t)(size)))

/* A record and what lies behind it. */
struct stored {
    struct state_record record;
    char *value;
    size_t length, text_at;
};

static void free_stored(struct stored *stored)
{
    free(stored->value);
}

static void free_writer(struct blob_writer **writer)
{
    blob_writer_free(*writer);
}

static int blob_error(int r)
{
    return r == BLOB_E_FULL ? -ENOSPC : r > 0 ? -EFBIG : r;
}

static void user_digest(const struct session *session, char ret_user[static DIGEST_HEX_SIZE])
{
    ret_user[0] = '\0';
    if (session->user_id[0])
        digest_bytes_hex(session->user_id, strlen(session->user_id), ret_user);
}

/* What binds a state: whoever can write to the stores cannot make one, and not give one session's to another. The key
 * is in neither store. */
static void make_seal(const struct state_rules *rules, const char *session_id, const struct state_record *record,
                      char ret_seal[static DIGEST_HEX_SIZE])
{
    const char *const parts[] = { "state 1", record->tenant, session_id, record->user, record->sha256 };
    uint8_t raw[DIGEST_RAW_SIZE];
    struct hmac_sha256_ctx context;

    hmac_sha256_set_key(&context, STATE_KEY_SIZE, rules->key);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
        hmac_sha256_update(&context, strlen(parts[i]) + 1, (const uint8_t *)parts[i]);
    hmac_sha256_digest(&context, sizeof(raw), raw);
    digest_to_hex(raw, ret_seal);
}

/* As for sessions (9.4): what nobody saved may be anybody's who got the session. */
static bool is_bound_to(const struct state_rules *rules, const struct state_record *record,
                        const struct session *session)
{
    char user[DIGEST_HEX_SIZE], seal[DIGEST_HEX_SIZE];

    user_digest(session, user);
    make_seal(rules, session->id, record, seal);
    return strcmp(record->seal, seal) == 0 && strcmp(record->tenant, session->tenant) == 0 &&
           (!record->user[0] || strcmp(record->user, user) == 0);
}

/* Reads the record alone. Returns 0, STATE_E_NONE (also if it is damaged) or a negative errno. */
static int read_stored(struct kv *kv, const char *session_id, struct stored *ret_stored)
{
    int r = kv_get(kv, record_state(session_id).text, &ret_stored->value, &ret_stored->length);

    if (r != 0)
        return r == KV_E_NOT_FOUND ? STATE_E_NONE : r;
    r = record_decode_state(ret_stored->value, ret_stored->length, &ret_stored->record, &ret_stored->text_at);
    if (r != -EBADMSG)
        return r;
    log_warning("the state of session %s is damaged and counts as absent", session_id);
    return STATE_E_NONE;
}

static int decode_blob(int fd, struct state_text_decoder *decoder)
{
    CLEANUP_FREE char *text = malloc(READ_BYTES);
    int r = text ? 0 : -ENOMEM;

    while (r == 0) {
        ssize_t n = read(fd, text, READ_BYTES);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? error_from_errno() : 0;
        r = state_text_decode(decoder, text, (size_t)n);
    }
    return r;
}

static int decode_from_blob(const struct state_store *store, const struct state_record *record,
                            struct state_text_decoder *decoder)
{
    CLEANUP_CLOSE int fd = -1;
    int64_t size_bytes;
    int r = blob_open(store->blobs, record->blob, &fd, &size_bytes);

    if (r == 0 && size_bytes != (int64_t)TEXT_BYTES(record->size_bytes))
        r = -EBADMSG;
    return r == 0 ? decode_blob(fd, decoder) : r;
}

/* Returns 0, BLOB_E_NOT_FOUND, -EBADMSG or another negative errno. */
static int decode(const struct state_store *store, const struct stored *stored, struct buffer *ret_bytes)
{
    const struct state_record *record = &stored->record;
    struct state_text_decoder decoder;
    int r;

    *ret_bytes = BUFFER_INIT((size_t)record->size_bytes + BASE64_DECODE_LENGTH(4));
    r = buffer_reserve(ret_bytes, (size_t)record->size_bytes);
    if (r < 0)
        return r;
    state_text_decode_begin(&decoder, ret_bytes);
    if (record->blob[0])
        r = decode_from_blob(store, record, &decoder);
    else
        r = state_text_decode(&decoder, stored->value + stored->text_at, stored->length - stored->text_at);
    if (r == 0)
        r = state_text_decode_end(&decoder, record->sha256);
    return r == -E2BIG ? -EBADMSG : r;
}

static int load_once(const struct state_store *store, const struct session *session, struct buffer *ret_bytes,
                     enum state_source *ret_source)
{
    CLEANUP(free_stored) struct stored stored = { 0 };
    int r = read_stored(store->kv, session->id, &stored);

    if (r != 0)
        return r;
    if (!is_bound_to(store->rules, &stored.record, session)) {
        log_warning("the state of session %s is not its own and counts as absent", session->id);
        return STATE_E_NONE;
    }
    if (stored.record.size_bytes > store->rules->bytes_max)
        return STATE_E_NONE; /* the limit was lowered */
    *ret_source = stored.record.blob[0] ? STATE_FROM_ARCHIVE : STATE_FROM_HOT;
    r = decode(store, &stored, ret_bytes);
    if (r != -EBADMSG)
        return r == BLOB_E_NOT_FOUND ? -ENOENT : r;
    log_warning("the state of session %s is damaged and counts as absent", session->id);
    return STATE_E_NONE;
}

int state_load(const struct state_store *store, const struct session *session, struct buffer *ret_bytes,
               enum state_source *ret_source)
{
    int r = -ENOENT;

    /* Another execution may just have put a new one in the place of what was found. */
    for (int i = 0; i < LOAD_TRIES && r == -ENOENT; i++) {
        r = load_once(store, session, ret_bytes, ret_source);
        if (r != 0)
            buffer_deinit(ret_bytes);
    }
    if (r == 0)
        state_event_loaded(store->audit, session->id, *ret_source == STATE_FROM_ARCHIVE);
    if (r != -ENOENT)
        return r;
    log_warning("the state of session %s is lost: its blob is gone", session->id);
    return STATE_E_NONE;
}

/* Adds to batch what makes the session name this state. text: what lies behind the record, if no blob does. */
static int batch_store(struct kv_batch *batch, const char *session_id, const struct state_record *record,
                       const char *text, size_t text_length, int64_t expires_ms)
{
    CLEANUP(buffer_deinit) struct buffer value = BUFFER_INIT(SIZE_MAX - 1);
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = record_encode_state(record, &json, &length);

    if (r == 0)
        r = buffer_append(&value, json, length);
    if (r == 0)
        r = buffer_append(&value, text, text_length);
    if (r < 0)
        return r;
    if (record->blob[0])
        kv_batch_add(batch, record_set_blob(record->blob).text, record_state(session_id).text, 0);
    return kv_batch_put(batch, record_state(session_id).text, value.data, value.length, expires_ms);
}

static int batch_store_hot(const struct state_store *store, struct kv_batch *batch, const char *session_id,
                           const struct state_record *record, const char *text, size_t text_length)
{
    kv_batch_add(batch, RECORD_STATES, session_id, (double)record->used_ms);
    return batch_store(batch, session_id, record, text, text_length, record->used_ms + store->rules->ttl_ms);
}

static void delete_blob(struct blob_store *blobs, const char *blob)
{
    int r = blob_delete(blobs, blob);

    if (r < 0)
        log_warning("blob %s could not be deleted: %s", blob, strerror(-r));
}

/* True (1) if nobody but this session claims the blob, else 0, or a negative errno. */
static int is_only_claim(struct kv *kv, const char *blob, const char *session_id)
{
    CLEANUP_FREE struct kv_member *claims = NULL;
    size_t n, n_own = 0;
    int r = kv_members(kv, record_set_blob(blob).text, 0, (double)INT64_MAX, KV_ASCENDING, 2, &claims, &n);

    for (size_t i = 0; r == 0 && i < n; i++)
        n_own += strcmp(claims[i].name, record_state(session_id).text) == 0;
    return r < 0 ? r : n == n_own;
}

/* Adds to batch the end of the claim that an earlier state has on a blob. *ret_blob is what can be deleted then: "" if
 * there is none, or if somebody else's or the new state is the same. */
static int batch_release(struct kv *kv, struct kv_batch *batch, const char *session_id, const char *new_blob,
                         char ret_blob[static BLOB_KEY_SIZE])
{
    CLEANUP(free_stored) struct stored earlier = { 0 };
    int r = read_stored(kv, session_id, &earlier);

    ret_blob[0] = '\0';
    if (r != 0 || !earlier.record.blob[0] || strcmp(earlier.record.blob, new_blob) == 0)
        return r < 0 ? r : 0;
    kv_batch_remove(batch, record_set_blob(earlier.record.blob).text, record_state(session_id).text);
    r = is_only_claim(kv, earlier.record.blob, session_id);
    if (r == 1)
        memcpy(ret_blob, earlier.record.blob, BLOB_KEY_SIZE);
    return r < 0 ? r : 0;
}

/* Puts a new state, or with NULL none, in the place of the earlier one. */
static int replace(const struct state_store *store, const char *session_id, const struct state_record *record,
                   const struct buffer *text)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    char old_blob[BLOB_KEY_SIZE];
    int r = kv_batch_new(store->kv, &batch);

    if (r < 0)
        return r;
    GUARDED;
    r = session_is_expired(store->kv, session_id);
    if (r != 0)
        return r < 0 ? r : STATE_E_GONE;
    r = batch_release(store->kv, batch, session_id, record ? record->blob : "", old_blob);
    if (r < 0)
        return r;
    if (record)
        r = batch_store_hot(store, batch, session_id, record, text->data, text->length);
    else {
        kv_batch_delete(batch, record_state(session_id).text);
        r = kv_batch_remove(batch, RECORD_STATES, session_id);
    }
    if (r == 0)
        r = kv_full_to_errno(kv_batch_commit(batch));
    if (r == 0 && old_blob[0])
        delete_blob(store->blobs, old_blob);
    return r;
}

static int new_blob(const struct state_store *store, const char *session_id, int64_t size_bytes,
                    struct blob_writer **ret_writer)
{
    char scope[SCOPE_SIZE];

    snprintf(scope, sizeof(scope), "state:%s", session_id); /* no file shares a state's blob */
    return blob_error(blob_writer_new(store->blobs, scope, false, (int64_t)TEXT_BYTES(size_bytes), ret_writer));
}

static int take_for_blob(void *context, const char *text, size_t length)
{
    return blob_error(blob_writer_append(context, text, length));
}

static int take_for_record(void *context, const char *text, size_t length)
{
    return buffer_append(context, text, length);
}

static int commit_blob(struct blob_writer *writer, char ret_blob[static BLOB_KEY_SIZE])
{
    char sha256[BLOB_DIGEST_SIZE];
    int64_t size_bytes;

    return blob_error(blob_writer_commit(writer, ret_blob, sha256, &size_bytes));
}

/* Encodes the file into a blob or, if it is small, into text. */
static int encode(const struct state_store *store, const char *session_id, int fd, struct state_record *record,
                  struct buffer *ret_text)
{
    CLEANUP(free_writer) struct blob_writer *writer = NULL;
    int64_t size_bytes;
    int r;

    if (record->size_bytes <= store->rules->hot_bytes_max) {
        *ret_text = BUFFER_INIT(TEXT_BYTES(record->size_bytes));
        r = state_text_encode(fd, record->size_bytes, take_for_record, ret_text, record->sha256, &size_bytes);
    } else {
        r = new_blob(store, session_id, record->size_bytes, &writer);
        if (r == 0)
            r = state_text_encode(fd, record->size_bytes, take_for_blob, writer, record->sha256, &size_bytes);
        if (r == 0)
            r = commit_blob(writer, record->blob);
    }
    return r == 0 && size_bytes != record->size_bytes ? -EBADMSG : r;
}

int state_refuse(const struct state_store *store, const struct session *session, int64_t size_bytes)
{
    log_warning("the state of session %s is not kept: it is larger than %lld bytes, or than its cell had room for",
                session->id, (long long)store->rules->bytes_max);
    state_event_too_large(store->audit, session->id, size_bytes);
    return STATE_E_TOO_LARGE;
}

/* Makes a state that is not too large the session's. */
static int save(const struct state_store *store, const struct session *session, int fd, struct state_record *record)
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(0);
    int r;

    if (record->size_bytes == 0)
        return replace(store, session->id, NULL, NULL);
    memcpy(record->tenant, session->tenant, TENANT_SIZE);
    user_digest(session, record->user);
    r = encode(store, session->id, fd, record, &text);
    if (r < 0)
        return r;
    make_seal(store->rules, session->id, record, record->seal);
    return replace(store, session->id, record, &text);
}

int state_save(const struct state_store *store, const struct session *session, int fd, int64_t *ret_size_bytes)
{
    struct state_record record = { .used_ms = clock_wall_ms() };
    int r;

    record.size_bytes = lseek(fd, 0, SEEK_END);
    if (record.size_bytes < 0)
        return error_from_errno();
    if (record.size_bytes > store->rules->bytes_max)
        return state_refuse(store, session, record.size_bytes);
    r = save(store, session, fd, &record);
    *ret_size_bytes = record.size_bytes;
    if (r == 0)
        state_event_saved(store->audit, session->id, record.size_bytes);
    return r;
}

int state_renew(const struct state_store *store, const struct session *session)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    CLEANUP(free_stored) struct stored stored = { 0 };
    int64_t now_ms = clock_wall_ms();
    int r = kv_batch_new(store->kv, &batch);

    if (r < 0)
        return r;
    GUARDED;
    r = read_stored(store->kv, session->id, &stored);
    if (r != 0)
        return r < 0 ? r : 0;
    if (now_ms >= stored.record.used_ms && now_ms - stored.record.used_ms < store->rules->ttl_ms / RENEW_FRACTION)
        return 0;
    stored.record.used_ms = now_ms;
    r = batch_store_hot(store, batch, session->id, &stored.record, stored.value + stored.text_at,
                        stored.length - stored.text_at);
    return r < 0 ? r : kv_full_to_errno(kv_batch_commit(batch));
}

/* Writes the text behind a record to a blob, before the lock is taken: that takes a while. */
static int write_archive(const struct state_store *store, const char *session_id, const struct stored *stored,
                         char ret_blob[static BLOB_KEY_SIZE])
{
    CLEANUP(free_writer) struct blob_writer *writer = NULL;
    int r;

    if (stored->record.blob[0]) {
        memcpy(ret_blob, stored->record.blob, BLOB_KEY_SIZE);
        return 0;
    }
    if (stored->length - stored->text_at != TEXT_BYTES(stored->record.size_bytes))
        return -EBADMSG;
    r = new_blob(store, session_id, stored->record.size_bytes, &writer);
    if (r == 0)
        r = blob_error(blob_writer_append(writer, stored->value + stored->text_at, stored->length - stored->text_at));
    return r == 0 ? commit_blob(writer, ret_blob) : r;
}

/* The state is archived unless it was used since it was read. Returns 1 if it was done. */
static int commit_archive(const struct state_store *store, const char *session_id, const struct state_record *read,
                          const char *blob)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    CLEANUP(free_stored) struct stored stored = { 0 };
    int r = kv_batch_new(store->kv, &batch);

    if (r < 0)
        return r;
    GUARDED;
    r = read_stored(store->kv, session_id, &stored);
    if (r != 0 || stored.record.used_ms != read->used_ms || strcmp(stored.record.sha256, read->sha256) != 0)
        return r < 0 ? r : 0;
    memcpy(stored.record.blob, blob, BLOB_KEY_SIZE);
    kv_batch_remove(batch, RECORD_STATES, session_id);
    r = batch_store(batch, session_id, &stored.record, "", 0, clock_wall_ms() + store->rules->archive_ttl_ms);
    if (r == 0)
        r = kv_full_to_errno(kv_batch_commit(batch));
    return r < 0 ? r : 1;
}

/* A state whose time is over is gone from the store already. */
static int forget(const struct state_store *store, const char *session_id)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    CLEANUP(free_stored) struct stored stored = { 0 };
    int r = kv_batch_new(store->kv, &batch);

    if (r < 0)
        return r;
    GUARDED;
    r = read_stored(store->kv, session_id, &stored);
    if (r != STATE_E_NONE)
        return r < 0 ? r : 0; /* saved just now */
    kv_batch_remove(batch, RECORD_STATES, session_id);
    return kv_full_to_errno(kv_batch_commit(batch));
}

/* Returns 1 if the state was archived. */
static int archive_one(const struct state_store *store, const char *session_id)
{
    CLEANUP(free_stored) struct stored stored = { 0 };
    char blob[BLOB_KEY_SIZE];
    int r = read_stored(store->kv, session_id, &stored);

    if (r == STATE_E_NONE)
        return forget(store, session_id);
    if (r < 0 || !store->rules->archive)
        return r;
    r = write_archive(store, session_id, &stored, blob);
    if (r == 0)
        r = commit_archive(store, session_id, &stored.record, blob);
    if (r > 0)
        state_event_archived(store->audit, session_id);
    return r;
}

int state_archive(const struct state_store *store, unsigned limit, unsigned *ret_seen, unsigned *ret_archived)
{
    const struct state_rules *rules = store->rules;
    int64_t rest_ms = rules->archive ? rules->archive_after_ms : rules->ttl_ms;
    CLEANUP_FREE struct kv_member *members = NULL;
    size_t n;
    int r =
        kv_members(store->kv, RECORD_STATES, 0, (double)(clock_wall_ms() - rest_ms), KV_ASCENDING, limit, &members, &n);

    *ret_seen = *ret_archived = 0;
    if (r < 0)
        return r;
    for (size_t i = 0; i < n; i++) {
        int r_one = archive_one(store, members[i].name);

        if (r_one < 0)
            r = r_one; /* one that cannot be archived does not keep the others from it */
        else
            *ret_archived += (unsigned)r_one;
    }
    *ret_seen = (unsigned)n;
    return r;
}

int state_batch_drop(struct kv *kv, struct blob_store *blobs, struct kv_batch *batch, const char *session_id)
{
    char blob[BLOB_KEY_SIZE];
    int r = batch_release(kv, batch, session_id, "", blob);

    if (r < 0)
        return r;
    if (blob[0])
        delete_blob(blobs, blob);
    kv_batch_delete(batch, record_state(session_id).text);
    return kv_batch_remove(batch, RECORD_STATES, session_id);
}

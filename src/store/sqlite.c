/* SPDX-License-Identifier: Apache-2.0 */
/* kv.h on SQLite.
 *
 * Write-ahead log with synchronous=NORMAL: a committed transaction survives the death of the process at any instant;
 * after a power cut the newest transactions may be missing, whole, but the file is sound. One connection writes, a few
 * read beside it without waiting for it. A thread of its own copies the log into the database, since that waits for the
 * disk. */
#include "store/kv.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "store/database.h"

#define READERS              2
#define START_PAGES          32   /* in memory, of what a connection takes at its start: in one piece */
#define CHECKPOINT_PAGES     1000 /* of log before the checkpoint thread is woken: 4 MiB */
#define CHECKPOINT_PAGES_MAX 8000 /* of log before a writer waits for a checkpoint: 32 MiB */
#define BATCH_BYTES_MAX      (256 * 1024 * 1024)

struct kv {
    pthread_mutex_t writing;
    struct database writer;

    pthread_mutex_t readers_lock;
    pthread_cond_t reader_free;
    struct database readers[READERS];
    struct database *idle[READERS];
    unsigned n_idle;

    pthread_t checkpoint_thread;
    bool checkpoint_started;
    pthread_mutex_t checkpoint_lock;
    pthread_cond_t checkpoint_wanted;
    bool checkpoint_due, stopping;
    pthread_mutex_t checkpointing; /* held during a checkpoint: SQLite itself would refuse a second one, not wait */
    struct database checkpointer;
};

/* One change of a batch. Texts lie in the batch's buffer, each with its NUL. */
struct change {
    enum statement statement;
    size_t first;  /* offset of the key or set */
    size_t second; /* offset of the value or member */
    size_t length; /* of the value */
    int64_t expires_ms;
    double score;
};

struct kv_batch {
    struct kv *kv; /* borrowed */
    struct change *changes;
    size_t n_changes, capacity;
    struct buffer texts;
    int error; /* first failure of an addition */
};

static int open_connections(struct kv *kv, const char *path, char *error, size_t error_size)
{
    int r = database_open_writer(&kv->writer, path, error, error_size);

    if (r == 0)
        r = database_open_checkpointer(&kv->checkpointer, path);
    for (unsigned i = 0; i < READERS && r == 0; i++) {
        r = database_open_reader(&kv->readers[i], path);
        kv->idle[kv->n_idle++] = &kv->readers[i];
    }
    return r;
}

static void *checkpoint_main(void *context)
{
    struct kv *kv = context;

    pthread_mutex_lock(&kv->checkpoint_lock);
    for (;;) {
        while (!kv->checkpoint_due && !kv->stopping)
            pthread_cond_wait(&kv->checkpoint_wanted, &kv->checkpoint_lock);
        if (kv->stopping)
            break;
        kv->checkpoint_due = false;
        pthread_mutex_unlock(&kv->checkpoint_lock);
        /* A failure costs nothing but a longer log; the next commit asks again. */
        pthread_mutex_lock(&kv->checkpointing);
        sqlite3_wal_checkpoint_v2(kv->checkpointer.db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
        pthread_mutex_unlock(&kv->checkpointing);
        pthread_mutex_lock(&kv->checkpoint_lock);
    }
    pthread_mutex_unlock(&kv->checkpoint_lock);
    return NULL;
}

/* Called by SQLite after each commit of the writer, which holds no lock of the database any more. A passive checkpoint
 * cannot empty the log while readers and writers leave it no gap; then the writer has to make one. */
static int on_commit(void *context, sqlite3 *db, const char *name, int log_pages)
{
    struct kv *kv = context;

    if (log_pages >= CHECKPOINT_PAGES_MAX) {
        pthread_mutex_lock(&kv->checkpointing);
        sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
        pthread_mutex_unlock(&kv->checkpointing);
    } else if (log_pages >= CHECKPOINT_PAGES) {
        pthread_mutex_lock(&kv->checkpoint_lock);
        kv->checkpoint_due = true;
        pthread_cond_signal(&kv->checkpoint_wanted);
        pthread_mutex_unlock(&kv->checkpoint_lock);
    }
    return SQLITE_OK;
}

static int start_checkpoints(struct kv *kv)
{
    int r = pthread_create(&kv->checkpoint_thread, NULL, checkpoint_main, kv);

    if (r != 0)
        return -r;
    kv->checkpoint_started = true;
    sqlite3_wal_hook(kv->writer.db, on_commit, kv);
    return 0;
}

static void stop_checkpoints(struct kv *kv)
{
    if (!kv->checkpoint_started)
        return;
    pthread_mutex_lock(&kv->checkpoint_lock);
    kv->stopping = true;
    pthread_cond_signal(&kv->checkpoint_wanted);
    pthread_mutex_unlock(&kv->checkpoint_lock);
    pthread_join(kv->checkpoint_thread, NULL);
}

static void explain(const struct kv *kv, const char *path, int r, char *error, size_t error_size)
{
    char words[256];

    snprintf(words, sizeof(words), "%s", error[0] ? error : strerror(-r));
    if (!error[0] && r == -EBADMSG)
        snprintf(words, sizeof(words), "%s", kv->writer.db ? sqlite3_errmsg(kv->writer.db) : "damaged");
    snprintf(error, error_size, "cannot open the database %s: %s", path, words);
}

int kv_open_sqlite(const char *path, struct kv **ret_kv, char *error, size_t error_size)
{
    struct kv *kv = calloc(1, sizeof(*kv));
    int r;

    if (error_size)
        error[0] = '\0';
    if (!kv)
        return -ENOMEM;
    /* Of the whole process, and refused once one store is open: it stands then. */
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, START_PAGES);
    pthread_mutex_init(&kv->writing, NULL);
    pthread_mutex_init(&kv->readers_lock, NULL);
    pthread_mutex_init(&kv->checkpoint_lock, NULL);
    pthread_mutex_init(&kv->checkpointing, NULL);
    pthread_cond_init(&kv->reader_free, NULL);
    pthread_cond_init(&kv->checkpoint_wanted, NULL);
    r = open_connections(kv, path, error, error_size);
    if (r == 0)
        r = start_checkpoints(kv);
    if (r < 0) {
        explain(kv, path, r, error, error_size);
        kv_free(kv);
        return r;
    }
    *ret_kv = kv;
    return 0;
}

struct kv *kv_free(struct kv *kv)
{
    if (!kv)
        return NULL;
    stop_checkpoints(kv);
    database_close(&kv->checkpointer);
    for (unsigned i = 0; i < READERS; i++)
        database_close(&kv->readers[i]);
    database_close(&kv->writer); /* last, so that it empties the log */
    pthread_cond_destroy(&kv->checkpoint_wanted);
    pthread_cond_destroy(&kv->reader_free);
    pthread_mutex_destroy(&kv->checkpointing);
    pthread_mutex_destroy(&kv->checkpoint_lock);
    pthread_mutex_destroy(&kv->readers_lock);
    pthread_mutex_destroy(&kv->writing);
    free(kv);
    return NULL;
}

static struct database *reader_take(struct kv *kv)
{
    struct database *reader;

    pthread_mutex_lock(&kv->readers_lock);
    while (kv->n_idle == 0)
        pthread_cond_wait(&kv->reader_free, &kv->readers_lock);
    reader = kv->idle[--kv->n_idle];
    pthread_mutex_unlock(&kv->readers_lock);
    return reader;
}

static void reader_give(struct kv *kv, struct database *reader)
{
    pthread_mutex_lock(&kv->readers_lock);
    kv->idle[kv->n_idle++] = reader;
    pthread_cond_signal(&kv->reader_free);
    pthread_mutex_unlock(&kv->readers_lock);
}

static int copy_value(sqlite3_stmt *statement, char **ret_value, size_t *ret_length)
{
    const void *value = sqlite3_column_blob(statement, 0);
    size_t length = (size_t)sqlite3_column_bytes(statement, 0);
    char *copy = malloc(length + 1);

    if (!copy)
        return -ENOMEM;
    if (length)
        memcpy(copy, value, length);
    copy[length] = '\0';
    *ret_value = copy;
    *ret_length = length;
    return 0;
}

static int reader_get(struct database *reader, const char *key, char **ret_value, size_t *ret_length)
{
    CLEANUP(database_statement_end) sqlite3_stmt *statement = NULL;
    int code, r = database_statement(reader, STATEMENT_GET, &statement);

    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, clock_wall_ms());
    code = sqlite3_step(statement);
    if (code == SQLITE_DONE)
        return KV_E_NOT_FOUND;
    return code == SQLITE_ROW ? copy_value(statement, ret_value, ret_length) : sqlite_read_error(reader->db, code);
}

int kv_get(struct kv *kv, const char *key, char **ret_value, size_t *ret_length)
{
    struct database *reader = reader_take(kv);
    int r = reader_get(reader, key, ret_value, ret_length);

    reader_give(kv, reader);
    return r;
}

/* The elements of *items, of item_size bytes, gain room for one more. */
static int make_room(void **items, size_t item_size, size_t n, size_t *capacity)
{
    size_t wanted = *capacity ? *capacity * 2 : 8;
    void *grown;

    if (n < *capacity)
        return 0;
    grown = realloc(*items, wanted * item_size);
    if (!grown)
        return -ENOMEM;
    *items = grown;
    *capacity = wanted;
    return 0;
}

static int collect_members(sqlite3 *db, sqlite3_stmt *statement, struct kv_member **ret_members, size_t *ret_n)
{
    CLEANUP_FREE void *members = NULL;
    size_t n = 0, capacity = 0;
    int code;

    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
        struct kv_member *member;

        if (make_room(&members, sizeof(*member), n, &capacity) < 0)
            return -ENOMEM;
        member = (struct kv_member *)members + n++;
        snprintf(member->name, sizeof(member->name), "%s", (const char *)sqlite3_column_text(statement, 0));
        member->score = sqlite3_column_double(statement, 1);
    }
    if (code != SQLITE_DONE)
        return sqlite_read_error(db, code);
    *ret_members = TAKE_PTR(members);
    *ret_n = n;
    return 0;
}

static int reader_members(struct database *reader, const char *set, double min_score, double max_score,
                          enum kv_order order, size_t limit, struct kv_member **ret_members, size_t *ret_n)
{
    CLEANUP(database_statement_end) sqlite3_stmt *statement = NULL;
    int r = database_statement(reader, order == KV_DESCENDING ? STATEMENT_MEMBERS_DESCENDING : STATEMENT_MEMBERS,
                               &statement);

    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    sqlite3_bind_text(statement, 1, set, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 2, min_score);
    sqlite3_bind_double(statement, 3, max_score);
    sqlite3_bind_int64(statement, 4, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
    return collect_members(reader->db, statement, ret_members, ret_n);
}

int kv_members(struct kv *kv, const char *set, double min_score, double max_score, enum kv_order order, size_t limit,
               struct kv_member **ret_members, size_t *ret_n)
{
    struct database *reader = reader_take(kv);
    int r = reader_members(reader, set, min_score, max_score, order, limit, ret_members, ret_n);

    reader_give(kv, reader);
    return r;
}

int kv_batch_new(struct kv *kv, struct kv_batch **ret_batch)
{
    struct kv_batch *batch = calloc(1, sizeof(*batch));

    if (!batch)
        return -ENOMEM;
    batch->kv = kv;
    batch->texts = BUFFER_INIT(BATCH_BYTES_MAX);
    *ret_batch = batch;
    return 0;
}

struct kv_batch *kv_batch_free(struct kv_batch *batch)
{
    if (!batch)
        return NULL;
    buffer_deinit(&batch->texts);
    free(batch->changes);
    free(batch);
    return NULL;
}

/* Keeps a copy of size bytes and a NUL. */
static int batch_keep(struct kv_batch *batch, const void *data, size_t size, size_t *ret_offset)
{
    int r;

    *ret_offset = batch->texts.length;
    r = buffer_append(&batch->texts, data, size);
    return r < 0 ? r : buffer_append(&batch->texts, "", 1);
}

static int batch_keep_name(struct kv_batch *batch, const char *name, size_t *ret_offset)
{
    size_t length = strlen(name);

    return length == 0 || length > KV_KEY_MAX ? -EINVAL : batch_keep(batch, name, length, ret_offset);
}

/* Appends change with copies of first and, if there is one, second. */
static int batch_append(struct kv_batch *batch, struct change change, const char *first, const void *second,
                        bool second_is_name)
{
    void *changes = batch->changes;
    int r = batch->error;

    if (r == 0)
        r = make_room(&changes, sizeof(change), batch->n_changes, &batch->capacity);
    batch->changes = changes;
    if (r == 0)
        r = batch_keep_name(batch, first, &change.first);
    if (r == 0 && second)
        r = second_is_name ? batch_keep_name(batch, second, &change.second)
                           : batch_keep(batch, second, change.length, &change.second);
    if (r == 0)
        batch->changes[batch->n_changes++] = change;
    return batch->error = r;
}

int kv_batch_put(struct kv_batch *batch, const char *key, const char *value, size_t length, int64_t expires_ms)
{
    const struct change change = { .statement = STATEMENT_PUT, .length = length, .expires_ms = expires_ms };

    return batch_append(batch, change, key, value, false);
}

int kv_batch_delete(struct kv_batch *batch, const char *key)
{
    return batch_append(batch, (struct change){ .statement = STATEMENT_DELETE }, key, NULL, false);
}

int kv_batch_add(struct kv_batch *batch, const char *set, const char *member, double score)
{
    return batch_append(batch, (struct change){ .statement = STATEMENT_ADD, .score = score }, set, member, true);
}

int kv_batch_remove(struct kv_batch *batch, const char *set, const char *member)
{
    return batch_append(batch, (struct change){ .statement = STATEMENT_REMOVE }, set, member, true);
}

static int writer_apply(struct database *writer, const struct change *change, const char *texts)
{
    CLEANUP(database_statement_end) sqlite3_stmt *statement = NULL;
    int code, r = database_statement(writer, change->statement, &statement);

    if (r != 0)
        return r;
    sqlite3_bind_text(statement, 1, texts + change->first, -1, SQLITE_STATIC);
    if (change->statement == STATEMENT_PUT) {
        sqlite3_bind_blob64(statement, 2, texts + change->second, change->length, SQLITE_STATIC);
        sqlite3_bind_int64(statement, 3, change->expires_ms);
    } else if (change->statement == STATEMENT_ADD) {
        sqlite3_bind_text(statement, 2, texts + change->second, -1, SQLITE_STATIC);
        sqlite3_bind_double(statement, 3, change->score);
    } else if (change->statement == STATEMENT_REMOVE) {
        sqlite3_bind_text(statement, 2, texts + change->second, -1, SQLITE_STATIC);
    }
    code = sqlite3_step(statement);
    return code == SQLITE_DONE ? 0 : sqlite_outcome(writer->db, code);
}

static int writer_commit(struct database *writer, const struct kv_batch *batch)
{
    int r = database_run(writer, STATEMENT_BEGIN);

    for (size_t i = 0; i < batch->n_changes && r == 0; i++)
        r = writer_apply(writer, &batch->changes[i], batch->texts.data);
    if (r == 0)
        r = database_run(writer, STATEMENT_COMMIT);
    /* Some failures, such as a full disk, have rolled back already. */
    if (r != 0 && !sqlite3_get_autocommit(writer->db))
        database_run(writer, STATEMENT_ROLLBACK);
    return r;
}

/* On a full disk the log cannot grow; copied into the database it need not. */
static bool writer_restart_log(struct kv *kv)
{
    int code;

    pthread_mutex_lock(&kv->checkpointing);
    code = sqlite3_wal_checkpoint_v2(kv->writer.db, NULL, SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    pthread_mutex_unlock(&kv->checkpointing);
    return code == SQLITE_OK;
}

static bool only_deletes(const struct kv_batch *batch)
{
    for (size_t i = 0; i < batch->n_changes; i++)
        if (batch->changes[i].statement != STATEMENT_DELETE && batch->changes[i].statement != STATEMENT_REMOVE)
            return false;
    return true;
}

int kv_batch_commit(struct kv_batch *batch)
{
    int r;

    if (batch->error != 0 || batch->n_changes == 0)
        return batch->error;
    if (!only_deletes(batch) && !database_has_room(&batch->kv->writer))
        return KV_E_FULL;
    pthread_mutex_lock(&batch->kv->writing);
    r = writer_commit(&batch->kv->writer, batch);
    if (r == KV_E_FULL && writer_restart_log(batch->kv))
        r = writer_commit(&batch->kv->writer, batch);
    pthread_mutex_unlock(&batch->kv->writing);
    return r;
}

static int writer_expire(struct database *writer, unsigned limit)
{
    CLEANUP(database_statement_end) sqlite3_stmt *statement = NULL;
    int code, r = database_statement(writer, STATEMENT_EXPIRE, &statement);

    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    sqlite3_bind_int64(statement, 1, clock_wall_ms());
    sqlite3_bind_int64(statement, 2, limit);
    code = sqlite3_step(statement);
    return code == SQLITE_DONE ? sqlite3_changes(writer->db) : sqlite_read_error(writer->db, code);
}

int kv_expire(struct kv *kv, unsigned limit)
{
    int r;

    pthread_mutex_lock(&kv->writing);
    r = writer_expire(&kv->writer, limit);
    if (r == -ENOSPC && writer_restart_log(kv))
        r = writer_expire(&kv->writer, limit);
    database_reserve(&kv->writer); /* what was stored since took of it */
    pthread_mutex_unlock(&kv->writing);
    return r;
}

int kv_ping(struct kv *kv)
{
    struct database *reader = reader_take(kv);
    int r = database_run(reader, STATEMENT_PING);

    reader_give(kv, reader);
    if (r == 0)
        return 1;
    return kv_full_to_errno(r);
}

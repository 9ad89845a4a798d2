/* SPDX-License-Identifier: Apache-2.0 */
/* kv.h on SQLite.
 *
 * Write-ahead log with synchronous=NORMAL: a committed transaction survives the death of the process at any instant;
 * after a power cut the newest transactions may be missing, whole, but the file is sound. One connection writes, a few
 * read beside it without waiting for it. A thread of its own copies the log into the database, since that waits for the
 * disk. */
#include "store/kv.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#define READERS              2
#define BUSY_TIMEOUT_MS      5000 /* another process (a command-line tool) may be writing */
#define SCHEMA_VERSION       1
#define CHECKPOINT_PAGES     1000 /* of log before the checkpoint thread is woken: 4 MiB */
#define CHECKPOINT_PAGES_MAX 8000 /* of log before a writer waits for a checkpoint: 32 MiB */
#define BATCH_BYTES_MAX      (256 * 1024 * 1024)
#define RESERVE_PAGES        256 /* unused ones of the database: 1 MiB */

/* Pages in memory. Beyond these the kernel's cache serves as well: more was measured to save no time. What a connection
 * takes at its start lies in one piece; the rest comes and stays all over the heap. */
#define START_PAGES      32
#define WRITER_CACHE     "PRAGMA cache_size = 64; "
#define READER_CACHE     "PRAGMA cache_size = 32; "
#define CHECKPOINT_CACHE "PRAGMA cache_size = 16; "

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_GET,
    STATEMENT_PUT,
    STATEMENT_DELETE,
    STATEMENT_MEMBERS,
    STATEMENT_MEMBERS_DESCENDING,
    STATEMENT_ADD,
    STATEMENT_REMOVE,
    STATEMENT_EXPIRE,
    STATEMENT_PING,
    STATEMENTS
};

static const char *const statement_sql[STATEMENTS] = {
    [STATEMENT_BEGIN] = "BEGIN IMMEDIATE",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    [STATEMENT_GET] = "SELECT value FROM record WHERE key = ?1 AND (expires_ms = 0 OR expires_ms > ?2)",
    [STATEMENT_PUT] = "INSERT OR REPLACE INTO record (key, value, expires_ms) VALUES (?1, ?2, ?3)",
    [STATEMENT_DELETE] = "DELETE FROM record WHERE key = ?1",
    [STATEMENT_MEMBERS] = "SELECT name, score FROM member WHERE set_name = ?1 AND score BETWEEN ?2 AND ?3 "
                          "ORDER BY score, name LIMIT ?4",
    [STATEMENT_MEMBERS_DESCENDING] = "SELECT name, score FROM member WHERE set_name = ?1 AND score BETWEEN ?2 AND ?3 "
                                     "ORDER BY score DESC, name DESC LIMIT ?4",
    [STATEMENT_ADD] = "INSERT INTO member (set_name, name, score) VALUES (?1, ?2, ?3) "
                      "ON CONFLICT (set_name, name) DO UPDATE SET score = excluded.score",
    [STATEMENT_REMOVE] = "DELETE FROM member WHERE set_name = ?1 AND name = ?2",
    [STATEMENT_EXPIRE] =
        "DELETE FROM record WHERE key IN (SELECT key FROM record WHERE expires_ms > 0 AND expires_ms <= ?1 "
        "ORDER BY expires_ms LIMIT ?2)",
    [STATEMENT_PING] = "SELECT count(*) FROM (SELECT 1 FROM record LIMIT 1)",
};

/* Run in order when the writing connection opens; harmless on a store that has all of it. */
static const char *const schema_sql[] = {
    "BEGIN IMMEDIATE",
    "CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, value BLOB NOT NULL, expires_ms INTEGER NOT NULL) "
    "STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS record_expiry ON record (expires_ms) WHERE expires_ms > 0",
    "CREATE TABLE IF NOT EXISTS member (set_name TEXT NOT NULL, name TEXT NOT NULL, score REAL NOT NULL, "
    "PRIMARY KEY (set_name, name)) STRICT, WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS member_score ON member (set_name, score, name)",
    "PRAGMA user_version = 1",
    "COMMIT",
};

struct connection {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS]; /* prepared at first use */
};

struct kv {
    pthread_mutex_t writing;
    struct connection writer;

    pthread_mutex_t readers_lock;
    pthread_cond_t reader_free;
    struct connection readers[READERS];
    struct connection *idle[READERS];
    unsigned n_idle;

    pthread_t checkpoint_thread;
    bool checkpoint_started;
    pthread_mutex_t checkpoint_lock;
    pthread_cond_t checkpoint_wanted;
    bool checkpoint_due, stopping;
    pthread_mutex_t checkpointing; /* held during a checkpoint: SQLite itself would refuse a second one, not wait */
    struct connection checkpointer;
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

/* A result code of SQLite as errno or outcome. What SQLite got from the system tells more than its own code. */
static int outcome_from_sqlite(sqlite3 *db, int code)
{
    int system_error = db ? sqlite3_system_errno(db) : 0;

    switch (code & 0xff) {
    case SQLITE_FULL:
        return KV_E_FULL;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return -EBADMSG;
    case SQLITE_TOOBIG:
        return -E2BIG;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        if (system_error == ENOSPC || system_error == EDQUOT)
            return KV_E_FULL;
        return system_error > 0 ? -system_error : -EIO;
    default:
        return -EIO;
    }
}

/* For functions that change nothing and so have no such outcome. */
static int read_error(sqlite3 *db, int code)
{
    int r = outcome_from_sqlite(db, code);

    return r == KV_E_FULL ? -ENOSPC : r;
}

/* A statement ready to be bound. It must be reset after use, so that it keeps neither a read transaction nor borrowed
 * texts. */
static int connection_statement(struct connection *connection, enum statement which, sqlite3_stmt **ret_statement)
{
    if (!connection->statements[which]) {
        int code = sqlite3_prepare_v3(connection->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &connection->statements[which], NULL);

        if (code != SQLITE_OK)
            return outcome_from_sqlite(connection->db, code);
    }
    *ret_statement = connection->statements[which];
    return 0;
}

static void statement_done(sqlite3_stmt **statement)
{
    if (*statement) {
        sqlite3_reset(*statement);
        sqlite3_clear_bindings(*statement);
    }
}

/* Runs a statement without parameters or results. */
static int connection_run(struct connection *connection, enum statement which)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code, r = connection_statement(connection, which, &statement);

    if (r != 0)
        return r;
    code = sqlite3_step(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : outcome_from_sqlite(connection->db, code);
}

static void connection_close(struct connection *connection)
{
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(connection->statements[i]);
    sqlite3_close(connection->db);
    memset(connection, 0, sizeof(*connection));
}

/* The connection is opened even on failure as far as it went, so that the caller can ask it for words. */
static int connection_open(struct connection *connection, const char *path, const char *settings)
{
    /* Each connection has one user at a time by the locks of this file. */
    int code = sqlite3_open_v2(path, &connection->db,
                               SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(connection->db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(connection->db, settings, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : read_error(connection->db, code);
}

/* The first value of the first row of a pragma, as text. */
static int connection_pragma(struct connection *connection, const char *pragma, char *ret_text, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(connection->db, pragma, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(ret_text, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : read_error(connection->db, code == SQLITE_DONE ? SQLITE_ERROR : code);
}

static int writer_make_schema(struct connection *writer, char *error, size_t error_size)
{
    char text[32];
    int r = connection_pragma(writer, "PRAGMA user_version", text, sizeof(text));

    if (r < 0)
        return r;
    if (strtol(text, NULL, 10) > SCHEMA_VERSION) {
        snprintf(error, error_size, "the database was made by a newer version of this program");
        return -EPROTO;
    }
    r = connection_pragma(writer, "PRAGMA journal_mode = WAL", text, sizeof(text));
    if (r < 0)
        return r;
    if (strcmp(text, "wal") != 0) {
        snprintf(error, error_size, "the file system cannot hold a write-ahead log (no shared memory maps)");
        return -EOPNOTSUPP;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(schema_sql); i++) {
        int code = sqlite3_exec(writer->db, schema_sql[i], NULL, NULL, NULL);

        if (code != SQLITE_OK)
            return read_error(writer->db, code);
    }
    return 0;
}

/* Makes unused pages in the file. On a full disk the log can then be copied into the database and begin anew, which is
 * what a deletion needs to be written, and that makes room. Without space for them it goes as well. */
static void writer_reserve(struct connection *writer)
{
    static const char reserve[] = "INSERT OR REPLACE INTO record VALUES ('reserve', zeroblob(4096 * %d), 1); "
                                  "DELETE FROM record WHERE key = 'reserve'; PRAGMA wal_checkpoint(PASSIVE)";
    char text[32], sql[sizeof(reserve) + 16];

    if (connection_pragma(writer, "PRAGMA freelist_count", text, sizeof(text)) < 0 ||
        strtol(text, NULL, 10) >= RESERVE_PAGES)
        return;
    snprintf(sql, sizeof(sql), reserve, RESERVE_PAGES);
    sqlite3_exec(writer->db, sql, NULL, NULL, NULL);
}

/* SQLite makes files by the umask; this one and the logs, which follow its mode, are ours alone. */
static int make_private_file(const char *path)
{
    CLEANUP_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd < 0 ? error_from_errno() : 0;
}

static int open_connections(struct kv *kv, const char *path, char *error, size_t error_size)
{
    int r = make_private_file(path);

    if (r == 0)
        r = connection_open(&kv->writer, path,
                            WRITER_CACHE "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; "
                                         "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
    if (r == 0)
        r = writer_make_schema(&kv->writer, error, error_size);
    if (r == 0)
        writer_reserve(&kv->writer);
    if (r == 0)
        r = connection_open(&kv->checkpointer, path, CHECKPOINT_CACHE "PRAGMA synchronous = NORMAL");
    for (unsigned i = 0; i < READERS && r == 0; i++) {
        r = connection_open(&kv->readers[i], path, READER_CACHE "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF");
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
    connection_close(&kv->checkpointer);
    for (unsigned i = 0; i < READERS; i++)
        connection_close(&kv->readers[i]);
    connection_close(&kv->writer); /* last, so that it empties the log */
    pthread_cond_destroy(&kv->checkpoint_wanted);
    pthread_cond_destroy(&kv->reader_free);
    pthread_mutex_destroy(&kv->checkpointing);
    pthread_mutex_destroy(&kv->checkpoint_lock);
    pthread_mutex_destroy(&kv->readers_lock);
    pthread_mutex_destroy(&kv->writing);
    free(kv);
    return NULL;
}

static struct connection *reader_take(struct kv *kv)
{
    struct connection *reader;

    pthread_mutex_lock(&kv->readers_lock);
    while (kv->n_idle == 0)
        pthread_cond_wait(&kv->reader_free, &kv->readers_lock);
    reader = kv->idle[--kv->n_idle];
    pthread_mutex_unlock(&kv->readers_lock);
    return reader;
}

static void reader_give(struct kv *kv, struct connection *reader)
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

static int reader_get(struct connection *reader, const char *key, char **ret_value, size_t *ret_length)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code, r = connection_statement(reader, STATEMENT_GET, &statement);

    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, clock_wall_ms());
    code = sqlite3_step(statement);
    if (code == SQLITE_DONE)
        return KV_E_NOT_FOUND;
    return code == SQLITE_ROW ? copy_value(statement, ret_value, ret_length) : read_error(reader->db, code);
}

int kv_get(struct kv *kv, const char *key, char **ret_value, size_t *ret_length)
{
    struct connection *reader = reader_take(kv);
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
        return read_error(db, code);
    *ret_members = TAKE_PTR(members);
    *ret_n = n;
    return 0;
}

static int reader_members(struct connection *reader, const char *set, double min_score, double max_score,
                          int descending, size_t limit, struct kv_member **ret_members, size_t *ret_n)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int r = connection_statement(reader, descending ? STATEMENT_MEMBERS_DESCENDING : STATEMENT_MEMBERS, &statement);

    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    sqlite3_bind_text(statement, 1, set, -1, SQLITE_STATIC);
    sqlite3_bind_double(statement, 2, min_score);
    sqlite3_bind_double(statement, 3, max_score);
    sqlite3_bind_int64(statement, 4, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
    return collect_members(reader->db, statement, ret_members, ret_n);
}

int kv_members(struct kv *kv, const char *set, double min_score, double max_score, int descending, size_t limit,
               struct kv_member **ret_members, size_t *ret_n)
{
    struct connection *reader = reader_take(kv);
    int r = reader_members(reader, set, min_score, max_score, descending, limit, ret_members, ret_n);

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

static int writer_apply(struct connection *writer, const struct change *change, const char *texts)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code, r = connection_statement(writer, change->statement, &statement);

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
    return code == SQLITE_DONE ? 0 : outcome_from_sqlite(writer->db, code);
}

static int writer_commit(struct connection *writer, const struct kv_batch *batch)
{
    int r = connection_run(writer, STATEMENT_BEGIN);

    for (size_t i = 0; i < batch->n_changes && r == 0; i++)
        r = writer_apply(writer, &batch->changes[i], batch->texts.data);
    if (r == 0)
        r = connection_run(writer, STATEMENT_COMMIT);
    /* Some failures, such as a full disk, have rolled back already. */
    if (r != 0 && !sqlite3_get_autocommit(writer->db))
        connection_run(writer, STATEMENT_ROLLBACK);
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

int kv_batch_commit(struct kv_batch *batch)
{
    int r;

    if (batch->error != 0 || batch->n_changes == 0)
        return batch->error;
    pthread_mutex_lock(&batch->kv->writing);
    r = writer_commit(&batch->kv->writer, batch);
    if (r == KV_E_FULL && writer_restart_log(batch->kv))
        r = writer_commit(&batch->kv->writer, batch);
    pthread_mutex_unlock(&batch->kv->writing);
    return r;
}

static int writer_expire(struct connection *writer, unsigned limit)
{
    CLEANUP(statement_done) sqlite3_stmt *statement = NULL;
    int code, r = connection_statement(writer, STATEMENT_EXPIRE, &statement);

    if (r != 0)
        return r < 0 ? r : -ENOSPC;
    sqlite3_bind_int64(statement, 1, clock_wall_ms());
    sqlite3_bind_int64(statement, 2, limit);
    code = sqlite3_step(statement);
    return code == SQLITE_DONE ? sqlite3_changes(writer->db) : read_error(writer->db, code);
}

int kv_expire(struct kv *kv, unsigned limit)
{
    int r;

    pthread_mutex_lock(&kv->writing);
    r = writer_expire(&kv->writer, limit);
    pthread_mutex_unlock(&kv->writing);
    return r;
}

int kv_ping(struct kv *kv)
{
    struct connection *reader = reader_take(kv);
    int r = connection_run(reader, STATEMENT_PING);

    reader_give(kv, reader);
    if (r == 0)
        return 1;
    return r == KV_E_FULL ? -ENOSPC : r;
}

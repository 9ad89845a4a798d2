/* SPDX-License-Identifier: Apache-2.0 */
#include "store/database.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "store/kv.h"
#include "store/room.h"

#define BUSY_TIMEOUT_MS 5000 /* another process (a command-line tool) may be writing */
#define SCHEMA_VERSION  1
#define RESERVE_PAGES   256 /* unused ones of the database: 1 MiB */

/* Pages in memory. Beyond these the kernel's cache serves as well: more was measured to save no time. */
#define WRITER_CACHE     "PRAGMA cache_size = 64; "
#define READER_CACHE     "PRAGMA cache_size = 32; "
#define CHECKPOINT_CACHE "PRAGMA cache_size = 16; "

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

/* What SQLite got from the system tells more than its own code. */
int sqlite_outcome(sqlite3 *db, int code)
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

int sqlite_read_error(sqlite3 *db, int code)
{
    int r = sqlite_outcome(db, code);

    return kv_full_to_errno(r);
}

int database_statement(struct database *database, enum statement which, sqlite3_stmt **ret_statement)
{
    if (!database->statements[which]) {
        int code = sqlite3_prepare_v3(database->db, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT,
                                      &database->statements[which], NULL);

        if (code != SQLITE_OK)
            return sqlite_outcome(database->db, code);
    }
    *ret_statement = database->statements[which];
    return 0;
}

void database_statement_end(sqlite3_stmt **statement)
{
    if (*statement) {
        sqlite3_reset(*statement);
        sqlite3_clear_bindings(*statement);
    }
}

int database_run(struct database *database, enum statement which)
{
    CLEANUP(database_statement_end) sqlite3_stmt *statement = NULL;
    int code, r = database_statement(database, which, &statement);

    if (r != 0)
        return r;
    code = sqlite3_step(statement);
    return code == SQLITE_DONE || code == SQLITE_ROW ? 0 : sqlite_outcome(database->db, code);
}

void database_close(struct database *database)
{
    for (unsigned i = 0; i < STATEMENTS; i++)
        sqlite3_finalize(database->statements[i]);
    sqlite3_close(database->db);
    memset(database, 0, sizeof(*database));
}

static int open_with(struct database *database, const char *path, const char *settings)
{
    /* One user at a time (database.h): SQLite need not lock. */
    int code =
        sqlite3_open_v2(path, &database->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_busy_timeout(database->db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK)
        code = sqlite3_exec(database->db, settings, NULL, NULL, NULL);
    return code == SQLITE_OK ? 0 : sqlite_read_error(database->db, code);
}

/* The first value of the first row of a pragma, as text. */
static int database_pragma(struct database *database, const char *pragma, char *ret_text, size_t size)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(database->db, pragma, -1, &statement, NULL);

    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        snprintf(ret_text, size, "%s", (const char *)sqlite3_column_text(statement, 0));
    sqlite3_finalize(statement);
    return code == SQLITE_ROW ? 0 : sqlite_read_error(database->db, code == SQLITE_DONE ? SQLITE_ERROR : code);
}

static int make_schema(struct database *writer, char *error, size_t error_size)
{
    char text[32];
    int r = database_pragma(writer, "PRAGMA user_version", text, sizeof(text));

    if (r < 0)
        return r;
    if (strtol(text, NULL, 10) > SCHEMA_VERSION) {
        snprintf(error, error_size, "the database was made by a newer version of this program");
        return -EPROTO;
    }
    r = database_pragma(writer, "PRAGMA journal_mode = WAL", text, sizeof(text));
    if (r < 0)
        return r;
    if (strcmp(text, "wal") != 0) {
        snprintf(error, error_size, "the file system cannot hold a write-ahead log (no shared memory maps)");
        return -EOPNOTSUPP;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(schema_sql); i++) {
        int code = sqlite3_exec(writer->db, schema_sql[i], NULL, NULL, NULL);

        if (code != SQLITE_OK)
            return sqlite_read_error(writer->db, code);
    }
    return 0;
}

bool database_has_room(const struct database *writer)
{
    const char *path = sqlite3_db_filename(writer->db, NULL);

    return !path || room_is_left_at(path, ROOM_OF_RECORDS, 0);
}

/* On a full disk the log can be copied into the database and begin anew, if there are unused pages: that is what a
 * deletion needs to be written, and that makes room. Two transactions, or the pages would be made without their bytes.
 * Not begun on a disk where the second might fail: the first alone would take the last pages that there are. */
void database_reserve(struct database *writer)
{
    static const char reserve[] = "INSERT OR REPLACE INTO record VALUES ('reserve', zeroblob(4096 * %d), 1); "
                                  "DELETE FROM record WHERE key = 'reserve'; PRAGMA wal_checkpoint(PASSIVE)";
    char text[32], sql[sizeof(reserve) + 16];

    if (!database_has_room(writer) || database_pragma(writer, "PRAGMA freelist_count", text, sizeof(text)) < 0 ||
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

int database_open_writer(struct database *database, const char *path, char *error, size_t error_size)
{
    int r = make_private_file(path);

    if (r == 0)
        r = open_with(database, path,
                      WRITER_CACHE "PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0; "
                                   "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF");
    if (r == 0)
        r = make_schema(database, error, error_size);
    if (r == 0)
        database_reserve(database);
    return r;
}

int database_open_checkpointer(struct database *database, const char *path)
{
    return open_with(database, path, CHECKPOINT_CACHE "PRAGMA synchronous = NORMAL");
}

int database_open_reader(struct database *database, const char *path)
{
    return open_with(database, path, READER_CACHE "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF");
}

/* SPDX-License-Identifier: Apache-2.0 */
/* database.h -- one connection to the database of sqlite.c: settings, its schema, its statements, and what SQLite's
 * codes mean. Private to sqlite.c.
 *
 * A connection has one user at a time: who that is, sqlite.c's locks say. */
#pragma once

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>

/* By number; the texts stand in one table. */
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

struct database {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS]; /* prepared at first use */
};

/* Each opens the connection even on failure as far as it went, so that the caller can ask it for words; it is to be
 * closed in any case. Returns 0 or a negative errno. The writer makes the file and the schema; for what has no errno it
 * puts words into error. */
int database_open_writer(struct database *database, const char *path, char *error, size_t error_size);
int database_open_reader(struct database *database, const char *path);
int database_open_checkpointer(struct database *database, const char *path);

/* False if what the disk has left is for deletions. */
bool database_has_room(const struct database *writer);

/* Makes unused pages in the file, if it has few and the disk has room for them. */
void database_reserve(struct database *writer);

/* Accepts one that is all zeros, and leaves it so. */
void database_close(struct database *database);

/* A statement ready to be bound. database_statement_end() after use, so that it keeps neither a read transaction nor
 * borrowed texts. Returns as sqlite_outcome(). */
int database_statement(struct database *database, enum statement which, sqlite3_stmt **ret_statement);
void database_statement_end(sqlite3_stmt **statement);

/* Runs a statement without parameters or results. Returns as sqlite_outcome(). */
int database_run(struct database *database, enum statement which);

/* A result code of SQLite as KV_E_FULL or a negative errno; the second for what changes nothing and so has no such
 * outcome. */
int sqlite_outcome(sqlite3 *db, int code);
int sqlite_read_error(sqlite3 *db, int code);

/* SPDX-License-Identifier: Apache-2.0 */
/* file_fixture.h -- short verbs for files in sessions, on top of a fresh store. */
#pragma once

#include "domain_fixture.h"

#include <time.h>

#define MANY (INT64_C(1) << 40)

/* Stores text as a blob of the session and fills a record of it, not yet added. */
static inline struct file_record prepare(struct fixture *fixture, const char *session_id, const char *name,
                                         const char *text)
{
    struct file_record record = { .origin = FILE_UPLOAD };
    struct blob_writer *writer;

    snprintf(record.session_id, sizeof(record.session_id), "%s", session_id);
    snprintf(record.name, sizeof(record.name), "%s", name);
    snprintf(record.original_name, sizeof(record.original_name), "%s", name);
    strcpy(record.content_type, "text/plain");
    assert_int_equal(blob_writer_new(fixture->blobs, session_id, false, MANY, &writer), 0);
    assert_int_equal(blob_writer_append(writer, text, strlen(text)), 0);
    assert_int_equal(blob_writer_commit(writer, record.blob, record.sha256, &record.size_bytes), 0);
    blob_writer_free(writer);
    return record;
}

static inline struct file_record add(struct fixture *fixture, const char *session_id, const char *name,
                                     const char *text)
{
    struct file_record record = prepare(fixture, session_id, name, text);

    assert_int_equal(file_add(fixture->kv, &record, 1), 0);
    return record;
}

static inline bool has_bytes(struct fixture *fixture, const struct file_record *record)
{
    int64_t size;
    int fd, r = blob_open(fixture->blobs, record->blob, &fd, &size);

    if (r == 0)
        close(fd);
    assert_true(r == 0 || r == BLOB_E_NOT_FOUND);
    return r == 0;
}

static inline int get(struct fixture *fixture, const char *session_id, const char *file_id)
{
    struct file_record record;

    return file_get(fixture->kv, TENANT, session_id, file_id, &record);
}

static inline int drop(struct fixture *fixture, const struct file_record *record)
{
    struct file_record deleted;
    int r = file_delete(fixture->kv, fixture->blobs, TENANT, record->session_id, record->id, &deleted);

    if (r == 0) {
        assert_string_equal(deleted.id, record->id);
        assert_string_equal(deleted.name, record->name);
    }
    return r;
}

/* The only file of a session. */
static inline struct file_record only(struct fixture *fixture, const char *session_id)
{
    struct file_record *records, record;
    size_t n;

    assert_int_equal(file_list(fixture->kv, TENANT, session_id, &records, &n), 0);
    assert_int_equal(n, 1);
    record = records[0];
    free(records);
    return record;
}

static inline size_t count(struct fixture *fixture, const char *session_id)
{
    struct file_record *records;
    size_t n;

    assert_int_equal(file_list(fixture->kv, TENANT, session_id, &records, &n), 0);
    free(records);
    return n;
}

static inline unsigned sweep(struct fixture *fixture)
{
    unsigned n = 99;

    assert_int_equal(file_sweep(fixture->kv, fixture->blobs, 100, &n), 0);
    return n;
}

/* Makes the blob two hours old. */
static inline void age(struct fixture *fixture, const struct file_record *record)
{
    const struct timespec past[2] = { { .tv_sec = time(NULL) - 7200 }, { .tv_sec = time(NULL) - 7200 } };
    char path[256];

    snprintf(path, sizeof(path), "%s/blobs/objects/%.2s/%s", fixture->scratch->path, record->blob, record->blob);
    assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
}

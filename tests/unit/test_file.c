/* SPDX-License-Identifier: Apache-2.0 */
#include "domain_fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <time.h>

#include "domain/limits.h"
#include "domain/record.h"

#define MANY (INT64_C(1) << 40)

/* Stores text as a blob of the session and fills a record of it, not yet added. */
static struct file_record prepare(struct fixture *fixture, const char *session_id, const char *name, const char *text)
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

static struct file_record add(struct fixture *fixture, const char *session_id, const char *name, const char *text)
{
    struct file_record record = prepare(fixture, session_id, name, text);

    assert_int_equal(file_add(fixture->kv, &record, 1), 0);
    return record;
}

static bool has_bytes(struct fixture *fixture, const struct file_record *record)
{
    int64_t size;
    int fd, r = blob_open(fixture->blobs, record->blob, &fd, &size);

    if (r == 0)
        close(fd);
    assert_true(r == 0 || r == BLOB_E_NOT_FOUND);
    return r == 0;
}

static int get(struct fixture *fixture, const char *session_id, const char *file_id)
{
    struct file_record record;

    return file_get(fixture->kv, TENANT, session_id, file_id, &record);
}

static int delete (struct fixture *fixture, const struct file_record *record)
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
static struct file_record only(struct fixture *fixture, const char *session_id)
{
    struct file_record *records, record;
    size_t n;

    assert_int_equal(file_list(fixture->kv, TENANT, session_id, &records, &n), 0);
    assert_int_equal(n, 1);
    record = records[0];
    free(records);
    return record;
}

static size_t count(struct fixture *fixture, const char *session_id)
{
    struct file_record *records;
    size_t n;

    assert_int_equal(file_list(fixture->kv, TENANT, session_id, &records, &n), 0);
    free(records);
    return n;
}

static unsigned sweep(struct fixture *fixture)
{
    unsigned n = 99;

    assert_int_equal(file_sweep(fixture->kv, fixture->blobs, 100, &n), 0);
    return n;
}

/* Makes the blob two hours old. */
static void age(struct fixture *fixture, const struct file_record *record)
{
    const struct timespec past[2] = { { .tv_sec = time(NULL) - 7200 }, { .tv_sec = time(NULL) - 7200 } };
    char path[256];

    snprintf(path, sizeof(path), "%s/blobs/objects/%.2s/%s", fixture->scratch->path, record->blob, record->blob);
    assert_int_equal(utimensat(AT_FDCWD, path, past, 0), 0);
}

static void a_record_is_read_back_whole(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = prepare(fixture, session.id, "dir/résumé_表.pdf", "x"), read;

    snprintf(record.original_name, sizeof(record.original_name), "dir/r\xc3\xa9sum\xc3\xa9 \xe8\xa1\xa8 \"(1)\".pdf");
    record.origin = FILE_OUTPUT;
    record.read_only = record.infrastructure = record.has_version = true;
    record.version = INT64_MIN;
    strcpy(record.resource_id, "res");
    strcpy(record.kind, "skill");
    assert_int_equal(file_add(fixture->kv, &record, 1), 0);
    memset(&read, 0xff, sizeof(read));
    assert_int_equal(file_get(fixture->kv, TENANT, session.id, record.id, &read), 0);
    assert_string_equal(read.id, record.id);
    assert_string_equal(read.session_id, session.id);
    assert_string_equal(read.name, record.name);
    assert_string_equal(read.original_name, record.original_name);
    assert_string_equal(read.content_type, "text/plain");
    assert_string_equal(read.blob, record.blob);
    assert_string_equal(read.sha256, record.sha256);
    assert_string_equal(read.resource_id, "res");
    assert_string_equal(read.kind, "skill");
    assert_string_equal(read.source_id, "");
    assert_int_equal(read.size_bytes, 1);
    assert_int_equal(read.created_ms, record.created_ms);
    assert_int_equal(read.sequence, record.sequence);
    assert_int_equal(read.origin, FILE_OUTPUT);
    assert_true(read.read_only && read.infrastructure && read.has_version);
    assert_true(read.version == INT64_MIN);
}

static void what_is_no_utf8_is_kept_as_question_marks(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = prepare(fixture, session.id, "a.txt", "x"), read;

    strcpy(record.resource_id, "r\xff\xfe\xc3");
    assert_int_equal(file_add(fixture->kv, &record, 1), 0);
    assert_int_equal(file_get(fixture->kv, TENANT, session.id, record.id, &read), 0);
    assert_string_equal(read.resource_id, "r???");
}

static void unsound_records_are_not_added(void **state)
{
    static const char *const names[] = { "", "/etc/passwd", "../x", "a/../b", "a//b", "a\\b", "./a", "a/" };
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record good = prepare(fixture, session.id, "good", "x"), records[2];

    for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        records[0] = records[1] = good;
        snprintf(records[1].name, sizeof(records[1].name), "%s", names[i]);
        assert_int_equal(file_add(fixture->kv, records, 2), -EINVAL);
    }
    records[0] = records[1] = good;
    strcpy(records[1].blob, "../../kv.db");
    assert_int_equal(file_add(fixture->kv, records, 2), -EINVAL);
    records[1] = good;
    records[1].original_name[0] = '\0';
    assert_int_equal(file_add(fixture->kv, records, 2), -EINVAL);
    assert_int_equal(count(fixture, session.id), 0);
    assert_int_equal(file_add(fixture->kv, records, 0), 0);
}

static void files_are_added_to_living_sessions_only(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = prepare(fixture, session.id, "a", "x");

    expire_session(fixture, session.id);
    assert_int_equal(file_add(fixture->kv, &record, 1), -ENOENT);
    strcpy(record.session_id, "never-made");
    assert_int_equal(file_add(fixture->kv, &record, 1), -ENOENT);
}

static void the_list_is_in_order_of_creation(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record *records, three[3];
    size_t n;

    for (int i = 0; i < 3; i++)
        three[i] = prepare(fixture, session.id, "same.txt", "x");
    add(fixture, session.id, "z", "1");
    assert_int_equal(file_add(fixture->kv, three, 3), 0);
    add(fixture, session.id, "a", "2");
    assert_int_equal(file_list(fixture->kv, TENANT, session.id, &records, &n), 0);
    assert_int_equal(n, 5);
    assert_string_equal(records[0].name, "z");
    for (int i = 0; i < 3; i++)
        assert_string_equal(records[1 + i].id, three[i].id);
    assert_string_equal(records[4].name, "a");
    for (int i = 1; i < 5; i++)
        assert_true(records[i].sequence > records[i - 1].sequence);
    free(records);
}

static void unknown_expired_and_foreign_sessions_are_empty(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = add(fixture, session.id, "a", "x"), *records;
    size_t n = 9;

    assert_int_equal(count(fixture, "func-test-1a2b3c4d5e6f"), 0);
    assert_int_equal(file_list(fixture->kv, "other", session.id, &records, &n), 0);
    assert_int_equal(n, 0);
    assert_null(records);
    assert_int_equal(file_get(fixture->kv, "other", session.id, record.id, &record), FILE_E_NOT_FOUND);
    assert_int_equal(file_delete(fixture->kv, fixture->blobs, "other", session.id, record.id, &record),
                     FILE_E_NOT_FOUND);
    assert_int_equal(get(fixture, session.id, "unknown"), FILE_E_NOT_FOUND);
    assert_int_equal(get(fixture, session.id, session.id), FILE_E_NOT_FOUND);
    expire_session(fixture, session.id);
    assert_int_equal(count(fixture, session.id), 0);
    assert_int_equal(get(fixture, session.id, record.id), FILE_E_NOT_FOUND);
    assert_int_equal(delete (fixture, &record), FILE_E_NOT_FOUND);
}

static void a_reference_resolves_by_id_then_by_newest_name(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record first = add(fixture, session.id, "data.csv", "1");
    struct file_record second = add(fixture, session.id, "data.csv", "2");
    struct file_record found;

    assert_int_equal(file_resolve(fixture->kv, TENANT, session.id, first.id, "other.csv", &found), 0);
    assert_string_equal(found.id, first.id);
    assert_int_equal(file_resolve(fixture->kv, TENANT, session.id, "gone", "data.csv", &found), 0);
    assert_string_equal(found.id, second.id);
    assert_int_equal(file_resolve(fixture->kv, TENANT, session.id, NULL, "data.csv", &found), 0);
    assert_int_equal(file_resolve(fixture->kv, TENANT, session.id, "gone", "Data.csv", &found), FILE_E_NOT_FOUND);
    assert_int_equal(file_resolve(fixture->kv, TENANT, session.id, "gone", "", &found), FILE_E_NOT_FOUND);
    assert_int_equal(file_resolve(fixture->kv, TENANT, session.id, "gone", NULL, &found), FILE_E_NOT_FOUND);
    assert_int_equal(file_resolve(fixture->kv, "other", session.id, first.id, "data.csv", &found), FILE_E_NOT_FOUND);
    assert_int_equal(file_resolve(fixture->kv, TENANT, "unknown", first.id, "data.csv", &found), FILE_E_NOT_FOUND);
}

static void an_alias_copies_its_source(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, "agent", NULL, TTL_MS),
                   run = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record source = prepare(fixture, upload.id, "a b.txt", "bytes"), alias;

    source.read_only = true;
    assert_int_equal(file_add(fixture->kv, &source, 1), 0);
    assert_int_equal(file_alias(fixture->kv, run.id, &source), 0);
    assert_int_equal(file_alias(fixture->kv, run.id, &source), 0); /* kept, not doubled */
    alias = only(fixture, run.id);
    assert_string_not_equal(alias.id, source.id);
    assert_string_equal(alias.session_id, run.id);
    assert_string_equal(alias.source_id, source.id);
    assert_string_equal(alias.source_session_id, upload.id);
    assert_string_equal(alias.name, source.name);
    assert_string_equal(alias.original_name, source.original_name);
    assert_string_equal(alias.content_type, source.content_type);
    assert_string_equal(alias.blob, source.blob);
    assert_int_equal(alias.size_bytes, source.size_bytes);
    assert_int_equal(alias.origin, FILE_ALIAS);
    assert_true(alias.read_only);
    assert_true(alias.sequence > source.sequence);
    /* A session's own file needs none. */
    assert_int_equal(file_alias(fixture->kv, upload.id, &source), 0);
    assert_int_equal(count(fixture, upload.id), 1);
}

static void a_deleted_alias_can_be_made_again(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, NULL, NULL, TTL_MS), run = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record source = add(fixture, upload.id, "a", "bytes"), alias;

    assert_int_equal(file_alias(fixture->kv, run.id, &source), 0);
    alias = only(fixture, run.id);
    assert_int_equal(delete (fixture, &alias), 0);
    assert_int_equal(count(fixture, run.id), 0);
    assert_true(has_bytes(fixture, &source));
    assert_int_equal(file_alias(fixture->kv, run.id, &source), 0);
    assert_string_not_equal(only(fixture, run.id).id, alias.id);
}

static void bytes_go_with_the_last_record(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, NULL, NULL, TTL_MS), one = make_session(fixture, NULL, NULL, TTL_MS),
                   two = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record source = add(fixture, upload.id, "a", "bytes"), alias;

    assert_int_equal(file_alias(fixture->kv, one.id, &source), 0);
    alias = only(fixture, one.id);
    assert_int_equal(file_alias(fixture->kv, two.id, &alias), 0); /* an alias of an alias */
    assert_int_equal(delete (fixture, &source), 0);
    assert_int_equal(delete (fixture, &source), FILE_E_NOT_FOUND);
    assert_true(has_bytes(fixture, &alias));
    assert_int_equal(delete (fixture, &alias), 0);
    assert_true(has_bytes(fixture, &alias));
    alias = only(fixture, two.id);
    assert_int_equal(delete (fixture, &alias), 0);
    assert_false(has_bytes(fixture, &alias));
}

static void a_source_that_is_gone_gets_no_alias(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, NULL, NULL, TTL_MS), run = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record deleted = add(fixture, upload.id, "a", "1"), expired = add(fixture, upload.id, "b", "2");

    assert_int_equal(delete (fixture, &deleted), 0);
    assert_int_equal(file_alias(fixture->kv, run.id, &deleted), 0);
    expire_session(fixture, upload.id);
    assert_int_equal(file_alias(fixture->kv, run.id, &expired), 0);
    assert_int_equal(count(fixture, run.id), 0);
    assert_int_equal(file_alias(fixture->kv, "no-such", &expired), -EINVAL);
    assert_int_equal(file_alias(fixture->kv, upload.id, &(struct file_record){ 0 }), 0);
}

static void one_blob_of_two_records_stays_for_the_second(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record first = add(fixture, session.id, "a", "same"), second = add(fixture, session.id, "b", "same");

    assert_string_equal(first.blob, second.blob);
    assert_int_equal(delete (fixture, &first), 0);
    assert_true(has_bytes(fixture, &second));
    assert_int_equal(delete (fixture, &second), 0);
    /* Stored twice a moment ago, so a third may be coming; the sweep will look again. */
    assert_true(has_bytes(fixture, &second));
    fixture_close(fixture);
    fixture_open(fixture);
    age(fixture, &second);
    assert_int_equal(sweep(fixture), 0);
    assert_false(has_bytes(fixture, &second));
}

static void the_sweep_takes_expired_sessions_whole(void **state)
{
    struct fixture *fixture = *state;
    struct session gone = make_session(fixture, "agent", "u", TTL_MS),
                   stays = make_session(fixture, "agent", "u", TTL_MS);
    struct file_record gone_file, stays_file = add(fixture, stays.id, "a", "x");
    struct kv_member *members;
    size_t n;

    for (int i = 0; i < 3 * LIMIT_SWEEP_FILES / 2; i++) {
        char text[16];

        snprintf(text, sizeof(text), "%d", i);
        gone_file = add(fixture, gone.id, "a", text);
    }
    assert_int_equal(file_alias(fixture->kv, gone.id, &stays_file), 0);
    expire_session(fixture, gone.id);
    assert_int_equal(sweep(fixture), 1);
    assert_int_equal(sweep(fixture), 0);
    assert_false(has_bytes(fixture, &gone_file));
    assert_true(has_bytes(fixture, &stays_file));
    assert_int_equal(get(fixture, stays.id, stays_file.id), 0);
    /* Nothing of it is left in any set. */
    const struct record_name sets[] = { record_set_files(gone.id), record_set_blob(gone_file.blob) };
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(kv_members(fixture->kv, sets[i].text, 0, 1e18, KV_ASCENDING, 9, &members, &n), 0);
        assert_int_equal(n, 0);
        free(members);
    }
    const struct record_name with_stays[] = { record_set_entity(TENANT, "agent"),
                                              record_set_entity_user(TENANT, "agent", "u"),
                                              { RECORD_SESSIONS } };
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(kv_members(fixture->kv, with_stays[i].text, 0, 1e18, KV_ASCENDING, 9, &members, &n), 0);
        assert_int_equal(n, 1);
        assert_string_equal(members[0].name, stays.id);
        free(members);
    }
    assert_int_equal(delete (fixture, &stays_file), 0);
    assert_false(has_bytes(fixture, &stays_file)); /* the swept alias has no claim */
}

static void an_alias_outlives_its_sources_session(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, NULL, NULL, TTL_MS), run = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record source = add(fixture, upload.id, "a", "bytes"), other = add(fixture, upload.id, "b", "others"),
                       alias;

    assert_int_equal(file_alias(fixture->kv, run.id, &source), 0);
    expire_session(fixture, upload.id);
    assert_int_equal(sweep(fixture), 1);
    alias = only(fixture, run.id);
    assert_true(has_bytes(fixture, &alias));
    assert_false(has_bytes(fixture, &other));
    age(fixture, &alias);
    assert_int_equal(sweep(fixture), 0);
    assert_true(has_bytes(fixture, &alias));
    expire_session(fixture, run.id);
    assert_int_equal(sweep(fixture), 1);
    assert_false(has_bytes(fixture, &alias));
}

static void a_blob_of_many_records_is_swept_too(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS),
                   other = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = prepare(fixture, session.id, "a", "x"),
                       foreign = prepare(fixture, session.id, "b", "y");

    for (int i = 0; i < 3 * LIMIT_SWEEP_FILES; i++) {
        assert_int_equal(file_add(fixture->kv, &record, 1), 0);
        assert_int_equal(file_add(fixture->kv, &foreign, 1), 0);
    }
    assert_int_equal(file_alias(fixture->kv, other.id, &foreign), 0);
    expire_session(fixture, session.id);
    assert_int_equal(sweep(fixture), 1);
    assert_false(has_bytes(fixture, &record));
    assert_true(has_bytes(fixture, &foreign));
}

static void the_sweep_does_not_take_more_than_asked(void **state)
{
    struct fixture *fixture = *state;
    unsigned n;

    for (int i = 0; i < 5; i++)
        make_session(fixture, NULL, NULL, -1);
    assert_int_equal(file_sweep(fixture->kv, fixture->blobs, 3, &n), 0);
    assert_int_equal(n, 3);
    assert_int_equal(file_sweep(fixture->kv, fixture->blobs, 3, &n), 0);
    assert_int_equal(n, 2);
}

static void blobs_that_never_got_a_record_are_swept_when_old(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record orphan = prepare(fixture, session.id, "a", "lost"), used = add(fixture, session.id, "b", "used");

    assert_int_equal(sweep(fixture), 0);
    assert_true(has_bytes(fixture, &orphan));
    age(fixture, &orphan);
    age(fixture, &used);
    assert_int_equal(sweep(fixture), 0);
    assert_false(has_bytes(fixture, &orphan));
    assert_true(has_bytes(fixture, &used));
}

static void a_damaged_record_is_absent_and_swept(void **state)
{
    static const char *const damage[] = { "", "{}", "[1]", "\xff", "{\"origin\":\"upload\",\"name\":\"../x\"}" };
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        struct session session = make_session(fixture, NULL, NULL, TTL_MS);
        struct file_record record = add(fixture, session.id, "a", "x"), good = add(fixture, session.id, "b", "y");

        overwrite(fixture, record_file(session.id, record.id).text, damage[i]);
        assert_int_equal(get(fixture, session.id, record.id), FILE_E_NOT_FOUND);
        assert_string_equal(only(fixture, session.id).id, good.id);
        assert_int_equal(delete (fixture, &record), FILE_E_NOT_FOUND);
        expire_session(fixture, session.id);
        age(fixture, &record);
        assert_int_equal(sweep(fixture), 1);
        assert_false(has_bytes(fixture, &record)); /* its claim was found void */
        assert_false(has_bytes(fixture, &good));
    }
}

static void a_damaged_session_is_swept_with_its_files(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = add(fixture, session.id, "a", "x");

    expire_session(fixture, session.id);
    overwrite(fixture, record_session(session.id).text, "damaged");
    assert_int_equal(sweep(fixture), 1);
    assert_false(has_bytes(fixture, &record));
}

static void lost_bytes_do_not_stop_anything(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = add(fixture, session.id, "a", "x");

    assert_int_equal(blob_delete(fixture->blobs, record.blob), 0);
    assert_int_equal(get(fixture, session.id, record.id), 0);
    assert_int_equal(delete (fixture, &record), 0);
}

static void run_sql(struct fixture *fixture, const char *sql)
{
    sqlite3 *db;

    assert_int_equal(sqlite3_open(scratch_path(fixture->scratch, "kv.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Without its scores no set can be read, but names can be taken out of it. */
static void what_cannot_be_read_after_a_deletion_does_not_undo_it(void **state)
{
    struct fixture *fixture = *state;
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record record = add(fixture, session.id, "a", "x");

    run_sql(fixture, "ALTER TABLE member RENAME COLUMN score TO away");
    assert_int_equal(delete (fixture, &record), 0);
    run_sql(fixture, "ALTER TABLE member RENAME COLUMN away TO score");
    assert_int_equal(get(fixture, session.id, record.id), FILE_E_NOT_FOUND);
    assert_true(has_bytes(fixture, &record));
    age(fixture, &record);
    assert_int_equal(sweep(fixture), 0);
    assert_false(has_bytes(fixture, &record));
}

struct announcement {
    char session_id[ID_SIZE], file_id[ID_SIZE];
    char blob[BLOB_KEY_SIZE];
};

/* Uploads, aliases and deletes at full speed; announces each upload that was answered. */
static void work_until_killed(void *context, int fd)
{
    struct fixture *fixture = context, child = { .scratch = fixture->scratch };

    fixture_open(&child);
    for (unsigned i = 0;; i++) {
        struct session upload = make_session(&child, NULL, NULL, TTL_MS),
                       run = make_session(&child, "agent", NULL, TTL_MS);
        char text[32];
        struct announcement announcement;
        struct file_record kept, source;

        snprintf(text, sizeof(text), "contents %u", i);
        kept = add(&child, run.id, "kept", text);
        source = add(&child, upload.id, "source", text);
        if (file_alias(child.kv, run.id, &source) != 0 || delete (&child, &source) != 0)
            _exit(1);
        memcpy(announcement.session_id, kept.session_id, ID_SIZE);
        memcpy(announcement.file_id, kept.id, ID_SIZE);
        memcpy(announcement.blob, source.blob, BLOB_KEY_SIZE);
        if (write(fd, &announcement, sizeof(announcement)) != sizeof(announcement))
            _exit(1);
    }
}

static void check_announced(struct fixture *fixture, const struct announcement *announcement)
{
    struct file_record *records;
    size_t n;

    assert_int_equal(get(fixture, announcement->session_id, announcement->file_id), 0);
    assert_int_equal(file_list(fixture->kv, TENANT, announcement->session_id, &records, &n), 0);
    assert_int_equal(n, 2);
    assert_true(has_bytes(fixture, &records[0]));
    assert_true(has_bytes(fixture, &records[1]));
    assert_string_equal(records[1].blob, announcement->blob);
    free(records);
}

static void a_kill_loses_nothing_that_was_answered(void **state)
{
    struct fixture *fixture = *state;

    for (int round = 0; round < 3; round++) {
        char *announcements;
        size_t n;

        fixture_close(fixture);
        n = scratch_kill_during(work_until_killed, fixture, sizeof(struct announcement), 200000 + 31000 * round,
                                &announcements);
        fixture_open(fixture);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            check_announced(fixture, (const struct announcement *)announcements + i);
        free(announcements);
    }
}

#define THREADS 8

struct hammer {
    struct fixture *fixture;
    unsigned number;
    struct session *shared;
    int failure;
};

/* Threads upload, alias each other's newest files into a shared session, delete their sources and sweep, all at once.
 */
static void *hammer_main(void *context)
{
    struct hammer *hammer = context;
    struct fixture *fixture = hammer->fixture;

    for (unsigned i = 0; i < 12; i++) {
        struct session session = make_session(fixture, NULL, NULL, TTL_MS);
        char text[32];
        struct file_record record;
        unsigned n;

        snprintf(text, sizeof(text), "%u %u", hammer->number, i);
        record = add(fixture, session.id, "file", text);
        if (file_alias(fixture->kv, hammer->shared->id, &record) != 0)
            hammer->failure = 1;
        if (i % 2 == 0 && delete (fixture, &record) != 0)
            hammer->failure = 2;
        if (i % 2 == 1)
            expire_session(fixture, session.id);
        if (file_sweep(fixture->kv, fixture->blobs, 10, &n) != 0)
            hammer->failure = 3;
    }
    return NULL;
}

static void eight_threads_lose_no_alias(void **state)
{
    struct fixture *fixture = *state;
    struct session shared = make_session(fixture, NULL, NULL, TTL_MS);
    struct hammer hammers[THREADS];
    pthread_t threads[THREADS];
    struct file_record *records;
    size_t n;

    for (unsigned i = 0; i < THREADS; i++) {
        hammers[i] = (struct hammer){ .fixture = fixture, .number = i, .shared = &shared };
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(hammers[i].failure, 0);
    }
    assert_int_equal(file_list(fixture->kv, TENANT, shared.id, &records, &n), 0);
    assert_int_equal(n, THREADS * 12);
    for (size_t i = 0; i < n; i++)
        assert_true(has_bytes(fixture, &records[i]));
    free(records);
}

/* One file, and what two or more threads do to it at the same moment. */
struct duel {
    struct fixture *fixture;
    pthread_barrier_t start;
    char session_id[ID_SIZE]; /* that gets the alias */
    struct file_record source;
    int r;
};

static void *duel_alias(void *context)
{
    struct duel *duel = context;

    pthread_barrier_wait(&duel->start);
    if (file_alias(duel->fixture->kv, duel->session_id, &duel->source) != 0)
        duel->r = 1;
    return NULL;
}

static void *duel_delete(void *context)
{
    struct duel *duel = context;

    pthread_barrier_wait(&duel->start);
    if (delete (duel->fixture, &duel->source) != 0)
        duel->r = 2;
    return NULL;
}

/* Expires the source's session and sweeps it. */
static void *duel_sweep(void *context)
{
    struct duel *duel = context;
    unsigned n;

    pthread_barrier_wait(&duel->start);
    if (session_touch(duel->fixture->kv, duel->source.session_id, -1) != 0 ||
        file_sweep(duel->fixture->kv, duel->fixture->blobs, 100, &n) != 0)
        duel->r = 3;
    return NULL;
}

static void fight(struct duel *duel, void *(*const *sides)(void *), unsigned n)
{
    pthread_t threads[THREADS];

    pthread_barrier_init(&duel->start, NULL, n);
    for (unsigned i = 0; i < n; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, sides[i], duel), 0);
    for (unsigned i = 0; i < n; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&duel->start);
    assert_int_equal(duel->r, 0);
}

/* Whoever is first: an alias that was made has its bytes. */
static void no_alias_loses_its_bytes(struct fixture *fixture, void *(*against)(void *))
{
    void *(*const sides[])(void *) = { duel_alias, against };

    for (unsigned round = 0; round < 60; round++) {
        struct session upload = make_session(fixture, NULL, NULL, TTL_MS),
                       run = make_session(fixture, NULL, NULL, TTL_MS);
        struct duel duel = { .fixture = fixture, .source = add(fixture, upload.id, "file", "bytes") };
        struct file_record *records;
        size_t n;

        memcpy(duel.session_id, run.id, ID_SIZE);
        fight(&duel, sides, 2);
        assert_int_equal(file_list(fixture->kv, TENANT, run.id, &records, &n), 0);
        assert_in_range(n, 0, 1);
        assert_true(has_bytes(fixture, &duel.source) == (n == 1));
        free(records);
    }
}

static void an_alias_is_made_while_its_source_is_deleted(void **state)
{
    no_alias_loses_its_bytes(*state, duel_delete);
}

static void an_alias_is_made_while_its_source_is_swept(void **state)
{
    no_alias_loses_its_bytes(*state, duel_sweep);
}

static void concurrent_runs_make_one_alias(void **state)
{
    void *(*const sides[])(void *) = { duel_alias, duel_alias, duel_alias, duel_alias };
    struct fixture *fixture = *state;

    for (unsigned round = 0; round < 20; round++) {
        struct session upload = make_session(fixture, NULL, NULL, TTL_MS),
                       run = make_session(fixture, NULL, NULL, TTL_MS);
        struct duel duel = { .fixture = fixture, .source = add(fixture, upload.id, "file", "bytes") };

        memcpy(duel.session_id, run.id, ID_SIZE);
        fight(&duel, sides, 4);
        assert_int_equal(count(fixture, run.id), 1);
    }
}

static void the_sweep_makes_room_on_a_full_disk(void **state)
{
    struct scratch scratch;
    struct fixture fixture = { .scratch = &scratch };
    struct session session;
    struct file_record record;
    static char big[200001];
    struct session probe;
    unsigned n;
    int r = 0;

    scratch = *((struct fixture *)*state)->scratch;
    snprintf(scratch.path + strlen(scratch.path), sizeof(scratch.path) - strlen(scratch.path), "/small");
    assert_int_equal(mkdir(scratch.path, 0700), 0);
    scratch_limit(&scratch, "size=4m");
    fixture_open(&fixture);
    memset(big, 'b', sizeof(big) - 1);
    session = make_session(&fixture, NULL, NULL, 1500);
    record = add(&fixture, session.id, "big", big);
    scratch_fill(scratch_path(&scratch, "ballast"));
    while (r == 0)
        r = session_create(fixture.kv, TENANT, NULL, NULL, TTL_MS, &probe);
    assert_int_equal(r, -ENOSPC);
    usleep(1510000);
    assert_int_equal(file_sweep(fixture.kv, fixture.blobs, 100, &n), 0);
    assert_int_equal(n, 1);
    assert_false(has_bytes(&fixture, &record));
    assert_int_equal(session_create(fixture.kv, TENANT, NULL, NULL, TTL_MS, &probe), 0);
    fixture_close(&fixture);
    umount2(scratch.path, MNT_DETACH);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_record_is_read_back_whole),
        TEST(what_is_no_utf8_is_kept_as_question_marks),
        TEST(unsound_records_are_not_added),
        TEST(files_are_added_to_living_sessions_only),
        TEST(the_list_is_in_order_of_creation),
        TEST(unknown_expired_and_foreign_sessions_are_empty),
        TEST(a_reference_resolves_by_id_then_by_newest_name),
        TEST(an_alias_copies_its_source),
        TEST(a_deleted_alias_can_be_made_again),
        TEST(bytes_go_with_the_last_record),
        TEST(a_source_that_is_gone_gets_no_alias),
        TEST(one_blob_of_two_records_stays_for_the_second),
        TEST(the_sweep_takes_expired_sessions_whole),
        TEST(an_alias_outlives_its_sources_session),
        TEST(a_blob_of_many_records_is_swept_too),
        TEST(the_sweep_does_not_take_more_than_asked),
        TEST(blobs_that_never_got_a_record_are_swept_when_old),
        TEST(a_damaged_record_is_absent_and_swept),
        TEST(a_damaged_session_is_swept_with_its_files),
        TEST(lost_bytes_do_not_stop_anything),
        TEST(what_cannot_be_read_after_a_deletion_does_not_undo_it),
        TEST(a_kill_loses_nothing_that_was_answered),
        TEST(eight_threads_lose_no_alias),
        TEST(an_alias_is_made_while_its_source_is_deleted),
        TEST(an_alias_is_made_while_its_source_is_swept),
        TEST(concurrent_runs_make_one_alias),
        TEST(the_sweep_makes_room_on_a_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

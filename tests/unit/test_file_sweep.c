/* SPDX-License-Identifier: Apache-2.0 */
/* test_file_sweep.c -- what goes by itself: expired sessions, bytes without a record, damaged records; and a full disk.
 */
#include "file_fixture.h"

#include <sqlite3.h>

#include "domain/limits.h"
#include "domain/record.h"

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
    assert_int_equal(drop(fixture, &stays_file), 0);
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
        assert_int_equal(drop(fixture, &record), FILE_E_NOT_FOUND);
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
    assert_int_equal(drop(fixture, &record), 0);
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
    assert_int_equal(drop(fixture, &record), 0);
    run_sql(fixture, "ALTER TABLE member RENAME COLUMN away TO score");
    assert_int_equal(get(fixture, session.id, record.id), FILE_E_NOT_FOUND);
    assert_true(has_bytes(fixture, &record));
    age(fixture, &record);
    assert_int_equal(sweep(fixture), 0);
    assert_false(has_bytes(fixture, &record));
}

static void the_sweep_makes_room_on_a_full_disk(void **state)
{
    struct scratch scratch;
    struct fixture fixture;
    struct session session;
    struct file_record record;
    static char big[200001];
    struct session probe;
    unsigned n;
    int r = 0;

    fixture_open_small(&fixture, &scratch, *state, "size=4m");
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
    fixture_close_small(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_sweep_takes_expired_sessions_whole),
        TEST(an_alias_outlives_its_sources_session),
        TEST(a_blob_of_many_records_is_swept_too),
        TEST(the_sweep_does_not_take_more_than_asked),
        TEST(blobs_that_never_got_a_record_are_swept_when_old),
        TEST(a_damaged_record_is_absent_and_swept),
        TEST(a_damaged_session_is_swept_with_its_files),
        TEST(lost_bytes_do_not_stop_anything),
        TEST(what_cannot_be_read_after_a_deletion_does_not_undo_it),
        TEST(the_sweep_makes_room_on_a_full_disk),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

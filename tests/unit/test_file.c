/* SPDX-License-Identifier: Apache-2.0 */
#include "file_fixture.h"

#include "domain/record.h"

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
    assert_int_equal(drop(fixture, &record), FILE_E_NOT_FOUND);
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
    assert_int_equal(drop(fixture, &alias), 0);
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
    assert_int_equal(drop(fixture, &source), 0);
    assert_int_equal(drop(fixture, &source), FILE_E_NOT_FOUND);
    assert_true(has_bytes(fixture, &alias));
    assert_int_equal(drop(fixture, &alias), 0);
    assert_true(has_bytes(fixture, &alias));
    alias = only(fixture, two.id);
    assert_int_equal(drop(fixture, &alias), 0);
    assert_false(has_bytes(fixture, &alias));
}

static void a_source_that_is_gone_gets_no_alias(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, NULL, NULL, TTL_MS), run = make_session(fixture, NULL, NULL, TTL_MS);
    struct file_record deleted = add(fixture, upload.id, "a", "1"), expired = add(fixture, upload.id, "b", "2");

    assert_int_equal(drop(fixture, &deleted), 0);
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
    assert_int_equal(drop(fixture, &first), 0);
    assert_true(has_bytes(fixture, &second));
    assert_int_equal(drop(fixture, &second), 0);
    /* Stored twice a moment ago, so a third may be coming; the sweep will look again. */
    assert_true(has_bytes(fixture, &second));
    fixture_close(fixture);
    fixture_open(fixture);
    age(fixture, &second);
    assert_int_equal(sweep(fixture), 0);
    assert_false(has_bytes(fixture, &second));
}

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
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

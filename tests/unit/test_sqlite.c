/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "store/kv.h"

static struct kv *open_kv(const struct scratch *scratch)
{
    struct kv *kv = NULL;
    char error[256];

    assert_int_equal(kv_open_sqlite(scratch_path(scratch, "kv.db"), &kv, error, sizeof(error)), 0);
    return kv;
}

static int put(struct kv *kv, const char *key, const char *value, size_t length, int64_t expires_ms)
{
    struct kv_batch *batch;
    int r;

    assert_int_equal(kv_batch_new(kv, &batch), 0);
    kv_batch_put(batch, key, value, length, expires_ms);
    r = kv_batch_commit(batch);
    kv_batch_free(batch);
    return r;
}

static int put_text(struct kv *kv, const char *key, const char *value)
{
    return put(kv, key, value, strlen(value), 0);
}

static int add(struct kv *kv, const char *set, const char *member, double score)
{
    struct kv_batch *batch;
    int r;

    assert_int_equal(kv_batch_new(kv, &batch), 0);
    kv_batch_add(batch, set, member, score);
    r = kv_batch_commit(batch);
    kv_batch_free(batch);
    return r;
}

static void assert_value(struct kv *kv, const char *key, const char *expected)
{
    char *value = NULL;
    size_t length;
    int r = kv_get(kv, key, &value, &length);

    if (!expected) {
        assert_int_equal(r, KV_E_NOT_FOUND);
        return;
    }
    assert_int_equal(r, 0);
    assert_string_equal(value, expected);
    assert_int_equal(length, strlen(expected));
    free(value);
}

/* Compares the members' names, joined by blanks. */
static void assert_members(struct kv *kv, const char *set, double min, double max, enum kv_order order, size_t limit,
                           const char *expected)
{
    struct kv_member *members = NULL;
    char joined[4096] = "";
    size_t n, used = 0;

    assert_int_equal(kv_members(kv, set, min, max, order, limit, &members, &n), 0);
    for (size_t i = 0; i < n && i < 8; i++)
        used += (size_t)snprintf(joined + used, sizeof(joined) - used, "%s%s", i ? " " : "", members[i].name);
    free(members);
    assert_string_equal(joined, expected);
}

static void records_are_put_read_replaced_and_deleted(void **state)
{
    struct kv *kv = open_kv(*state);
    struct kv_batch *batch;

    assert_value(kv, "a", NULL);
    assert_int_equal(put_text(kv, "a", "1"), 0);
    assert_value(kv, "a", "1");
    assert_int_equal(put_text(kv, "a", "2"), 0);
    assert_value(kv, "a", "2");
    assert_int_equal(put_text(kv, "empty", ""), 0);
    assert_value(kv, "empty", "");
    assert_int_equal(kv_batch_new(kv, &batch), 0);
    kv_batch_delete(batch, "a");
    kv_batch_delete(batch, "never there");
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
    assert_value(kv, "a", NULL);
    kv_free(kv);
}

static void values_hold_any_byte(void **state)
{
    struct kv *kv = open_kv(*state);
    size_t length, size = 3 * 1000 * 1000;
    char *value = malloc(size), *back;

    for (size_t i = 0; i < size; i++)
        value[i] = (char)(i * 7);
    assert_int_equal(put(kv, "bytes", value, size, 0), 0);
    assert_int_equal(kv_get(kv, "bytes", &back, &length), 0);
    assert_int_equal(length, size);
    assert_memory_equal(back, value, size);
    assert_int_equal(back[length], 0);
    free(back);
    free(value);
    kv_free(kv);
}

static void an_expired_record_is_absent_before_it_is_deleted(void **state)
{
    struct kv *kv = open_kv(*state);
    int64_t now_ms = clock_wall_ms();

    put(kv, "past", "x", 1, now_ms - 1);
    put(kv, "past too", "x", 1, 1);
    put(kv, "now", "x", 1, now_ms);
    put(kv, "future", "x", 1, now_ms + 100000);
    put(kv, "never", "x", 1, 0);
    assert_value(kv, "past", NULL);
    assert_value(kv, "now", NULL);
    assert_value(kv, "future", "x");
    assert_value(kv, "never", "x");
    assert_int_equal(kv_expire(kv, 2), 2);
    assert_int_equal(kv_expire(kv, 2), 1);
    assert_int_equal(kv_expire(kv, 2), 0);
    assert_value(kv, "future", "x");
    assert_value(kv, "never", "x");
    kv_free(kv);
}

static void members_come_by_score_then_name(void **state)
{
    struct kv *kv = open_kv(*state);

    assert_members(kv, "set", 0, 10, KV_ASCENDING, 10, "");
    add(kv, "set", "c", 1);
    add(kv, "set", "b", 2);
    add(kv, "set", "a", 2);
    add(kv, "set", "d", 3);
    add(kv, "other", "z", 2);
    assert_members(kv, "set", 0, 10, KV_ASCENDING, 10, "c a b d");
    assert_members(kv, "set", 0, 10, KV_DESCENDING, 10, "d b a c");
    assert_members(kv, "set", 2, 3, KV_ASCENDING, 10, "a b d");
    assert_members(kv, "set", 0, 10, KV_ASCENDING, 2, "c a");
    assert_members(kv, "set", 0, 10, KV_DESCENDING, 1, "d");
    assert_members(kv, "set", 0, 10, KV_ASCENDING, 0, "");
    assert_members(kv, "set", 0, 10, KV_ASCENDING, SIZE_MAX, "c a b d");
    add(kv, "set", "c", 9); /* moves */
    assert_members(kv, "set", 0, 10, KV_ASCENDING, 10, "a b d c");
    kv_free(kv);
}

static void scores_of_microseconds_are_exact(void **state)
{
    struct kv *kv = open_kv(*state);
    struct kv_member *members;
    const int64_t score = INT64_C(1773480413589123);
    size_t n;

    add(kv, "set", "b", (double)score);
    add(kv, "set", "a", (double)(score + 1));
    assert_int_equal(kv_members(kv, "set", 0, (double)INT64_MAX, KV_ASCENDING, 9, &members, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(members[0].name, "b");
    assert_true((int64_t)members[0].score == score);
    free(members);
    kv_free(kv);
}

static void removed_members_are_gone(void **state)
{
    struct kv *kv = open_kv(*state);
    struct kv_batch *batch;

    add(kv, "set", "a", 1);
    add(kv, "set", "b", 2);
    assert_int_equal(kv_batch_new(kv, &batch), 0);
    kv_batch_remove(batch, "set", "a");
    kv_batch_remove(batch, "set", "x");
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
    assert_members(kv, "set", 0, 10, KV_ASCENDING, 10, "b");
    kv_free(kv);
}

static void a_batch_with_a_bad_name_changes_nothing(void **state)
{
    struct kv *kv = open_kv(*state);
    char name[KV_KEY_MAX + 2];
    struct kv_batch *batch;

    memset(name, 'k', sizeof(name));
    name[KV_KEY_MAX] = '\0';
    assert_int_equal(put_text(kv, name, "longest"), 0);
    assert_value(kv, name, "longest");
    name[KV_KEY_MAX] = 'k';
    name[KV_KEY_MAX + 1] = '\0';
    assert_int_equal(kv_batch_new(kv, &batch), 0);
    assert_int_equal(kv_batch_put(batch, "good", "1", 1, 0), 0);
    assert_int_equal(kv_batch_put(batch, name, "1", 1, 0), -EINVAL);
    assert_int_equal(kv_batch_put(batch, "good too", "1", 1, 0), -EINVAL);
    assert_int_equal(kv_batch_commit(batch), -EINVAL);
    kv_batch_free(batch);
    assert_value(kv, "good", NULL);
    assert_int_equal(kv_batch_new(kv, &batch), 0);
    assert_int_equal(kv_batch_add(batch, "set", "", 1), -EINVAL);
    kv_batch_free(batch);
    kv_free(kv);
}

/* A trigger from outside makes the second change fail where SQLite leaves the transaction open. */
static void a_batch_that_fails_midway_changes_nothing(void **state)
{
    struct kv *kv = open_kv(*state);
    struct kv_batch *batch;
    sqlite3 *db;

    assert_int_equal(sqlite3_open(scratch_path(*state, "kv.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db,
                                  "CREATE TRIGGER poison BEFORE INSERT ON record WHEN NEW.key = 'poison' "
                                  "BEGIN SELECT RAISE(ABORT, 'no'); END",
                                  NULL, NULL, NULL),
                     SQLITE_OK);
    sqlite3_close(db);
    assert_int_equal(kv_batch_new(kv, &batch), 0);
    kv_batch_put(batch, "before", "1", 1, 0);
    kv_batch_put(batch, "poison", "1", 1, 0);
    assert_true(kv_batch_commit(batch) < 0);
    kv_batch_free(batch);
    assert_value(kv, "before", NULL);
    assert_int_equal(put_text(kv, "after", "1"), 0);
    assert_value(kv, "after", "1");
    kv_free(kv);
}

static void an_empty_batch_commits(void **state)
{
    struct kv *kv = open_kv(*state);
    struct kv_batch *batch;

    assert_int_equal(kv_batch_new(kv, &batch), 0);
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
    assert_null(kv_batch_free(NULL));
    assert_int_equal(kv_ping(kv), 1);
    kv_free(kv);
    assert_null(kv_free(NULL));
}

static void everything_survives_reopening(void **state)
{
    struct kv *kv = open_kv(*state);
    struct stat status;

    put_text(kv, "a", "1");
    add(kv, "set", "m", 1);
    kv_free(kv);
    kv = open_kv(*state);
    assert_value(kv, "a", "1");
    assert_members(kv, "set", 0, 10, KV_ASCENDING, 10, "m");
    assert_int_equal(stat(scratch_path(*state, "kv.db"), &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    kv_free(kv);
}

/* Opens path and expects this error and these words. */
static void assert_refused(const char *path, int expected, const char *words)
{
    struct kv *kv = NULL;
    char error[256] = "";

    assert_int_equal(kv_open_sqlite(path, &kv, error, sizeof(error)), expected);
    assert_null(kv);
    assert_non_null(strstr(error, path));
    assert_non_null(strstr(error, words));
}

static void what_is_no_store_is_refused_in_words(void **state)
{
    sqlite3 *db;
    FILE *file = fopen(scratch_path(*state, "text"), "w");

    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_refused(scratch_path(*state, "text"), -EBADMSG, "not a database");
    assert_refused(scratch_path(*state, "missing/kv.db"), -ENOENT, "No such file");
    kv_free(open_kv(*state));
    assert_int_equal(sqlite3_open(scratch_path(*state, "kv.db"), &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    assert_refused(scratch_path(*state, "kv.db"), -EPROTO, "newer version");
}

#define ANNOUNCEMENT_SIZE 16

/* Commits a record and a member together, then announces the key. */
static void write_until_killed(void *context, int fd)
{
    struct kv *kv = open_kv(context);

    for (unsigned i = 0;; i++) {
        char key[ANNOUNCEMENT_SIZE] = "";
        struct kv_batch *batch;

        snprintf(key, sizeof(key), "k%u", i);
        kv_batch_new(kv, &batch);
        kv_batch_put(batch, key, key, strlen(key), 0);
        kv_batch_add(batch, "keys", key, i);
        if (kv_batch_commit(batch) != 0 || write(fd, key, sizeof(key)) != sizeof(key))
            _exit(1);
        kv_batch_free(batch);
    }
}

static void a_killed_writer_loses_nothing_announced(void **state)
{
    for (int round = 0; round < 5; round++) {
        char *records;
        size_t n_members,
            n = scratch_kill_during(write_until_killed, *state, ANNOUNCEMENT_SIZE, 60000 + 13000 * round, &records);
        struct kv *kv = open_kv(*state);
        struct kv_member *members;

        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            assert_value(kv, records + i * ANNOUNCEMENT_SIZE, records + i * ANNOUNCEMENT_SIZE);
        /* Records and members came whole. */
        assert_int_equal(kv_members(kv, "keys", 0, 1e9, KV_ASCENDING, SIZE_MAX, &members, &n_members), 0);
        assert_true(n_members >= n);
        for (size_t i = 0; i < n_members; i++)
            assert_value(kv, members[i].name, members[i].name);
        free(members);
        free(records);
        kv_free(kv);
    }
}

#define THREADS 8
#define ROUNDS  400

struct hammer {
    struct kv *kv;
    unsigned number;
    int failure;
};

static void *hammer_main(void *context)
{
    struct hammer *hammer = context;

    for (unsigned i = 0; i < ROUNDS && !hammer->failure; i++) {
        struct kv_member *members = NULL;
        char key[32], *value = NULL;
        size_t length, n;

        snprintf(key, sizeof(key), "t%u-%u", hammer->number, i);
        if (put_text(hammer->kv, key, key) != 0 || add(hammer->kv, "all", key, i) != 0 ||
            kv_get(hammer->kv, key, &value, &length) != 0 || strcmp(value, key) != 0 ||
            kv_members(hammer->kv, "all", i, i, KV_DESCENDING, 3, &members, &n) != 0 || n == 0)
            hammer->failure = 1;
        free(value);
        free(members);
    }
    return NULL;
}

static void eight_threads_do_not_disturb_each_other(void **state)
{
    struct kv *kv = open_kv(*state);
    struct hammer hammers[THREADS];
    pthread_t threads[THREADS];
    struct kv_member *members;
    size_t n;

    for (unsigned i = 0; i < THREADS; i++) {
        hammers[i] = (struct hammer){ .kv = kv, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(hammers[i].failure, 0);
    }
    assert_int_equal(kv_members(kv, "all", 0, ROUNDS, KV_ASCENDING, SIZE_MAX, &members, &n), 0);
    assert_int_equal(n, THREADS * ROUNDS);
    free(members);
    kv_free(kv);
}

/* The write-ahead log is copied into the database behind the writers' back and starts over. */
static void the_log_does_not_grow_for_ever(void **state)
{
    struct kv *kv = open_kv(*state);
    char value[2000];
    struct stat status;

    memset(value, 'v', sizeof(value));
    for (unsigned i = 0; i < 30000; i++) {
        char key[32];

        snprintf(key, sizeof(key), "k%u", i % 200);
        assert_int_equal(put(kv, key, value, sizeof(value), 0), 0);
    }
    assert_int_equal(stat(scratch_path(*state, "kv.db-wal"), &status), 0);
    assert_in_range(status.st_size, 1, 36 * 1024 * 1024);
    kv_free(kv);
}

static void a_full_disk_refuses_whole_batches(void **state)
{
    struct kv *kv;
    char value[3000];
    unsigned n = 0;
    int r = 0;

    scratch_limit(*state, "size=8m");
    kv = open_kv(*state);
    memset(value, 'v', sizeof(value));
    assert_int_equal(put_text(kv, "before", "1"), 0);
    scratch_fill(scratch_path(*state, "ballast"));
    while (r == 0 && n < 2000) {
        struct kv_batch *batch;
        char key[32];

        snprintf(key, sizeof(key), "k%u", n);
        kv_batch_new(kv, &batch);
        kv_batch_put(batch, key, value, sizeof(value), 0);
        kv_batch_add(batch, "keys", key, n);
        r = kv_batch_commit(batch);
        kv_batch_free(batch);
        n += r == 0;
    }
    assert_int_equal(r, KV_E_FULL);
    assert_value(kv, "before", "1");
    unlink(scratch_path(*state, "ballast"));
    assert_int_equal(put_text(kv, "after", "1"), 0);
    kv_free(kv);
    kv = open_kv(*state);
    assert_value(kv, "before", "1");
    assert_value(kv, "after", "1");
    for (unsigned i = 0; i <= n; i++) {
        char key[32], *back = NULL;
        size_t length;

        snprintf(key, sizeof(key), "k%u", i);
        assert_int_equal(kv_get(kv, key, &back, &length), i < n ? 0 : KV_E_NOT_FOUND);
        free(back);
    }
    kv_free(kv);
}

/* Also if what was reserved at the start has been used up since. */
static void on_a_full_disk_records_can_be_deleted(void **state)
{
    struct kv *kv;
    char value[3000], key[32];
    unsigned n = 0;

    scratch_limit(*state, "size=16m");
    kv = open_kv(*state);
    memset(value, 'v', sizeof(value));
    for (unsigned i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "k%u", i);
        assert_int_equal(put(kv, key, value, sizeof(value), 0), 0);
    }
    assert_int_equal(kv_expire(kv, 10), 0);
    scratch_fill(scratch_path(*state, "ballast"));
    while (n < 2000 && put(kv, snprintf(key, sizeof(key), "n%u", n) ? key : NULL, value, sizeof(value), 0) == 0)
        n++;
    assert_in_range(n, 0, 1999);
    for (unsigned i = 0; i < 500; i++) {
        struct kv_batch *batch;

        snprintf(key, sizeof(key), "k%u", i);
        kv_batch_new(kv, &batch);
        kv_batch_delete(batch, key);
        assert_int_equal(kv_batch_commit(batch), 0);
        kv_batch_free(batch);
    }
    kv_free(kv);
}

static void a_read_only_disk_is_an_error(void **state)
{
    struct kv *kv = NULL;
    char error[256];

    scratch_limit(*state, "size=4m");
    kv = open_kv(*state);
    assert_int_equal(put_text(kv, "a", "1"), 0);
    kv_free(kv);
    scratch_set_read_only(*state, true);
    assert_int_equal(kv_open_sqlite(scratch_path(*state, "kv.db"), &kv, error, sizeof(error)), -EROFS);
    assert_non_null(strstr(error, "Read-only file system"));
    scratch_set_read_only(*state, false);
    kv = open_kv(*state);
    assert_value(kv, "a", "1");
    kv_free(kv);
}

/* A store may grow as it likes: what is held of it in memory is taken once. */
static void memory_does_not_grow_with_the_store(void **state)
{
    struct kv *kv = open_kv(*state);
    struct kv_batch *batch;
    char key[32], value[1001] = { 0 };
    sqlite3_int64 at_first;

    memset(value, 'v', sizeof(value) - 1);
    assert_int_equal(kv_batch_new(kv, &batch), 0);
    for (unsigned n = 0; n < 1000; n++) {
        snprintf(key, sizeof(key), "key%03u", n);
        kv_batch_put(batch, key, value, sizeof(value) - 1, 0);
    }
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
    assert_value(kv, "key000", value);
    at_first = sqlite3_memory_used();
    for (unsigned n = 0; n < 1000; n++) {
        snprintf(key, sizeof(key), "key%03u", n);
        assert_value(kv, key, value);
    }
    assert_in_range(sqlite3_memory_used(), 1, at_first + (16 << 10));
    kv_free(kv);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_are_put_read_replaced_and_deleted),
        TEST(values_hold_any_byte),
        TEST(an_expired_record_is_absent_before_it_is_deleted),
        TEST(members_come_by_score_then_name),
        TEST(scores_of_microseconds_are_exact),
        TEST(removed_members_are_gone),
        TEST(a_batch_with_a_bad_name_changes_nothing),
        TEST(a_batch_that_fails_midway_changes_nothing),
        TEST(an_empty_batch_commits),
        TEST(everything_survives_reopening),
        TEST(what_is_no_store_is_refused_in_words),
        TEST(a_killed_writer_loses_nothing_announced),
        TEST(eight_threads_do_not_disturb_each_other),
        TEST(the_log_does_not_grow_for_ever),
        TEST(memory_does_not_grow_with_the_store),
        TEST(a_full_disk_refuses_whole_batches),
        TEST(on_a_full_disk_records_can_be_deleted),
        TEST(a_read_only_disk_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* test_file_races.c -- files under kills and many threads: what was answered is there, and no alias loses its bytes. */
#include "file_fixture.h"

#include <pthread.h>

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
        if (file_alias(child.kv, run.id, &source) != 0 || drop(&child, &source) != 0)
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
        if (i % 2 == 0 && drop(fixture, &record) != 0)
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
    if (drop(duel->fixture, &duel->source) != 0)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_kill_loses_nothing_that_was_answered),
        TEST(eight_threads_lose_no_alias),
        TEST(an_alias_is_made_while_its_source_is_deleted),
        TEST(an_alias_is_made_while_its_source_is_swept),
        TEST(concurrent_runs_make_one_alias),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

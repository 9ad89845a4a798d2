/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "engine/feed.h"
#include "engine/live.h"
#include "engine/running.h"

static struct running *table_of(unsigned max_runs)
{
    struct running *running;

    assert_int_equal(running_new(max_runs, &running), 0);
    return running;
}

static struct run *add(struct running *running, const char *id, const char *key)
{
    struct run *run;

    assert_int_equal(running_add(running, id, "tenant", key, &run), 0);
    return run;
}

static bool is_there(struct running *running, const char *id, const char *tenant, const char *key)
{
    struct run *run = running_find(running, id, tenant, key);

    run_unref(run);
    return run != NULL;
}

static void test_only_its_own_key_finds_it(void **state)
{
    struct running *running = table_of(4);
    struct run *run = add(running, "one", "key");

    (void)state;
    assert_true(is_there(running, "one", "tenant", "key"));
    assert_false(is_there(running, "one", "tenant", "other"));
    assert_false(is_there(running, "one", "other", "key"));
    assert_false(is_there(running, "two", "tenant", "key"));
    run_unref(run);
    assert_true(is_there(running, "one", "tenant", "key"));
    running_free(running);
}

static void test_states(void **state)
{
    struct execution_result result = { .outcome = OUTCOME_ERROR, .usage = { .wall_ms = 12 }, .session_id = "later" };
    struct running *running = table_of(4);
    struct run *run = add(running, "one", "key");
    struct run_status status;

    (void)state;
    run_status(run, &status);
    assert_int_equal(status.state, RUN_QUEUED);
    assert_string_equal(status.execution_id, "one");
    assert_string_equal(status.session_id, "");
    run_begin(run, -1);
    run_session(run, "session");
    run_status(run, &status);
    assert_int_equal(status.state, RUN_RUNNING);
    assert_string_equal(status.session_id, "session");
    assert_false(status.has_result);
    run_done(run, &result);
    run_status(run, &status);
    assert_int_equal(status.state, RUN_DONE);
    assert_true(status.has_result);
    assert_int_equal(status.outcome, OUTCOME_ERROR);
    assert_true(status.usage.wall_ms == 12);
    assert_string_equal(status.session_id, "later");
    run_unref(run);
    running_free(running);
}

static void test_cancelling_wakes_who_works(void **state)
{
    struct running *running = table_of(4);
    struct run *run = add(running, "one", "key");
    int wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    eventfd_t count;

    (void)state;
    run_begin(run, wake_fd);
    assert_false(atomic_load(run_cancelled(run)));
    run_cancel(run);
    assert_true(atomic_load(run_cancelled(run)));
    assert_int_equal(eventfd_read(wake_fd, &count), 0);
    run_leave(run);
    run_cancel(run);
    assert_int_equal(eventfd_read(wake_fd, &count), -1);
    run_unref(run);
    running_free(running);
    close(wake_fd);
}

static void test_what_is_over_is_not_cancelled(void **state)
{
    struct running *running = table_of(4);
    struct run *run = add(running, "one", "key");

    (void)state;
    run_done(run, NULL);
    run_cancel(run);
    assert_false(atomic_load(run_cancelled(run)));
    run_unref(run);
    running_free(running);
}

static void count(void *context)
{
    ++*(unsigned *)context;
}

static void test_one_that_waits_is_told(void **state)
{
    struct running *running = table_of(4);
    struct run *run = add(running, "one", "key");
    unsigned n = 0;

    (void)state;
    assert_true(run_wait(run, count, &n));
    run_begin(run, -1);
    run_leave(run);
    assert_true(run_wait(run, count, &n));
    run_cancel(run);
    run_cancel(run);
    assert_int_equal(n, 1);
    assert_false(run_wait(run, count, &n));
    run_cancel(run);
    assert_int_equal(n, 1);
    run_unref(run);
    running_free(running);
}

static void test_a_full_table_forgets_what_ended(void **state)
{
    struct running *running = table_of(3);
    struct run *a = add(running, "a", "first"), *b = add(running, "b", "second"), *c = add(running, "c", "second"), *d;

    (void)state;
    assert_int_equal(running_add(running, "d", "tenant", "second", &d), RUNNING_E_FULL);
    run_done(a, NULL);
    run_done(c, NULL);
    d = add(running, "d", "second"); /* its own, though a ended earlier */
    assert_true(is_there(running, "a", "tenant", "first"));
    assert_false(is_there(running, "c", "tenant", "second"));
    run_unref(add(running, "e", "second"));
    assert_false(is_there(running, "a", "tenant", "first"));
    assert_true(is_there(running, "b", "tenant", "second"));
    run_done(b, NULL);
    running_expire(running); /* nothing ended long ago */
    assert_true(is_there(running, "b", "tenant", "second"));
    run_unref(a);
    run_unref(b);
    run_unref(c);
    run_unref(d);
    running_free(running);
}

static void test_unread_input_goes_with_its_run(void **state)
{
    struct running *running = table_of(4);
    struct run *run = add(running, "one", "key");
    struct feed *feed;
    int pipe_fds[2];
    char byte;

    (void)state;
    assert_int_equal(pipe(pipe_fds), 0);
    assert_int_equal(feed_new("text", 4, true, &feed), 0);
    run_carry(run, NULL, feed);
    run_done(run, NULL); /* it never began */
    assert_int_equal(feed_put(feed, "more", 4, false), FEED_E_CLOSED);
    assert_int_equal(feed_write(feed, pipe_fds[1]), FEED_E_CLOSED);
    close(pipe_fds[1]);
    assert_int_equal(read(pipe_fds[0], &byte, 1), 0); /* nothing was left to write */
    close(pipe_fds[0]);
    feed_unref(feed);
    run_unref(run);
    running_free(running);
}

static void on_open(void *context)
{
    (void)context;
}

/* Ends an execution with events. */
static void end_with_events(struct running *running, const char *id, const char *key)
{
    struct run *run = add(running, id, key);
    struct live *live;

    assert_int_equal(live_new(-1, 100, on_open, NULL, &live), 0);
    run_carry(run, live, NULL);
    live_unref(live);
    run_done(run, NULL);
    run_unref(run);
}

static bool has_events(struct running *running, const char *id, const char *key)
{
    struct run *run = running_find(running, id, "tenant", key);
    struct live *live = run_live(run);

    live_unref(live);
    run_unref(run);
    return live != NULL;
}

static void test_events_of_few_are_kept(void **state)
{
    struct running *running = table_of(1000);
    char id[16];

    (void)state;
    end_with_events(running, "other", "other");
    for (unsigned i = 0; i < RUNNING_LIVE_MAX + 10; i++) {
        snprintf(id, sizeof(id), "id%u", i);
        end_with_events(running, id, "key");
    }
    assert_true(has_events(running, "other", "other")); /* a key forgets its own first */
    assert_false(has_events(running, "id0", "key"));
    assert_false(has_events(running, "id10", "key"));
    assert_true(has_events(running, "id11", "key"));
    assert_true(has_events(running, id, "key"));
    running_free(running);
}

static void test_nothing_is_no_trouble(void **state)
{
    struct run_status status;

    (void)state;
    run_begin(NULL, -1);
    run_leave(NULL);
    run_session(NULL, "x");
    run_cancel(NULL);
    run_done(NULL, NULL);
    run_status(NULL, &status);
    assert_null(run_ref(NULL));
    assert_null(run_unref(NULL));
    assert_null(run_cancelled(NULL));
    running_expire(NULL);
    assert_null(running_free(NULL));
}

#define THREADS 4
#define ROUNDS  2000

static void *hammer(void *argument)
{
    struct running *running = argument;

    for (unsigned i = 0; i < ROUNDS; i++) {
        struct run *run, *found;
        char id[ID_SIZE];

        id_generate(id);
        if (running_add(running, id, "tenant", "key", &run) != 0)
            continue;
        found = running_find(running, id, "tenant", "key");
        run_begin(run, -1);
        run_cancel(found);
        run_done(run, NULL);
        run_unref(run);
        run_unref(found);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct running *running = table_of(16);
    pthread_t threads[THREADS];

    (void)state;
    for (unsigned i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, running), 0);
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    running_free(running);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_its_own_key_finds_it),      cmocka_unit_test(test_states),
        cmocka_unit_test(test_cancelling_wakes_who_works),     cmocka_unit_test(test_what_is_over_is_not_cancelled),
        cmocka_unit_test(test_one_that_waits_is_told),         cmocka_unit_test(test_a_full_table_forgets_what_ended),
        cmocka_unit_test(test_unread_input_goes_with_its_run), cmocka_unit_test(test_events_of_few_are_kept),
        cmocka_unit_test(test_nothing_is_no_trouble),          cmocka_unit_test(test_many_threads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that wait. Admission and what frees jobs are this file's own: link-time fakes. */
#include "check.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/ptc_runs.h"
#include "engine/running.h"

#define LONG_MS   600000
#define MAX_BYTES 1000

static atomic_uint n_abandoned;
static atomic_bool key_is_bad;

void admission_abandon(struct execution_job *job)
{
    (void)job;
    atomic_fetch_add(&n_abandoned, 1);
}

struct execution_job *execution_job_free(struct execution_job *job)
{
    free(job);
    return NULL;
}

static bool key_is_gone(const char *key_hash, void *data)
{
    (void)data;
    return strcmp(key_hash, "bad") == 0 && atomic_load(&key_is_bad);
}

static struct ptc_runs *new_runs(unsigned max_waiting, int64_t ttl_ms)
{
    const struct ptc_runs_options options = {
        .max_waiting = max_waiting, .max_bytes = MAX_BYTES, .ttl_ms = ttl_ms, .key_is_gone = key_is_gone
    };
    struct ptc_runs *runs;

    atomic_store(&n_abandoned, 0);
    assert_int_equal(ptc_runs_new(&options, &runs), 0);
    return runs;
}

static struct execution_job *job_holding(const char *key_hash, int64_t bytes)
{
    struct execution_job *job = calloc(1, sizeof(*job));

    snprintf(job->request.tenant, sizeof(job->request.tenant), "tenant");
    snprintf(job->request.queue, sizeof(job->request.queue), "%s", key_hash);
    job->result.held_bytes = bytes;
    return job;
}

/* Adds a job of this key that holds memory; ret_token has room for its token. */
static struct execution_job *add_holding(struct ptc_runs *runs, const char *key_hash, int64_t bytes, char *ret_token)
{
    struct execution_job *job = job_holding(key_hash, bytes);

    ptc_runs_token(ret_token);
    assert_int_equal(ptc_runs_add(runs, job, ret_token), 0);
    return job;
}

static struct execution_job *add(struct ptc_runs *runs, const char *key_hash, char *ret_token)
{
    return add_holding(runs, key_hash, 1, ret_token);
}

/* The thread that looks after them is given all the time it wants. */
static void await_abandoned(unsigned n)
{
    for (int tries = 0; atomic_load(&n_abandoned) < n && tries < 3000; tries++)
        usleep(10000);
    assert_int_equal(atomic_load(&n_abandoned), n);
}

static void a_token_is_good_once_for_its_key(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    char token[PTC_TOKEN_SIZE], other[PTC_TOKEN_SIZE];
    struct execution_job *job = add(runs, "key", token);

    (void)state;
    ptc_runs_token(other);
    assert_int_equal(strlen(token), PTC_TOKEN_SIZE - 1);
    assert_string_not_equal(token, other);
    assert_null(ptc_runs_take(runs, other, "tenant", "key"));
    assert_null(ptc_runs_take(runs, "", "tenant", "key"));
    assert_null(ptc_runs_take(runs, token, "tenant", "another"));
    assert_null(ptc_runs_take(runs, token, "another", "key"));
    assert_int_equal(ptc_runs_waiting(runs), 1);
    assert_ptr_equal(ptc_runs_take(runs, token, "tenant", "key"), job);
    assert_null(ptc_runs_take(runs, token, "tenant", "key"));
    execution_job_free(job);
    ptc_runs_free(runs);
    assert_int_equal(atomic_load(&n_abandoned), 0);
}

static void who_has_most_makes_room(void **state)
{
    struct ptc_runs *runs = new_runs(4, LONG_MS);
    char first[PTC_TOKEN_SIZE], tokens[2][PTC_TOKEN_SIZE], others[2][PTC_TOKEN_SIZE];

    (void)state;
    add(runs, "few", first);
    for (int i = 0; i < 2; i++)
        add(runs, "many", tokens[i]);
    for (int i = 0; i < 2; i++)
        add(runs, "others", others[i]);
    assert_int_equal(atomic_load(&n_abandoned), 1);
    assert_null(ptc_runs_take(runs, tokens[0], "tenant", "many"));
    execution_job_free(ptc_runs_take(runs, first, "tenant", "few"));
    execution_job_free(ptc_runs_take(runs, tokens[1], "tenant", "many"));
    ptc_runs_free(runs);
    assert_int_equal(atomic_load(&n_abandoned), 3);
}

static void a_key_alone_has_all(void **state)
{
    struct ptc_runs *runs = new_runs(3, LONG_MS);
    char tokens[4][PTC_TOKEN_SIZE], other[PTC_TOKEN_SIZE];

    (void)state;
    for (int i = 0; i < 4; i++)
        add(runs, "key", tokens[i]);
    assert_int_equal(ptc_runs_waiting(runs), 3);
    assert_null(ptc_runs_take(runs, tokens[0], "tenant", "key"));
    add(runs, "other", other);
    assert_null(ptc_runs_take(runs, tokens[1], "tenant", "key"));
    execution_job_free(ptc_runs_take(runs, other, "tenant", "other"));
    ptc_runs_free(runs);
    assert_int_equal(atomic_load(&n_abandoned), 2 + 2);
}

static void who_holds_most_memory_makes_room(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    char large[2][PTC_TOKEN_SIZE], small[2][PTC_TOKEN_SIZE], last[PTC_TOKEN_SIZE];

    (void)state;
    for (int i = 0; i < 2; i++)
        add_holding(runs, "large", MAX_BYTES / 2 - 1, large[i]);
    for (int i = 0; i < 2; i++)
        add_holding(runs, "small", 1, small[i]);
    assert_int_equal(atomic_load(&n_abandoned), 0);
    add_holding(runs, "small", MAX_BYTES / 2 - 1, last);
    assert_int_equal(atomic_load(&n_abandoned), 1);
    assert_null(ptc_runs_take(runs, large[0], "tenant", "large"));
    execution_job_free(ptc_runs_take(runs, large[1], "tenant", "large"));
    execution_job_free(ptc_runs_take(runs, small[0], "tenant", "small"));
    execution_job_free(ptc_runs_take(runs, last, "tenant", "small"));
    ptc_runs_free(runs);
}

/* What one program may hold by itself is never too much. */
static void one_alone_may_hold_all(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    char token[PTC_TOKEN_SIZE];

    (void)state;
    add_holding(runs, "key", 2 * MAX_BYTES, token);
    assert_int_equal(ptc_runs_waiting(runs), 1);
    ptc_runs_free(runs);
}

/* Its client would be told of calls whose results nobody could take any more. */
static void who_would_go_at_once_does_not_wait(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    struct execution_job *large = job_holding("large", MAX_BYTES);
    char small[PTC_TOKEN_SIZE], token[PTC_TOKEN_SIZE];

    (void)state;
    add_holding(runs, "small", MAX_BYTES / 2, small);
    ptc_runs_token(token);
    assert_int_equal(ptc_runs_add(runs, large, token), PTC_RUNS_E_FULL);
    assert_null(ptc_runs_take(runs, token, "tenant", "large"));
    assert_int_equal(ptc_runs_waiting(runs), 1);
    assert_int_equal(atomic_load(&n_abandoned), 0);
    execution_job_free(large);
    ptc_runs_free(runs);
}

/* As the one above, but cancelled before it is added. */
static void who_is_cancelled_drives_nobody_out(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    struct execution_job *large = job_holding("large", MAX_BYTES);
    char small[PTC_TOKEN_SIZE], token[PTC_TOKEN_SIZE];
    struct running *running;

    (void)state;
    assert_int_equal(running_new(1, &running), 0);
    assert_int_equal(running_add(running, "execution", "tenant", "large", &large->request.run), 0);
    add_holding(runs, "small", MAX_BYTES / 2, small);
    run_cancel(large->request.run);
    ptc_runs_token(token);
    assert_int_equal(ptc_runs_add(runs, large, token), PTC_RUNS_E_OVER);
    assert_int_equal(ptc_runs_waiting(runs), 1);
    run_forget(large->request.run);
    run_unref(large->request.run);
    execution_job_free(large);
    ptc_runs_free(runs);
    running_free(running);
}

static void none_may_wait(void **state)
{
    struct ptc_runs *runs = new_runs(0, LONG_MS);
    struct execution_job *job = calloc(1, sizeof(*job));
    char token[PTC_TOKEN_SIZE];

    (void)state;
    ptc_runs_token(token);
    assert_int_equal(ptc_runs_add(runs, job, token), PTC_RUNS_E_NONE);
    execution_job_free(job);
    ptc_runs_free(runs);
}

static void time_ends(void **state)
{
    struct ptc_runs *runs = new_runs(10, 1);
    char token[PTC_TOKEN_SIZE];

    (void)state;
    add(runs, "key", token);
    await_abandoned(1);
    assert_null(ptc_runs_take(runs, token, "tenant", "key"));
    ptc_runs_free(runs);
}

static void keys_end(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    char good[PTC_TOKEN_SIZE], bad[PTC_TOKEN_SIZE];

    (void)state;
    atomic_store(&key_is_bad, false);
    add(runs, "good", good);
    add(runs, "bad", bad);
    atomic_store(&key_is_bad, true);
    await_abandoned(1);
    assert_null(ptc_runs_take(runs, bad, "tenant", "bad"));
    execution_job_free(ptc_runs_take(runs, good, "tenant", "good"));
    ptc_runs_free(runs);
}

static void nobody_waits_for_a_server_that_stops(void **state)
{
    struct ptc_runs *runs = new_runs(10, LONG_MS);
    struct execution_job *late = calloc(1, sizeof(*late));
    char token[PTC_TOKEN_SIZE];

    (void)state;
    add(runs, "key", token);
    add(runs, "key", token);
    ptc_runs_stop(runs);
    assert_int_equal(atomic_load(&n_abandoned), 2);
    assert_int_equal(ptc_runs_add(runs, late, token), PTC_RUNS_E_OVER);
    execution_job_free(late);
    ptc_runs_free(runs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_is_good_once_for_its_key),
        cmocka_unit_test(who_has_most_makes_room),
        cmocka_unit_test(a_key_alone_has_all),
        cmocka_unit_test(who_holds_most_memory_makes_room),
        cmocka_unit_test(one_alone_may_hold_all),
        cmocka_unit_test(who_would_go_at_once_does_not_wait),
        cmocka_unit_test(who_is_cancelled_drives_nobody_out),
        cmocka_unit_test(none_may_wait),
        cmocka_unit_test(time_ends),
        cmocka_unit_test(keys_end),
        cmocka_unit_test(nobody_waits_for_a_server_that_stops),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

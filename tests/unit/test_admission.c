/* SPDX-License-Identifier: Apache-2.0 */
/* Who runs when. execution_run() and what frees requests are this file's own: link-time fakes, so that a job lasts as
 * long as a test wants. */
#include "check.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "engine/admission.h"

#define JOBS_MAX   64
#define PATIENCE_S 10

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t moved = PTHREAD_COND_INITIALIZER;
static struct {
    bool hold;                     /* jobs that run wait until it is taken away */
    char order[JOBS_MAX][ID_SIZE]; /* in which jobs began to run */
    char ended[JOBS_MAX][ID_SIZE]; /* in which they were handed back, and how */
    enum admission_end ends[JOBS_MAX];
    unsigned n_begun, n_ended, n_ticks, n_now, most_at_once, n_cancelled;
} seen;

void execution_request_deinit(struct execution_request *request)
{
    if (request->client_fd >= 0)
        close(request->client_fd);
}

struct execution *execution_drop(struct execution *paused)
{
    (void)paused;
    return NULL;
}

void execution_result_deinit(struct execution_result *result)
{
    (void)result;
}

int execution_run(struct engine *engine, const struct execution_request *request, struct execution_result *result,
                  char *error, size_t error_size, struct execution **paused)
{
    (void)result;
    (void)paused;
    pthread_mutex_lock(&lock);
    snprintf(seen.order[seen.n_begun++], ID_SIZE, "%s", request->execution_id);
    if (++seen.n_now > seen.most_at_once)
        seen.most_at_once = seen.n_now;
    pthread_cond_broadcast(&moved);
    while (seen.hold && !atomic_load(&engine->cancel_all)) {
        struct timespec at;

        clock_gettime(CLOCK_REALTIME, &at);
        at.tv_nsec += 10000000;
        if (at.tv_nsec >= 1000000000) {
            at.tv_sec++;
            at.tv_nsec -= 1000000000;
        }
        pthread_cond_timedwait(&moved, &lock, &at);
    }
    seen.n_now--;
    pthread_mutex_unlock(&lock);
    if (strcmp(request->execution_id, "broken") == 0) {
        snprintf(error, error_size, "broken");
        return -EIO;
    }
    return 0;
}

static void on_done(struct execution_job *job, enum admission_end end)
{
    pthread_mutex_lock(&lock);
    snprintf(seen.ended[seen.n_ended], ID_SIZE, "%s", job->request.execution_id);
    seen.ends[seen.n_ended++] = end;
    seen.n_cancelled += admission_has_outcome(end) && job->result.outcome == OUTCOME_CANCELLED;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&lock);
    execution_job_free(job);
}

static void on_tick(struct execution_job *job)
{
    (void)job;
    pthread_mutex_lock(&lock);
    seen.n_ticks++;
    pthread_mutex_unlock(&lock);
}

static struct execution_job *new_job(const char *key, const char *name)
{
    struct execution_job *job = execution_job_new();

    snprintf(job->request.queue, sizeof(job->request.queue), "%s", key);
    snprintf(job->request.execution_id, ID_SIZE, "%s", name);
    job->request.received_us = clock_monotonic_us();
    job->done = on_done;
    job->tick = on_tick;
    return job;
}

/* Submits; frees what was refused. */
static int submit_job(struct admission *a, struct execution_job *job)
{
    unsigned retry = 0;
    int r = admission_submit(a, job, &retry);

    if (r != 0)
        execution_job_free(job);
    if (r == ADMISSION_E_FULL)
        assert_true(retry >= 1);
    return r;
}

static int submit(struct admission *a, const char *key, const char *name)
{
    return submit_job(a, new_job(key, name));
}

static void wait_for(const unsigned *counter, unsigned value)
{
    struct timespec at;

    clock_gettime(CLOCK_REALTIME, &at);
    at.tv_sec += PATIENCE_S;
    pthread_mutex_lock(&lock);
    while (*counter < value)
        if (pthread_cond_timedwait(&moved, &lock, &at) != 0)
            break;
    if (*counter < value)
        print_error("%u of %u after %d s\n", *counter, value, PATIENCE_S);
    assert_true(*counter >= value);
    pthread_mutex_unlock(&lock);
}

static void release(void)
{
    pthread_mutex_lock(&lock);
    seen.hold = false;
    pthread_cond_broadcast(&moved);
    pthread_mutex_unlock(&lock);
}

static enum admission_end end_of(const char *name)
{
    enum admission_end end = (enum admission_end) - 1;

    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < seen.n_ended; i++)
        if (strcmp(seen.ended[i], name) == 0)
            end = seen.ends[i];
    pthread_mutex_unlock(&lock);
    return end;
}

static struct engine engine;

static struct admission *start(unsigned concurrent, unsigned queued, unsigned queue_seconds, bool hold)
{
    struct admission *a;

    memset(&seen, 0, sizeof(seen));
    seen.hold = hold;
    memset(&engine, 0, sizeof(engine));
    engine.max_concurrent = concurrent;
    engine.max_queued = queued;
    engine.max_queue_seconds = queue_seconds;
    assert_int_equal(admission_new(&engine, &a), 0);
    return a;
}

static void a_job_runs_and_is_handed_back(void **state)
{
    struct admission *a = start(2, 4, 30, false);

    (void)state;
    assert_int_equal(submit(a, "k", "one"), 0);
    assert_int_equal(submit(a, "k", "broken"), 0);
    wait_for(&seen.n_ended, 2);
    assert_int_equal(end_of("one"), ADMISSION_DONE);
    assert_int_equal(end_of("broken"), ADMISSION_FAILED);
    admission_drain(a, 1000);
    admission_free(a);
}

static void no_more_run_at_once_than_there_are_places(void **state)
{
    struct admission *a = start(3, 10, 30, true);
    char name[8];

    (void)state;
    for (int i = 0; i < 8; i++) {
        snprintf(name, sizeof(name), "%d", i);
        assert_int_equal(submit(a, "k", name), 0);
    }
    wait_for(&seen.n_begun, 3);
    usleep(50000);
    assert_int_equal(admission_running(a), 3);
    assert_int_equal(admission_waiting(a), 5);
    release();
    wait_for(&seen.n_ended, 8);
    assert_int_equal(seen.most_at_once, 3);
    admission_drain(a, 1000);
    admission_free(a);
}

static void order_is_kept_within_a_key_and_keys_take_turns(void **state)
{
    static const char *const order[] = { "first", "a1", "b1", "c1", "a2", "b2", "a3", "a4" };
    struct admission *a = start(1, 20, 30, true);

    (void)state;
    assert_int_equal(submit(a, "a", "first"), 0);
    wait_for(&seen.n_begun, 1);
    assert_int_equal(submit(a, "a", "a1"), 0);
    assert_int_equal(submit(a, "a", "a2"), 0);
    assert_int_equal(submit(a, "a", "a3"), 0);
    assert_int_equal(submit(a, "b", "b1"), 0);
    assert_int_equal(submit(a, "b", "b2"), 0);
    assert_int_equal(submit(a, "a", "a4"), 0);
    assert_int_equal(submit(a, "c", "c1"), 0);
    release();
    wait_for(&seen.n_ended, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_string_equal(seen.order[i], order[i]);
    admission_drain(a, 1000);
    admission_free(a);
}

static void beyond_the_queue_jobs_are_refused_at_once(void **state)
{
    struct admission *a = start(1, 2, 30, true);

    (void)state;
    assert_int_equal(submit(a, "k", "1"), 0);
    wait_for(&seen.n_begun, 1);
    assert_int_equal(submit(a, "k", "2"), 0);
    assert_int_equal(submit(a, "other", "3"), 0);
    assert_int_equal(submit(a, "k", "4"), ADMISSION_E_FULL);
    assert_int_equal(submit(a, "third", "5"), ADMISSION_E_FULL);
    release();
    wait_for(&seen.n_ended, 3);
    assert_int_equal(submit(a, "k", "6"), 0);
    wait_for(&seen.n_ended, 4);
    admission_drain(a, 1000);
    admission_free(a);
}

/* What has begun and goes on is not refused, but takes the room of others. */
static void who_goes_on_waits_in_the_queue_too(void **state)
{
    static const char *const order[] = { "running", "on", "new" };
    struct admission *a = start(1, 2, 30, true);

    (void)state;
    assert_int_equal(submit(a, "k", "running"), 0);
    wait_for(&seen.n_begun, 1);
    assert_int_equal(submit(a, "k", "new"), 0);
    assert_int_equal(admission_resume(a, new_job("k", "on")), 0);
    assert_int_equal(admission_waiting(a), 2);
    assert_int_equal(submit(a, "other", "beyond"), ADMISSION_E_FULL);
    release();
    wait_for(&seen.n_ended, ARRAY_SIZE(order));
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        assert_string_equal(seen.order[i], order[i]);
    assert_int_equal(admission_waiting(a), 0);
    admission_drain(a, 1000);
    admission_free(a);
}

static void a_job_that_waits_too_long_is_handed_back(void **state)
{
    struct admission *a = start(1, 5, 1, true);

    (void)state;
    assert_int_equal(submit(a, "k", "running"), 0);
    wait_for(&seen.n_begun, 1);
    assert_int_equal(submit(a, "k", "late"), 0);
    wait_for(&seen.n_ended, 1);
    assert_int_equal(end_of("late"), ADMISSION_OVERDUE);
    assert_int_equal(admission_waiting(a), 0);
    /* The key's queue works on after it ran empty in the ticker's hands. */
    assert_int_equal(submit(a, "k", "next"), 0);
    release();
    wait_for(&seen.n_ended, 3);
    assert_int_equal(end_of("next"), ADMISSION_DONE);
    admission_drain(a, 1000);
    admission_free(a);
}

/* A job with a connection; the client's end is returned. */
static int submit_connected(struct admission *a, const char *key, const char *name)
{
    struct execution_job *job = new_job(key, name);
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    job->request.client_fd = ends[0];
    assert_int_equal(submit_job(a, job), 0);
    return ends[1];
}

static void who_hangs_up_while_waiting_leaves_the_queue(void **state)
{
    struct admission *a = start(1, 5, 30, true);
    int closed, half, patient;

    (void)state;
    assert_int_equal(submit(a, "k", "running"), 0);
    wait_for(&seen.n_begun, 1);
    closed = submit_connected(a, "k", "closed");
    half = submit_connected(a, "k", "half");
    patient = submit_connected(a, "k", "patient");
    close(closed);
    shutdown(half, SHUT_WR);
    wait_for(&seen.n_ended, 2);
    assert_int_equal(end_of("closed"), ADMISSION_CANCELLED);
    assert_int_equal(end_of("half"), ADMISSION_CANCELLED);
    assert_int_equal(seen.n_cancelled, 2);
    assert_int_equal(admission_waiting(a), 1);
    release();
    wait_for(&seen.n_ended, 3 + 1);
    assert_int_equal(end_of("patient"), ADMISSION_DONE);
    close(half);
    close(patient);
    admission_drain(a, 1000);
    admission_free(a);
}

static void waiting_and_running_jobs_tick(void **state)
{
    struct admission *a = start(1, 5, 30, true);
    struct execution_job *jobs[] = { new_job("k", "1"), new_job("k", "2") };

    (void)state;
    /* As if they had been received almost three seconds ago. */
    for (int i = 0; i < 2; i++) {
        jobs[i]->request.received_us -= 2900000;
        assert_int_equal(submit_job(a, jobs[i]), 0);
    }
    usleep(600000);
    pthread_mutex_lock(&lock);
    assert_int_equal(seen.n_ticks, 2);
    pthread_mutex_unlock(&lock);
    release();
    wait_for(&seen.n_ended, 2);
    admission_drain(a, 1000);
    admission_free(a);
}

static void a_drain_lets_jobs_end(void **state)
{
    struct admission *a = start(1, 5, 30, false);

    (void)state;
    for (int i = 0; i < 5; i++)
        assert_int_equal(submit(a, "k", "x"), 0);
    admission_drain(a, 10000);
    assert_int_equal(seen.n_ended, 5);
    for (int i = 0; i < 5; i++)
        assert_int_equal(seen.ends[i], ADMISSION_DONE);
    assert_int_equal(submit(a, "k", "late"), ADMISSION_E_STOPPING);
    admission_free(a);
}

/* What still waits when the grace is over is handed back; starting it to kill it at once would only take time. */
static void after_the_grace_nothing_is_started(void **state)
{
    struct admission *a = start(1, 5, 30, true);
    int64_t begun_us = clock_monotonic_us();

    (void)state;
    assert_int_equal(submit(a, "k", "running"), 0);
    wait_for(&seen.n_begun, 1);
    assert_int_equal(submit(a, "k", "w1"), 0);
    assert_int_equal(submit(a, "other", "w2"), 0);
    admission_drain(a, 200);
    assert_in_range(clock_monotonic_us() - begun_us, 200000, 5000000);
    assert_int_equal(seen.n_ended, 3);
    assert_int_equal(seen.n_begun, 1);
    assert_int_equal(end_of("w1"), ADMISSION_CANCELLED);
    assert_int_equal(end_of("w2"), ADMISSION_CANCELLED);
    assert_int_equal(seen.n_cancelled, 2);
    admission_free(a);
}

static void freeing_drains(void **state)
{
    struct admission *a = start(2, 5, 30, true);

    (void)state;
    assert_int_equal(submit(a, "k", "running"), 0);
    wait_for(&seen.n_begun, 1);
    admission_free(a);
    assert_int_equal(seen.n_ended, 1);
    assert_null(admission_free(NULL));
}

/* More keys than there are queues for. */
static void any_number_of_keys_is_served(void **state)
{
    struct admission *a = start(2, 5, 30, false);

    (void)state;
    for (unsigned i = 0; i < 1100; i++) {
        char key[16];

        pthread_mutex_lock(&lock);
        seen.n_begun = seen.n_ended = 0;
        pthread_mutex_unlock(&lock);
        snprintf(key, sizeof(key), "key-%u", i);
        assert_int_equal(submit(a, key, "x"), 0);
        wait_for(&seen.n_ended, 1);
    }
    admission_drain(a, 1000);
    admission_free(a);
}

static void *flood(void *context)
{
    struct admission *a = context;

    for (int i = 0; i < 8; i++)
        while (submit(a, i & 1 ? "odd" : "even", "x") == ADMISSION_E_FULL)
            usleep(1000);
    return NULL;
}

static void many_threads_may_submit(void **state)
{
    struct admission *a = start(3, 4, 30, false);
    pthread_t threads[6];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, flood, a), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    admission_drain(a, 10000);
    assert_int_equal(seen.n_ended, 48);
    admission_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_runs_and_is_handed_back),
        cmocka_unit_test(no_more_run_at_once_than_there_are_places),
        cmocka_unit_test(order_is_kept_within_a_key_and_keys_take_turns),
        cmocka_unit_test(beyond_the_queue_jobs_are_refused_at_once),
        cmocka_unit_test(who_goes_on_waits_in_the_queue_too),
        cmocka_unit_test(a_job_that_waits_too_long_is_handed_back),
        cmocka_unit_test(who_hangs_up_while_waiting_leaves_the_queue),
        cmocka_unit_test(waiting_and_running_jobs_tick),
        cmocka_unit_test(a_drain_lets_jobs_end),
        cmocka_unit_test(after_the_grace_nothing_is_started),
        cmocka_unit_test(freeing_drains),
        cmocka_unit_test(any_number_of_keys_is_served),
        cmocka_unit_test(many_threads_may_submit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

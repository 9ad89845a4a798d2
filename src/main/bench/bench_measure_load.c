/* SPDX-License-Identifier: Apache-2.0 */
/* bench_measure_load.c -- many clients at once: a thread each, with a connection and samples of its own. */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "main/bench/bench_bare.h"
#include "main/bench/bench_measure.h"

#define SUSTAINED_SECONDS 60.0
#define BARE_SHARE        0.15 /* of the server's time, before and after it */
#define BURSTS            5
#define STEP_SECONDS      3.0
#define LOOPS_MAX         64
#define STACK_BYTES       ((size_t)256 * 1024)
#define US_PER_SECOND     1e6

/* What all clients of a load share. They wait at the barrier, start at once, and go on until end_us. */
struct load {
    const struct caller_address *address;
    const struct bench_program *program;
    double seconds; /* 0 = one execution each, over a connection that is made within its time */
    pthread_barrier_t start;
};

struct worker {
    struct load *load;
    pthread_t thread;
    struct bench_result result; /* server side and note only */
    int64_t first_us, last_us;  /* of its own start and last answer */
    int error;
};

static int run_once(struct worker *worker, struct caller *client)
{
    const struct bench_program *program = worker->load->program;
    const struct bench_call call = { .language = program->language,
                                     .code = program->source,
                                     .expected = program->expected };

    return bench_count_exec(client, &call, &worker->result.server, &worker->result);
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(worker->load->address);
    int64_t end_us;

    pthread_barrier_wait(&worker->load->start);
    worker->first_us = clock_monotonic_us();
    end_us = worker->first_us + (int64_t)(worker->load->seconds * US_PER_SECOND);
    do {
        worker->error = run_once(worker, &client);
        worker->last_us = clock_monotonic_us();
    } while (worker->error == 0 && worker->last_us < end_us && !interrupt_came());
    return NULL;
}

/* Threads beyond those that could be started would be waited for at the barrier for ever, so failing to start one ends
 * the program: a machine without memory for a thread measures nothing. */
static void start_workers(struct load *load, struct worker *workers, unsigned n)
{
    pthread_attr_t attributes;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    pthread_barrier_init(&load->start, NULL, n);
    for (unsigned i = 0; i < n; i++) {
        workers[i] = (struct worker){ .load = load };
        if (pthread_create(&workers[i].thread, &attributes, work, &workers[i]) != 0) {
            fputs("codecell bench: no memory for a thread\n", stderr);
            abort();
        }
    }
    pthread_attr_destroy(&attributes);
}

static int collect(struct worker *worker, struct bench_result *result)
{
    int r = bench_samples_join(&result->server.samples, &worker->result.server.samples);

    for (size_t i = 0; i < BENCH_WARM_MAX; i++)
        bench_side_warm(&result->server, worker->result.server.warm[i].word, worker->result.server.warm[i].n);
    result->server.errors += worker->result.server.errors;
    if (!*result->note)
        snprintf(result->note, sizeof(result->note), "%s", worker->result.note);
    bench_result_deinit(&worker->result);
    return worker->error ? worker->error : r;
}

/* Runs the load and adds its samples, errors and rate to the result. */
static int run_load(struct load *load, unsigned n, struct bench_result *result)
{
    CLEANUP_FREE struct worker *workers = calloc(n, sizeof(*workers));
    int64_t first_us = INT64_MAX, last_us = 0;
    size_t before = result->server.samples.n;
    int r = 0;

    if (!workers)
        return -ENOMEM;
    start_workers(load, workers, n);
    for (unsigned i = 0; i < n; i++) {
        int joined;

        pthread_join(workers[i].thread, NULL);
        first_us = workers[i].first_us < first_us ? workers[i].first_us : first_us;
        last_us = workers[i].last_us > last_us ? workers[i].last_us : last_us;
        joined = collect(&workers[i], result);
        r = r ? r : joined;
    }
    pthread_barrier_destroy(&load->start);
    result->server.rate_per_s =
        (double)(result->server.samples.n - before) * US_PER_SECOND / (double)(last_us - first_us + 1);
    return r;
}

struct loops {
    struct bench_fork loops[LOOPS_MAX];
    size_t n;
};

static void stop_loops(struct loops *loops)
{
    for (size_t i = 0; i < loops->n; i++)
        bench_fork_stop(&loops->loops[i]);
}

static int start_loops(struct loops *loops, unsigned n, const char *home)
{
    int r = 0;

    for (unsigned i = 0; i < n && i < LOOPS_MAX && r == 0; i++) {
        loops->loops[loops->n] = BENCH_FORK_NONE;
        r = bench_fork_start(&loops->loops[loops->n], home);
        loops->n += r == 0;
    }
    return r;
}

/* The server works without a pause, so the bare forks go before and after it. They are started for each turn: waiting
 * interpreters would take memory from the server. */
static int bare_turn(struct bench *bench, const struct bench_row *row, double seconds, double *ret_rate)
{
    CLEANUP(stop_loops) struct loops loops = { 0 };
    int r = start_loops(&loops, bench->processors, bench->home);

    return r < 0 ? r : bench_fork_many(loops.loops, loops.n, row->program, seconds, ret_rate);
}

int bench_measure_sustained(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    double seconds = bench_seconds(bench, SUSTAINED_SECONDS), before = 0, after = 0;
    struct load load = { .address = &bench->server.address, .program = row->program, .seconds = seconds };
    int r = bare_turn(bench, row, seconds * BARE_SHARE, &before);

    if (r == 0)
        r = run_load(&load, row->count, result);
    if (r == 0)
        r = bare_turn(bench, row, seconds * BARE_SHARE, &after);
    result->bare.rate_per_s = (before + after) / 2;
    return r;
}

int bench_measure_burst(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    struct load load = { .address = &bench->server.address, .program = row->program };
    int bursts = bench->options.quick ? 1 : BURSTS, r = 0;

    for (int i = 0; i < bursts && r == 0 && !interrupt_came(); i++)
        r = run_load(&load, row->count, result);
    return r;
}

int bench_measure_concurrency(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    struct load load = { .address = &bench->server.address,
                         .program = row->program,
                         .seconds = bench_seconds(bench, STEP_SECONDS) };
    int r = 0;

    for (unsigned clients = 1; clients <= row->count && r == 0 && !interrupt_came(); clients *= 2) {
        CLEANUP(bench_result_deinit) struct bench_result step = { 0 };
        struct bench_point *point = &result->points[result->n_points];

        r = run_load(&load, clients, &step);
        if (r == 0)
            r = bench_samples_summary(&step.server.samples, &point->latency);
        point->clients = clients;
        point->errors = step.server.errors;
        point->rate_per_s = step.server.rate_per_s;
        result->server.errors += step.server.errors;
        if (!*result->note)
            snprintf(result->note, sizeof(result->note), "%s", step.note);
        if (++result->n_points == BENCH_POINTS_MAX)
            break;
    }
    return r;
}

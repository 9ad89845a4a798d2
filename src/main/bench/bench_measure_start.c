/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "main/bench/bench_bare.h"
#include "main/bench/bench_measure.h"
#include "main/bench/bench_memory.h"

#define ROUNDS          5
#define ARMED_WITHIN_US (60 * 1000000LL)
#define ARMED_PAUSE_US  200000
#define SETTING_SIZE    64

int bench_own_server(struct bench *bench, struct own_server *server, const char *const *settings,
                     struct bench_result *result)
{
    int r = own_server_start(server, bench->program, settings);

    if (r == 0)
        r = own_server_wait(server);
    if (r == 0)
        return 0;
    snprintf(result->note, sizeof(result->note), "its server did not start: %s",
             *server->error ? server->error : strerror(-r));
    return BENCH_E_ABSENT;
}

/* From the start of the command to the answer of a program that uses every library. */
static int server_ready(struct bench *bench, struct bench_result *result)
{
    CLEANUP(own_server_stop) struct own_server server = { 0 };
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&server.address);
    const struct bench_call call = { .language = "py", .code = bench_program_imports.source, .expected = "1\n" };
    struct bench_answer answer = { 0 };
    char note[BENCH_NOTE_SIZE] = "";
    int64_t start_us = clock_monotonic_us();
    int r = bench_own_server(bench, &server, NULL, result);

    if (r != 0)
        return r;
    r = bench_exec(&client, &call, &answer, note, sizeof(note));
    return bench_count(&result->server, result, r, (double)(clock_monotonic_us() - start_us) / 1000, note);
}

static int bare_imports(struct bench *bench, struct bench_result *result)
{
    char note[BENCH_NOTE_SIZE] = "";
    double ms = 0;
    int r = bench_bare_run(&bench_program_imports, -1, bench->home, bench->home, &ms, note, sizeof(note));

    return bench_count(&result->bare, result, r, ms, note);
}

int bench_measure_ready(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(bench_result_deinit) struct bench_result warm = { 0 };
    int rounds = bench->options.quick ? 1 : ROUNDS, r = bare_imports(bench, &warm);

    (void)row;
    for (int i = 0; i < rounds && r == 0 && !interrupt_came(); i++) {
        r = server_ready(bench, result);
        if (r == 0)
            r = bare_imports(bench, result);
    }
    return r;
}

/* Looks until so many wait, or no more of them come. Returns 0 or a negative errno. */
static int wait_armed(pid_t warden, size_t wanted, struct bench_samples *samples)
{
    int64_t end_us = clock_monotonic_us() + ARMED_WITHIN_US, quiet_us = clock_monotonic_us();
    size_t most = 0;
    int r = 0;

    while (r == 0 && !interrupt_came()) {
        bench_samples_deinit(samples);
        r = bench_memory_python_cells(warden, samples);
        if (samples->n > most)
            quiet_us = clock_monotonic_us();
        most = samples->n > most ? samples->n : most;
        if (samples->n >= wanted || clock_monotonic_us() > end_us ||
            clock_monotonic_us() > quiet_us + ARMED_WITHIN_US / 10)
            break;
        usleep(ARMED_PAUSE_US);
    }
    return r;
}

int bench_measure_armed(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(own_server_stop) struct own_server server = { 0 };
    int r = bench_own_server(bench, &server, NULL, result); /* where no session of an earlier row is parked */

    (void)row;
    if (r == 0)
        r = wait_armed(server.pid, 1, &result->server.samples);
    if (r == 0 && result->server.samples.n == 0) {
        snprintf(result->note, sizeof(result->note), "no Python cell waits in this server");
        return BENCH_E_ABSENT;
    }
    return r;
}

int bench_measure_armed_many(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    char pool[SETTING_SIZE], running[SETTING_SIZE];
    const char *const settings[] = { pool, running, NULL };
    CLEANUP(own_server_stop) struct own_server server = { 0 };
    CLEANUP(bench_samples_deinit) struct bench_samples memory = { 0 };
    struct bench with_server = *bench;
    size_t armed;
    int r;

    snprintf(pool, sizeof(pool), "SANDBOX_POOL_PY=%u", row->count);
    snprintf(running, sizeof(running), "MAX_CONCURRENT_EXECUTIONS=%u", row->count);
    r = bench_own_server(bench, &server, settings, result);
    with_server.server = server;
    with_server.options.quick = true;
    if (r == 0)
        r = wait_armed(server.pid, row->count, &memory);
    armed = memory.n;
    if (r == 0 && armed == 0) {
        snprintf(result->note, sizeof(result->note), "no Python cell waits in this server");
        return BENCH_E_ABSENT;
    }
    if (r == 0)
        r = bench_measure_burst(&with_server, row, result);
    if (r == 0 && armed < row->count) {
        result->server.errors++;
        snprintf(result->note, sizeof(result->note), "%zu of %u waited at once", armed, row->count);
    }
    return r;
}

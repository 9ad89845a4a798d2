/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "main/bench/bench_bare.h"
#include "main/bench/bench_measure.h"

#define USUAL_SECONDS   10.0
#define MOST_SAMPLES    500
#define MOST_ERRORS     5
#define LARGE_ROUNDS    3
#define OTHER_SESSIONS  3
#define LEAST_SAMPLES   8
#define PAUSE_US        1000000 /* as between the calls of a conversation; a call at once waits for the copy */
#define US_PER_SECOND   1e6
#define SAVED_WITHIN_US (5 * 1000000) /* the copy is taken after the answer went out, and nothing tells when */

/* 12,500,000 numbers of eight bytes, each page of them written; they repeat, so that the copy compresses. */
#define LARGE_CODE                                                                                                     \
    "import numpy as np\n"                                                                                             \
    "import pandas as pd\n"                                                                                            \
    "df = pd.DataFrame(np.resize(np.arange(1000.0), (1250000, 10)))\n"                                                 \
    "print(len(df))\n"
#define LARGE_LENGTH "1250000\n"

static const struct bench_call make_small = { .language = "py", .code = "x = 42\n", .expected = "" };
static const struct bench_call make_large = { .language = "py", .code = LARGE_CODE, .expected = LARGE_LENGTH };
static const struct bench_call print_one = { .language = "py", .code = "print(1)\n", .expected = "1\n" };

/* Runs a call without counting its time; a wrong answer is an error of the server's side. Returns 0 and the session,
 * BENCH_EXEC_E_WRONG or a negative errno. */
static int run_untimed(struct caller *client, const struct bench_call *call, struct bench_result *result,
                       char *ret_session)
{
    struct bench_answer answer = { 0 };
    char note[BENCH_NOTE_SIZE] = "";
    int r = bench_exec(client, call, &answer, note, sizeof(note)), counted;

    if (r != 0) {
        counted = bench_count(&result->server, result, r, 0, note);
        return counted < 0 ? counted : BENCH_EXEC_E_WRONG;
    }
    if (ret_session)
        memcpy(ret_session, answer.session_id, ID_MAX_SIZE);
    return 0;
}

static int small_sample(struct caller *client, struct bench_result *result)
{
    char session[ID_MAX_SIZE];
    const struct bench_call use = { .language = "py", .code = "print(x)\n", .expected = "42\n", .session_id = session };
    int r = run_untimed(client, &make_small, result, session);

    if (r == 0)
        r = bench_count_exec(client, &use, &result->server, result);
    return r < 0 ? r : bench_count_exec(client, &print_one, &result->bare, result);
}

int bench_measure_small_state(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    int64_t end_us = clock_monotonic_us() + (int64_t)(bench_seconds(bench, USUAL_SECONDS) * US_PER_SECOND);
    int r = 0;

    (void)row;
    do {
        r = small_sample(&client, result);
    } while (r == 0 && clock_monotonic_us() < end_us && result->server.samples.n < MOST_SAMPLES &&
             result->server.errors < MOST_ERRORS && !interrupt_came());
    return r;
}

static int use_large(struct caller *client, const char *session, struct bench_result *result)
{
    const struct bench_call use = {
        .language = "py", .code = "print(len(df))\n", .expected = LARGE_LENGTH, .session_id = session
    };

    return bench_count_exec(client, &use, &result->server, result);
}

int bench_measure_large_state(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&bench->server.address);
    int64_t end_us;
    char session[ID_MAX_SIZE];
    int r = run_untimed(&client, &make_large, result, session);

    (void)row;
    end_us = clock_monotonic_us() + (int64_t)(bench_seconds(bench, USUAL_SECONDS) * US_PER_SECOND);
    while (r == 0 && !interrupt_came() && result->server.errors < MOST_ERRORS &&
           (clock_monotonic_us() < end_us || result->server.samples.n < LEAST_SAMPLES)) {
        usleep(PAUSE_US);
        r = use_large(&client, session, result);
    }
    return r < 0 ? r : 0;
}

/* So that the copies have been taken. Ends early when the program was interrupted. */
static void wait_saved(void)
{
    if (!interrupt_came())
        usleep(SAVED_WITHIN_US);
}

/* Other sessions with something to keep take the place of this one. */
static int evict(struct caller *client, struct bench_result *result)
{
    int r = 0;

    for (int i = 0; i < OTHER_SESSIONS && r == 0; i++)
        r = run_untimed(client, &make_small, result, NULL);
    return r;
}

static int evicted_round(struct caller *client, struct bench_result *result)
{
    char session[ID_MAX_SIZE];
    int r = run_untimed(client, &make_large, result, session);

    if (r == 0) {
        wait_saved();
        r = evict(client, result);
    }
    return r == 0 ? use_large(client, session, result) : r;
}

int bench_measure_evicted_state(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    static const char *const settings[] = { "HOT_SESSIONS_MAX=1", NULL };
    CLEANUP(own_server_stop) struct own_server server = { 0 };
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&server.address);
    int r = bench_own_server(bench, &server, settings, result);

    (void)row;
    for (int i = 0; i < (bench->options.quick ? 1 : LARGE_ROUNDS) && r == 0 && !interrupt_came(); i++)
        r = evicted_round(&client, result);
    return r == BENCH_EXEC_E_WRONG && result->server.errors ? 0 : r;
}

static int kept_round(struct bench *bench, struct own_server *server, struct bench_result *result)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&server->address);
    char session[ID_MAX_SIZE];
    int r = run_untimed(&client, &make_large, result, session);

    if (r != 0)
        return r;
    wait_saved();
    caller_deinit(&client);
    own_server_end(server);
    r = own_server_start(server, bench->program, NULL);
    if (r == 0)
        r = own_server_wait(server);
    return r < 0 ? r : use_large(&client, session, result);
}

int bench_measure_kept_state(struct bench *bench, const struct bench_row *row, struct bench_result *result)
{
    CLEANUP(own_server_stop) struct own_server server = { 0 };
    int r = bench_own_server(bench, &server, NULL, result);

    (void)row;
    for (int i = 0; i < (bench->options.quick ? 1 : LARGE_ROUNDS) && r == 0 && !interrupt_came(); i++)
        r = kept_round(bench, &server, result);
    return r == BENCH_EXEC_E_WRONG && result->server.errors ? 0 : r;
}

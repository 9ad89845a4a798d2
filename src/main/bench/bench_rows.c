/* SPDX-License-Identifier: Apache-2.0 */
/* bench_rows.c -- every measurement and its limit. */
#include <string.h>

#include "base/cleanup.h"
#include "main/bench/bench_measure.h"
#include "main/bench/bench_program.h"

#define PYTHON  "py"
#define FORK    "fork, program, exit, wait in a python3 with the libraries imported"
#define COMMAND "its own command line on the host"

/* A language's hello, a new source for each sample on both sides; AGAIN gives the server the same one. */
#define HELLO(code_, what_, ...)                                                                                       \
    {                                                                                                                  \
        .name = code_, .what = what_, .bare = COMMAND, .language = (code_), .measure = bench_measure_command,          \
        .limit = {                                                                                                     \
            BENCH_P50,                                                                                                 \
            BENCH_AGAINST_BARE,                                                                                        \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }
#define AGAIN(code_)                                                                                                   \
    {                                                                                                                  \
        .name = code_ "-again", .what = code_ " hello, the same source again", .bare = COMMAND, .language = (code_),   \
        .measure = bench_measure_command, .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.1, .floor = 5 },        \
        .same_source = true                                                                                            \
    }

const struct bench_row bench_rows[] = {
    {
        .name = "floor-http",
        .what = "GET /health over loopback: the floor below every answer",
        .measure = bench_measure_health,
    },
    {
        .name = "floor-process",
        .what = "the host starts and ends /bin/true: the floor below every bare command",
        .measure = bench_measure_spawn,
    },
    {
        .name = "py-print",
        .what = "print(1), one client (to aim for: 1 ms)",
        .bare = FORK,
        .language = PYTHON,
        .program = &bench_program_print,
        .measure = bench_measure_fork,
        .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.5 },
        .same_source = true,
    },
    {
        .name = "py-print-p99",
        .what = "print(1), one client, one after the other",
        .language = PYTHON,
        .program = &bench_program_print,
        .measure = bench_measure_alone,
        .limit = { BENCH_P99, BENCH_AGAINST_P50, .ratio = 5 },
        .same_source = true,
    },
    {
        .name = "py-dataframe",
        .what = "a DataFrame built, summed and printed",
        .bare = FORK,
        .language = PYTHON,
        .program = &bench_program_dataframe,
        .measure = bench_measure_fork,
        .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1.5 },
        .same_source = true,
    },
    {
        .name = "py-sustained",
        .what = "print(1), 8 clients without pause",
        .bare = "bare forks on every processor",
        .language = PYTHON,
        .program = &bench_program_print,
        .measure = bench_measure_sustained,
        .limit = { BENCH_RATE, BENCH_AGAINST_BARE, .ratio = 0.5 },
        .count = 8,
    },
    {
        .name = "py-burst",
        .what = "print(1), 200 clients at once",
        .language = PYTHON,
        .program = &bench_program_print,
        .measure = bench_measure_burst,
        .limit = { BENCH_MAX, BENCH_AGAINST_NONE, .floor = 2000 },
        .count = 200,
    },
    {
        .name = "py-ready",
        .what = "from the start of serve to an answer with all libraries",
        .bare = "a python3 that imports them",
        .language = PYTHON,
        .measure = bench_measure_ready,
        .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1.3 },
    },
    {
        .name = "py-armed",
        .what = "memory of its own of a waiting Python cell",
        .unit = "MiB",
        .language = PYTHON,
        .measure = bench_measure_armed,
        .limit = { BENCH_MAX, BENCH_AGAINST_NONE, .floor = 4 },
    },
    {
        .name = "py-armed-200",
        .what = "200 cells wait at once, and all are used at once",
        .language = PYTHON,
        .program = &bench_program_print,
        .measure = bench_measure_armed_many,
        .limit = { BENCH_CORRECT },
        .count = 200,
    },
    {
        .name = "state-small",
        .what = "x = 42, then print(x): the second call",
        .bare = "print(1) on the server",
        .language = PYTHON,
        .measure = bench_measure_small_state,
        .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1.2 },
    },
    {
        .name = "state-large",
        .what = "len() of a 100 MB DataFrame of an earlier call, hot, a second after it",
        .language = PYTHON,
        .measure = bench_measure_large_state,
        .limit = { BENCH_P50, BENCH_AGAINST_NONE, .floor = 3 },
    },
    {
        .name = "state-evicted",
        .what = "the same after its cell was evicted",
        .language = PYTHON,
        .measure = bench_measure_evicted_state,
        .limit = { BENCH_CORRECT },
    },
    {
        .name = "state-restart",
        .what = "the same after a restart of the server",
        .language = PYTHON,
        .measure = bench_measure_kept_state,
        .limit = { BENCH_CORRECT },
    },
    HELLO("js", "js hello", .ratio = 0.3),
    HELLO("ts", "ts hello", .ratio = 0.3),
    HELLO("r", "r hello", .ratio = 0.3),
    HELLO("php", "php hello", .ratio = 0.3),
    HELLO("bash", "bash hello", .ratio = 1.0, .plus = 1.5),
    HELLO("java", "java hello, first run of a source", .ratio = 0.35),
    HELLO("c", "c hello, first run of a source", .ratio = 1.1),
    HELLO("cpp", "cpp hello, first run of a source", .ratio = 1.1),
    HELLO("f90", "f90 hello, first run of a source", .ratio = 1.1),
    HELLO("d", "d hello, first run of a source", .ratio = 1.1),
    HELLO("go", "go hello, first run of a source", .ratio = 1.1),
    HELLO("rs", "rs hello, first run of a source", .ratio = 1.1),
    AGAIN("java"),
    AGAIN("c"),
    AGAIN("cpp"),
    AGAIN("f90"),
    AGAIN("d"),
    AGAIN("go"),
    AGAIN("rs"),
    AGAIN("ts"),
    {
        .name = BENCH_ROW_CONCURRENCY,
        .what = "print(1) by 1, 2, 4 ... 64 clients",
        .language = PYTHON,
        .program = &bench_program_print,
        .measure = bench_measure_concurrency,
        .count = 64,
    },
    { 0 },
};

/* The name at *at of a list with commas, and its length; *at moves on. False at the end. */
static bool next_name(const char **at, const char **ret_name, size_t *ret_length)
{
    if (!**at)
        return false;
    *ret_name = *at;
    *ret_length = strcspn(*at, ",");
    *at += *ret_length + ((*at)[*ret_length] == ',');
    return true;
}

bool bench_selected(const char *names, const char *row)
{
    const char *name;
    size_t length;

    if (!names)
        return true;
    while (next_name(&names, &name, &length))
        if (strlen(row) == length && memcmp(row, name, length) == 0)
            return true;
    return false;
}

static bool is_row(const char *name, size_t length)
{
    for (const struct bench_row *row = bench_rows; row->name; row++)
        if (strlen(row->name) == length && memcmp(row->name, name, length) == 0)
            return true;
    return false;
}

bool bench_unknown_name(const char *names, char *ret_name, size_t size)
{
    const char *name;
    size_t length;

    while (next_name(&names, &name, &length))
        if (!is_row(name, length)) {
            snprintf(ret_name, size, "%.*s", (int)length, name);
            return true;
        }
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* bench_row.h -- one measurement of `codecell bench`: what is measured, what it may at most be, and what came out.
 *
 * bench_rows.c is the table of all; adding a measurement is adding a row there. */
#pragma once

#include <stdbool.h>

#include "main/bench/bench_stats.h"

#define BENCH_POINTS_MAX 12
#define BENCH_NOTE_SIZE  320

struct bench;
struct bench_program;
struct bench_result;

/* Which figure of the server is judged. */
enum bench_metric {
    BENCH_NOTHING, /* measured and reported, with no limit */
    BENCH_P50,
    BENCH_P99,
    BENCH_MAX,
    BENCH_RATE,    /* executions per second: the only one that must be at least its limit */
    BENCH_CORRECT, /* every answer right, however long it takes */
};

/* What it is compared with. */
enum bench_reference {
    BENCH_AGAINST_BARE, /* the same figure of the bare counterpart */
    BENCH_AGAINST_P50,  /* the server's own p50 */
    BENCH_AGAINST_NONE, /* an absolute limit */
};

/* The limit is the larger of ratio x reference + plus and floor, in the row's unit. */
struct bench_limit {
    enum bench_metric metric;
    enum bench_reference reference;
    double ratio, plus, floor;
};

struct bench_row {
    const char *name; /* for --only */
    const char *what;
    const char *unit;                    /* of the samples; NULL = ms */
    const char *bare;                    /* what the bare counterpart is; NULL = none */
    const char *language;                /* not applicable where the server lacks it; NULL = any */
    const struct bench_program *program; /* what is run, for measurements that run one */
    /* Measures. Returns 0, also when answers were wrong (counted in the result); BENCH_E_ABSENT with the result's
     * note; or a negative errno. */
    int (*measure)(struct bench *bench, const struct bench_row *row, struct bench_result *result);
    struct bench_limit limit;
    bool same_source; /* the server gets one source again and again, instead of a new one for each sample */
    unsigned count;   /* samples wanted, or clients, as the measurement says; 0 = as many as time allows */
};

enum {
    BENCH_E_ABSENT = 1, /* cannot be measured here; the note says why */
};

enum bench_verdict {
    BENCH_MEASURED, /* without a limit */
    BENCH_MET,
    BENCH_MISSED,
    BENCH_NOT_APPLICABLE,
    BENCH_FAILED, /* no verdict: the measurement itself ended with an error */
};

#define BENCH_WARM_SIZE 16
#define BENCH_WARM_MAX  6

/* How many answers said that their cell came from here ("armed", "forked" ...). */
struct bench_warm {
    char word[BENCH_WARM_SIZE];
    unsigned n;
};

struct bench_side {
    struct bench_samples samples;
    double rate_per_s;                      /* where a rate is measured, else 0 */
    unsigned errors;                        /* wrong, refused or lost answers */
    struct bench_warm warm[BENCH_WARM_MAX]; /* of the server's side; ends with an empty word */
};

/* Latency and throughput at one number of clients. */
struct bench_point {
    unsigned clients, errors;
    struct bench_summary latency;
    double rate_per_s;
};

struct bench_result {
    struct bench_side server, bare;
    struct bench_point points[BENCH_POINTS_MAX];
    size_t n_points;
    char note[BENCH_NOTE_SIZE]; /* first error, or why not applicable; "" = nothing to say */

    /* Filled by bench_judge(). */
    enum bench_verdict verdict;
    struct bench_summary server_summary, bare_summary;
    double value, reference, bound; /* the judged figure, what it is compared with, and its limit; NAN = none */
};

void bench_result_deinit(struct bench_result *result);

/* Counts an answer's word n times; "" and words beyond the last place are dropped. */
void bench_side_warm(struct bench_side *side, const char *word, unsigned n);

/* Summarises both sides and decides. outcome is what measure() returned. Returns 0 or -ENOMEM. */
int bench_judge(const struct bench_row *row, int outcome, struct bench_result *result);

/* "met", "missed" ... */
const char *bench_verdict_name(enum bench_verdict verdict);

/* The limit in words: "p50 <= 0.5 x bare + 1.5 ms". */
void bench_limit_text(const struct bench_row *row, char *ret_text, size_t size);

/* The unit of the judged figure: "ms", "/s" ... */
const char *bench_value_unit(const struct bench_row *row);

/* SPDX-License-Identifier: Apache-2.0 */
/* bench_measure.h -- the ways to measure; each is a row's measure(), see bench_row.h for what they return.
 *
 * Server and bare samples alternate in small batches, so that whatever else the machine does hits both alike. Both
 * sides are warmed up first. */
#pragma once

#include "main/bench/bench.h"
#include "main/bench/bench_exec.h"

typedef int bench_measure(struct bench *bench, const struct bench_row *row, struct bench_result *result);

/* bench_measure_pair.c: one client, one sample after the other. */
bench_measure bench_measure_health;  /* GET /health: client, kernel and HTTP, no execution */
bench_measure bench_measure_spawn;   /* the smallest process of the host, nothing of the server */
bench_measure bench_measure_alone;   /* the row's program on the server only */
bench_measure bench_measure_fork;    /* the row's program: server, bare fork */
bench_measure bench_measure_command; /* the hello of the row's language: server, bare command */

/* bench_measure_load.c: many clients. */
bench_measure bench_measure_sustained;   /* row->count clients without pause against a bare fork loop a processor */
bench_measure bench_measure_burst;       /* row->count clients at once */
bench_measure bench_measure_concurrency; /* latency at 1, 2, 4 ... clients */

/* bench_measure_state.c: what a session keeps. */
bench_measure bench_measure_small_state;   /* x = 42, then print(x); as bare side print(1) on the server */
bench_measure bench_measure_large_state;   /* 100 MB, then its length, hot */
bench_measure bench_measure_evicted_state; /* the same after other sessions have taken its place */
bench_measure bench_measure_kept_state;    /* the same after a restart of the server */

/* bench_measure_start.c: what the server does by itself. */
bench_measure bench_measure_ready;      /* from start to the first answer with all libraries; bare: importing them */
bench_measure bench_measure_armed;      /* memory of each waiting Python cell */
bench_measure bench_measure_armed_many; /* row->count of them waiting, then all used at once */

/* Seconds that a row may take: --seconds, or the usual, or little with --quick. */
double bench_seconds(const struct bench *bench, double usual);

/* Counts a sample of one side: its value, or an error with the note that is kept if it is the first. Returns 0, also
 * for a wrong answer (r > 0), or r < 0 unchanged. */
int bench_count(struct bench_side *side, struct bench_result *result, int r, double value, const char *note);

/* One execution, timed and counted so. */
int bench_count_exec(struct caller *client, const struct bench_call *call, struct bench_side *side,
                     struct bench_result *result);

/* A server of the row's own with these settings, ready. With a reason in the note if it cannot be: BENCH_E_ABSENT. */
int bench_own_server(struct bench *bench, struct own_server *server, const char *const *settings,
                     struct bench_result *result);

/* SPDX-License-Identifier: Apache-2.0 */
/* bench_report.h -- results as a table for people and as JSON for programs. docs/PERFORMANCE.md says how to read both.
 */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "main/bench/bench_row.h"

#define BENCH_REPORT_MAX_BYTES ((size_t)1 << 20)

/* Appends printf text. Returns 0 or a negative errno as buffer_append(). */
int bench_text_add(struct buffer *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Appends the line above the rows, or one row with its note. Returns 0 or a negative errno. */
int bench_report_head(struct buffer *table);
int bench_report_row(struct buffer *table, const struct bench_row *row, const struct bench_result *result);

/* One row as a JSON object, which the caller owns. NULL without memory. */
json_t *bench_report_json(const struct bench_row *row, const struct bench_result *result);

/* A plot of latency against the number of clients, as SVG: p50, p90 and p99, both axes logarithmic. Points without a
 * latency are left out. Returns 0 or a negative errno. */
int bench_plot(const struct bench_point *points, size_t n, const char *title, struct buffer *svg);

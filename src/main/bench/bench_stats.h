/* SPDX-License-Identifier: Apache-2.0 */
/* bench_stats.h -- samples and their percentiles.
 *
 * A percentile is the nearest rank: a value that was really measured, with at least that share of all samples at or
 * below it. */
#pragma once

#include <stddef.h>

struct bench_samples {
    double *values; /* in order of measurement */
    size_t n;
    size_t capacity;
};

struct bench_summary {
    double p50, p90, p99, max, mean; /* 0 without samples */
    size_t n;
};

/* Frees the values; the samples can be used again. */
void bench_samples_deinit(struct bench_samples *samples);

/* Returns 0 or -ENOMEM. */
int bench_samples_add(struct bench_samples *samples, double value);

/* Adds all of from. Returns 0 or -ENOMEM. */
int bench_samples_join(struct bench_samples *samples, const struct bench_samples *from);

/* Returns 0 or -ENOMEM (it sorts a copy). */
int bench_samples_summary(const struct bench_samples *samples, struct bench_summary *ret_summary);

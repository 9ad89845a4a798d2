/* SPDX-License-Identifier: Apache-2.0 */
#include "main/bench/bench_stats.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define SAMPLES_FIRST 64

void bench_samples_deinit(struct bench_samples *samples)
{
    free(samples->values);
    *samples = (struct bench_samples){ 0 };
}

int bench_samples_add(struct bench_samples *samples, double value)
{
    if (samples->n == samples->capacity) {
        size_t capacity = samples->capacity ? samples->capacity * 2 : SAMPLES_FIRST;
        double *values = reallocarray(samples->values, capacity, sizeof(*values));

        if (!values)
            return -ENOMEM;
        samples->values = values;
        samples->capacity = capacity;
    }
    samples->values[samples->n++] = value;
    return 0;
}

int bench_samples_join(struct bench_samples *samples, const struct bench_samples *from)
{
    int r = 0;

    for (size_t i = 0; i < from->n && r == 0; i++)
        r = bench_samples_add(samples, from->values[i]);
    return r;
}

static int compare(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static double nearest_rank(const double *sorted, size_t n, double share)
{
    size_t rank = (size_t)ceil(share * (double)n);

    return sorted[rank > 0 ? rank - 1 : 0];
}

int bench_samples_summary(const struct bench_samples *samples, struct bench_summary *ret_summary)
{
    CLEANUP_FREE double *sorted = NULL;
    double sum = 0;
    size_t n = samples->n;

    *ret_summary = (struct bench_summary){ .n = n };
    if (n == 0)
        return 0;
    sorted = reallocarray(NULL, n, sizeof(*sorted));
    if (!sorted)
        return -ENOMEM;
    memcpy(sorted, samples->values, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), compare);
    for (size_t i = 0; i < n; i++)
        sum += sorted[i];
    ret_summary->p50 = nearest_rank(sorted, n, 0.50);
    ret_summary->p90 = nearest_rank(sorted, n, 0.90);
    ret_summary->p99 = nearest_rank(sorted, n, 0.99);
    ret_summary->max = sorted[n - 1];
    ret_summary->mean = sum / (double)n;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "main/bench/bench_stats.h"

static struct bench_summary summary_of(const double *values, size_t n)
{
    CLEANUP(bench_samples_deinit) struct bench_samples samples = { 0 };
    struct bench_summary summary;

    for (size_t i = 0; i < n; i++)
        assert_int_equal(bench_samples_add(&samples, values[i]), 0);
    assert_int_equal(bench_samples_summary(&samples, &summary), 0);
    return summary;
}

static void nothing_measured_is_all_zero(void **state)
{
    struct bench_summary summary = summary_of(NULL, 0);

    (void)state;
    assert_int_equal(summary.n, 0);
    assert_float_equal(summary.p50, 0, 0);
    assert_float_equal(summary.max, 0, 0);
}

static void one_sample_is_every_percentile(void **state)
{
    struct bench_summary summary = summary_of((const double[]){ 7.5 }, 1);

    (void)state;
    assert_int_equal(summary.n, 1);
    assert_float_equal(summary.p50, 7.5, 0);
    assert_float_equal(summary.p99, 7.5, 0);
    assert_float_equal(summary.max, 7.5, 0);
    assert_float_equal(summary.mean, 7.5, 0);
}

/* Of 1 to n the percentiles are known; they are added in an order that is not sorted. */
static void percentiles_are_the_nearest_rank(void **state)
{
    static const struct {
        size_t n;
        double p50, p90, p99;
    } rows[] = { { 2, 1, 2, 2 }, { 3, 2, 3, 3 }, { 10, 5, 9, 10 }, { 100, 50, 90, 99 }, { 1000, 500, 900, 990 } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP(bench_samples_deinit) struct bench_samples samples = { 0 };
        struct bench_summary summary;

        for (size_t k = 0; k < rows[i].n; k++)
            assert_int_equal(bench_samples_add(&samples, (double)(k % 2 ? k / 2 + 1 : rows[i].n - k / 2)), 0);
        assert_int_equal(bench_samples_summary(&samples, &summary), 0);
        assert_float_equal(summary.p50, rows[i].p50, 0);
        assert_float_equal(summary.p90, rows[i].p90, 0);
        assert_float_equal(summary.p99, rows[i].p99, 0);
        assert_float_equal(summary.max, (double)rows[i].n, 0);
        assert_float_equal(summary.mean, ((double)rows[i].n + 1) / 2, 1e-9);
    }
}

static void joined_samples_keep_their_order(void **state)
{
    CLEANUP(bench_samples_deinit) struct bench_samples left = { 0 }, right = { 0 };

    (void)state;
    assert_int_equal(bench_samples_add(&left, 3), 0);
    assert_int_equal(bench_samples_add(&right, 1), 0);
    assert_int_equal(bench_samples_add(&right, 2), 0);
    assert_int_equal(bench_samples_join(&left, &right), 0);
    assert_int_equal(left.n, 3);
    assert_float_equal(left.values[0], 3, 0);
    assert_float_equal(left.values[1], 1, 0);
    assert_float_equal(left.values[2], 2, 0);
    assert_int_equal(right.n, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_measured_is_all_zero),
        cmocka_unit_test(one_sample_is_every_percentile),
        cmocka_unit_test(percentiles_are_the_nearest_rank),
        cmocka_unit_test(joined_samples_keep_their_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

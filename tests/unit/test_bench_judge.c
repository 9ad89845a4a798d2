/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>

#include "main/bench/bench.h"

/* A result with one sample on each side (below zero = none) and rates. */
static struct bench_result result_of(double server, double bare, double server_rate, double bare_rate)
{
    struct bench_result result = { .server.rate_per_s = server_rate, .bare.rate_per_s = bare_rate };

    if (server >= 0)
        assert_int_equal(bench_samples_add(&result.server.samples, server), 0);
    if (bare >= 0)
        assert_int_equal(bench_samples_add(&result.bare.samples, bare), 0);
    return result;
}

static enum bench_verdict judge(struct bench_limit limit, struct bench_result result, int outcome)
{
    const struct bench_row row = { .name = "row", .what = "what", .limit = limit };

    assert_int_equal(bench_judge(&row, outcome, &result), 0);
    bench_result_deinit(&result);
    return result.verdict;
}

static void limits_are_kept_or_missed(void **state)
{
    static const struct bench_limit half = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.5 };
    static const struct bench_limit plus = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1, .plus = 1.5 };
    static const struct bench_limit floor_5 = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.1, .floor = 5 };
    static const struct bench_limit most_3 = { BENCH_MAX, BENCH_AGAINST_NONE, .floor = 3 };
    static const struct bench_limit rate = { BENCH_RATE, BENCH_AGAINST_BARE, .ratio = 0.5 };
    static const struct {
        const struct bench_limit *limit;
        double server, bare, server_rate, bare_rate;
        enum bench_verdict verdict;
    } rows[] = {
        { &half, 1.0, 2.0, 0, 0, BENCH_MET },      { &half, 1.1, 2.0, 0, 0, BENCH_MISSED },
        { &half, -1, 2.0, 0, 0, BENCH_MISSED },    { &half, 1.0, -1, 0, 0, BENCH_MISSED },
        { &plus, 2.5, 1.0, 0, 0, BENCH_MET },      { &plus, 2.6, 1.0, 0, 0, BENCH_MISSED },
        { &floor_5, 5.0, 10.0, 0, 0, BENCH_MET },  { &floor_5, 5.1, 10.0, 0, 0, BENCH_MISSED },
        { &floor_5, 9.0, 100, 0, 0, BENCH_MET },   { &floor_5, 3.0, -1, 0, 0, BENCH_MISSED },
        { &most_3, 3.0, -1, 0, 0, BENCH_MET },     { &most_3, 3.1, -1, 0, 0, BENCH_MISSED },
        { &most_3, -1, -1, 0, 0, BENCH_MISSED },   { &rate, 1.0, -1, 50, 100, BENCH_MET },
        { &rate, 1.0, -1, 49, 100, BENCH_MISSED }, { &rate, 1.0, -1, 0, 100, BENCH_MISSED },
        { &rate, 1.0, -1, 50, 0, BENCH_MISSED },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct bench_result result = result_of(rows[i].server, rows[i].bare, rows[i].server_rate, rows[i].bare_rate);

        assert_int_equal(judge(*rows[i].limit, result, 0), rows[i].verdict);
    }
}

static void p99_is_compared_with_the_own_p50(void **state)
{
    const struct bench_limit limit = { BENCH_P99, BENCH_AGAINST_P50, .ratio = 5 };
    struct bench_result result = result_of(1, -1, 0, 0);

    (void)state;
    for (int i = 0; i < 49; i++)
        assert_int_equal(bench_samples_add(&result.server.samples, 1), 0);
    assert_int_equal(bench_samples_add(&result.server.samples, 6), 0);
    assert_int_equal(judge(limit, result, 0), BENCH_MISSED);
    result = result_of(2, -1, 0, 0);
    assert_int_equal(judge(limit, result, 0), BENCH_MET);
}

static void a_wrong_answer_is_never_met(void **state)
{
    const struct bench_limit limits[] = { { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1 }, { BENCH_CORRECT } };
    struct bench_result result;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
        result = result_of(1, 100, 0, 0);
        assert_int_equal(judge(limits[i], result, 0), BENCH_MET);
        result = result_of(1, 100, 0, 0);
        result.server.errors = 1;
        assert_int_equal(judge(limits[i], result, 0), BENCH_MISSED);
        result = result_of(1, 100, 0, 0);
        result.bare.errors = 1;
        assert_int_equal(judge(limits[i], result, 0), BENCH_MISSED);
    }
    assert_int_equal(judge((struct bench_limit){ BENCH_CORRECT }, result_of(-1, -1, 0, 0), 0), BENCH_MISSED);
}

static void what_could_not_be_measured_is_said(void **state)
{
    const struct bench_limit limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1 };

    (void)state;
    assert_int_equal(judge(limit, result_of(-1, -1, 0, 0), BENCH_E_ABSENT), BENCH_NOT_APPLICABLE);
    assert_int_equal(judge(limit, result_of(1, 2, 0, 0), -EIO), BENCH_FAILED);
    assert_int_equal(judge((struct bench_limit){ 0 }, result_of(1, -1, 0, 0), 0), BENCH_MEASURED);
}

static void limits_read_as_they_are_meant(void **state)
{
    static const struct {
        struct bench_row row;
        const char *text;
    } rows[] = {
        { { .limit = { 0 } }, "-" },
        { { .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.5 } }, "p50 <= 0.5 x bare" },
        { { .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 1, .plus = 1.5 } }, "p50 <= 1 x bare + 1.5 ms" },
        { { .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.1, .floor = 5 } }, "p50 <= 0.1 x bare or 5 ms" },
        { { .limit = { BENCH_P99, BENCH_AGAINST_P50, .ratio = 5 } }, "p99 <= 5 x p50" },
        { { .limit = { BENCH_MAX, BENCH_AGAINST_NONE, .floor = 4 }, .unit = "MiB" }, "max <= 4 MiB" },
        { { .limit = { BENCH_RATE, BENCH_AGAINST_BARE, .ratio = 0.5 } }, "rate >= 0.5 x bare" },
        { { .limit = { BENCH_CORRECT } }, "every answer right" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[64];

        bench_limit_text(&rows[i].row, text, sizeof(text));
        assert_string_equal(text, rows[i].text);
    }
}

/* Every row can be run and told apart, and every language of a hello has one. */
static void the_table_is_complete(void **state)
{
    (void)state;
    for (const struct bench_row *row = bench_rows; row->name; row++) {
        assert_non_null(row->what);
        assert_non_null(row->measure);
        assert_true(row->limit.reference != BENCH_AGAINST_BARE || row->limit.metric == BENCH_NOTHING ||
                    row->limit.metric == BENCH_CORRECT || row->bare);
        for (const struct bench_row *other = bench_rows; other != row; other++)
            assert_string_not_equal(other->name, row->name);
    }
}

static void names_select_whole_rows(void **state)
{
    char name[16];

    (void)state;
    assert_true(bench_selected(NULL, "c"));
    assert_true(bench_selected("js,c,ts", "c"));
    assert_true(bench_selected("c", "c"));
    assert_false(bench_selected("cpp", "c"));
    assert_false(bench_selected("c-again", "c"));
    assert_false(bench_selected("", "c"));
    assert_false(bench_unknown_name("js,c,py-print", name, sizeof(name)));
    assert_true(bench_unknown_name("js,cobol,c", name, sizeof(name)));
    assert_string_equal(name, "cobol");
    assert_true(bench_unknown_name("js,,c", name, sizeof(name)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_kept_or_missed),     cmocka_unit_test(p99_is_compared_with_the_own_p50),
        cmocka_unit_test(a_wrong_answer_is_never_met),   cmocka_unit_test(what_could_not_be_measured_is_said),
        cmocka_unit_test(limits_read_as_they_are_meant), cmocka_unit_test(the_table_is_complete),
        cmocka_unit_test(names_select_whole_rows),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

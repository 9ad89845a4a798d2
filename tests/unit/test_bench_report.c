/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "main/bench/bench_report.h"

static const struct bench_row half = {
    .name = "row",
    .what = "what it is",
    .bare = "bare thing",
    .limit = { BENCH_P50, BENCH_AGAINST_BARE, .ratio = 0.5 },
};

static void judged(struct bench_result *result, double server, double bare)
{
    assert_int_equal(bench_samples_add(&result->server.samples, server), 0);
    assert_int_equal(bench_samples_add(&result->bare.samples, bare), 0);
    assert_int_equal(bench_judge(&half, 0, result), 0);
}

/* Words of a line, separated by one blank each. */
static void squeeze(char *text)
{
    char *to = text;

    for (const char *from = text; *from; from++)
        if (*from != ' ' || (to > text && to[-1] != ' '))
            *to++ = *from;
    *to = '\0';
}

static void a_row_is_one_line_of_figures(void **state)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { 0 };
    CLEANUP(buffer_deinit) struct buffer table = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    judged(&result, 1.25, 12.5);
    assert_int_equal(bench_report_row(&table, &half, &result), 0);
    squeeze(table.data);
    assert_string_equal(table.data, "row 1.25 1.25 1.25 1.25 1 0 | 12.5 1.25 6.25 0.10 p50 <= 0.5 x bare met\n");
}

static void what_is_missing_is_a_dash_and_a_note(void **state)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { .note = "line one\nline\ttwo" };
    CLEANUP(buffer_deinit) struct buffer table = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    assert_int_equal(bench_judge(&half, BENCH_E_ABSENT, &result), 0);
    assert_int_equal(bench_report_row(&table, &half, &result), 0);
    squeeze(table.data);
    assert_string_equal(table.data, "row - - - - 0 0 | - - - - p50 <= 0.5 x bare not applicable\n"
                                    " line one line two\n");
}

static void each_number_of_clients_is_a_line(void **state)
{
    const struct bench_row row = { .name = "many", .what = "what it is" };
    struct bench_result result = {
        .n_points = 2,
        .points = { { .clients = 1, .latency = { 1, 2, 3, 4, 2, 100 }, .rate_per_s = 12.4 },
                    { .clients = 64, .errors = 7 } },
    };
    CLEANUP(buffer_deinit) struct buffer table = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    assert_int_equal(bench_judge(&row, 0, &result), 0);
    assert_int_equal(bench_report_row(&table, &row, &result), 0);
    squeeze(table.data);
    assert_string_equal(table.data, "many - - - - 0 0 | - - - - - measured\n"
                                    " 1 client 1.00 2.00 3.00 4.00 100 0 | 12/s\n"
                                    " 64 clients - - - - 0 7 | 0/s\n");
}

/* Waiting cells and where answers came from are told by words of the server. */
static void words_of_the_server_are_counted(void **state)
{
    struct bench_side side = { 0 }, other = { 0 };
    static const char *const words[] = { "armed", "", "forked", "armed", "armed" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        bench_side_warm(&side, words[i], 1);
    assert_string_equal(side.warm[0].word, "armed");
    assert_int_equal(side.warm[0].n, 3);
    assert_string_equal(side.warm[1].word, "forked");
    assert_int_equal(side.warm[1].n, 1);
    assert_string_equal(side.warm[2].word, "");
    for (char letter = 'a'; letter < 'a' + 2 * BENCH_WARM_MAX; letter++)
        bench_side_warm(&other, (const char[]){ letter, '\0' }, 1);
    assert_string_equal(other.warm[BENCH_WARM_MAX - 1].word, "f");
}

static void the_head_has_a_column_for_each_figure(void **state)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { 0 };
    CLEANUP(buffer_deinit) struct buffer head = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);
    CLEANUP(buffer_deinit) struct buffer row = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    judged(&result, 1, 2);
    assert_int_equal(bench_report_head(&head), 0);
    assert_int_equal(bench_report_row(&row, &half, &result), 0);
    assert_int_equal(strchr(head.data, '|') - head.data, strchr(row.data, '|') - row.data);
    assert_int_equal(strstr(head.data, "verdict") - head.data, strstr(row.data, "met") - row.data);
}

static double real(const json_t *object, const char *side, const char *key)
{
    return json_number_value(json_object_get(side ? json_object_get(object, side) : object, key));
}

static void json_has_both_sides(void **state)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { .server.errors = 2 };
    json_t *object;

    (void)state;
    judged(&result, 1.25, 12.5);
    object = bench_report_json(&half, &result);
    assert_non_null(object);
    assert_string_equal(json_string_value(json_object_get(object, "name")), "row");
    assert_string_equal(json_string_value(json_object_get(object, "verdict")), "MISSED");
    assert_string_equal(json_string_value(json_object_get(object, "bare_is")), "bare thing");
    assert_float_equal(real(object, "server", "p99"), 1.25, 0);
    assert_float_equal(real(object, "server", "errors"), 2, 0);
    assert_float_equal(real(object, "bare", "p50"), 12.5, 0);
    assert_float_equal(real(object, "bare", "count"), 1, 0);
    assert_float_equal(real(object, NULL, "ratio"), 0.1, 0);
    assert_float_equal(real(object, NULL, "limit"), 6.25, 0);
    assert_null(json_object_get(object, "note"));
    json_decref(object);
}

static void json_knows_no_figure_from_zero(void **state)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { .note = "half a character \xc3" };
    json_t *object;

    (void)state;
    assert_int_equal(bench_judge(&half, 0, &result), 0);
    object = bench_report_json(&half, &result);
    assert_non_null(object);
    assert_true(json_is_null(json_object_get(object, "ratio")));
    assert_true(json_is_null(json_object_get(json_object_get(object, "server"), "p50")));
    assert_true(json_is_string(json_object_get(object, "note")));
    json_decref(object);
}

static size_t occurrences(const char *text, const char *word)
{
    size_t n = 0;

    while ((text = strstr(text, word))) {
        n++;
        text++;
    }
    return n;
}

static void the_plot_has_a_line_a_percentile_and_a_label_a_point(void **state)
{
    const struct bench_point points[] = {
        { .clients = 1, .latency = { 1, 2, 3, 4, 2, 100 } },
        { .clients = 2, .latency = { 2, 4, 8, 16, 3, 100 } },
        { .clients = 4 }, /* nothing was answered */
        { .clients = 8, .latency = { 10, 20, 90, 100, 15, 100 } },
    };
    CLEANUP(buffer_deinit) struct buffer svg = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    assert_int_equal(bench_plot(points, ARRAY_SIZE(points), "a title", &svg), 0);
    assert_int_equal(strncmp(svg.data, "<svg ", 5), 0);
    assert_string_equal(svg.data + svg.length - 7, "</svg>\n");
    assert_int_equal(occurrences(svg.data, "<polyline"), 3);
    assert_int_equal(occurrences(svg.data, ">a title<"), 1);
    assert_int_equal(occurrences(svg.data, ">8<"), 1);
    assert_int_equal(occurrences(svg.data, ">4<"), 0);
    assert_int_equal(occurrences(svg.data, ">100 ms<"), 1);
    assert_null(strstr(svg.data, "nan"));
    assert_null(strstr(svg.data, "inf"));
}

static void a_plot_of_nothing_says_so(void **state)
{
    CLEANUP(buffer_deinit) struct buffer svg = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    assert_int_equal(bench_plot(NULL, 0, "a title", &svg), 0);
    assert_non_null(strstr(svg.data, "nothing was measured"));
    assert_int_equal(occurrences(svg.data, "<polyline"), 0);
}

static void a_plot_of_one_point_is_finite(void **state)
{
    const struct bench_point point = { .clients = 1, .latency = { 1, 1, 1, 1, 1, 1 } };
    CLEANUP(buffer_deinit) struct buffer svg = BUFFER_INIT(BENCH_REPORT_MAX_BYTES);

    (void)state;
    assert_int_equal(bench_plot(&point, 1, "a title", &svg), 0);
    assert_null(strstr(svg.data, "nan"));
    assert_null(strstr(svg.data, "inf"));
}

static void a_report_does_not_grow_beyond_its_buffer(void **state)
{
    CLEANUP(bench_result_deinit) struct bench_result result = { 0 };
    CLEANUP(buffer_deinit) struct buffer table = BUFFER_INIT(32);

    (void)state;
    judged(&result, 1, 2);
    assert_int_equal(bench_report_row(&table, &half, &result), -E2BIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_one_line_of_figures),
        cmocka_unit_test(what_is_missing_is_a_dash_and_a_note),
        cmocka_unit_test(each_number_of_clients_is_a_line),
        cmocka_unit_test(words_of_the_server_are_counted),
        cmocka_unit_test(the_head_has_a_column_for_each_figure),
        cmocka_unit_test(json_has_both_sides),
        cmocka_unit_test(json_knows_no_figure_from_zero),
        cmocka_unit_test(the_plot_has_a_line_a_percentile_and_a_label_a_point),
        cmocka_unit_test(a_plot_of_nothing_says_so),
        cmocka_unit_test(a_plot_of_one_point_is_finite),
        cmocka_unit_test(a_report_does_not_grow_beyond_its_buffer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "api/probe.h"
#include "base/clock.h"

/* A dependency that answers when the test lets it. */
struct dependency {
    int ends[2]; /* a pipe: each byte is one answer, 1 for fine */
    unsigned n_asked;
};

static bool ask(void *context, char ret_reason[static PROBE_REASON_SIZE])
{
    struct dependency *dependency = context;
    char fine;

    dependency->n_asked++;
    assert_int_equal(read(dependency->ends[0], &fine, 1), 1);
    if (!fine)
        snprintf(ret_reason, PROBE_REASON_SIZE, "it is ill");
    return fine;
}

static void let_answer(struct dependency *dependency, char fine)
{
    assert_int_equal(write(dependency->ends[1], &fine, 1), 1);
}

static int64_t in_ms(int64_t ms)
{
    return clock_monotonic_us() + ms * 1000;
}

static void test_answers(void **state)
{
    struct dependency dependency = { 0 };
    struct probe_answer answer;
    struct probe probe;

    (void)state;
    assert_int_equal(pipe(dependency.ends), 0);
    probe_init(&probe, ask, &dependency);
    let_answer(&dependency, 1);
    answer = probe_wait(&probe, probe_start(&probe), in_ms(5000));
    assert_true(answer.fine);
    let_answer(&dependency, 0);
    answer = probe_wait(&probe, probe_start(&probe), in_ms(5000));
    assert_false(answer.fine);
    assert_string_equal(answer.reason, "it is ill");
    assert_int_equal(dependency.n_asked, 2);
    assert_true(probe_deinit(&probe, 1000));
}

static void test_a_dependency_that_hangs_holds_one_thread(void **state)
{
    struct dependency dependency = { 0 };
    struct probe_answer answer;
    struct probe probe;
    uint64_t ticket = 0;

    (void)state;
    assert_int_equal(pipe(dependency.ends), 0);
    probe_init(&probe, ask, &dependency);
    for (int i = 0; i < 5; i++) {
        ticket = probe_start(&probe);
        answer = probe_wait(&probe, ticket, in_ms(20));
        assert_false(answer.fine);
        assert_string_equal(answer.reason, "no answer in time");
        assert_true(answer.response_ms >= 15);
    }
    assert_false(probe_deinit(&probe, 20));
    let_answer(&dependency, 1);
    answer = probe_wait(&probe, ticket, in_ms(5000));
    assert_true(answer.fine);
    assert_int_equal(dependency.n_asked, 1);
    assert_true(probe_deinit(&probe, 1000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_a_dependency_that_hangs_holds_one_thread),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

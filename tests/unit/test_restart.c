/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/restart.h"

#include "check.h"

static void never_ready_comes_ever_more_rarely(void **state)
{
    static const int pauses_ms[] = { 0, 1000, 2000, 4000, 8000, 16000, 32000, 64000, 128000, 256000, 300000, 300000 };
    struct restart restart = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++)
        assert_int_equal(restart_pause_ms(&restart, -1), pauses_ms[i]);
    assert_int_equal(restart.brief, 0);
    restart_ready(&restart);
    assert_int_equal(restart_pause_ms(&restart, RESTART_STEADY_MS), 0);
    assert_int_equal(restart_pause_ms(&restart, -1), 1000);
}

static void killed_when_ready_is_replaced_at_once_at_first(void **state)
{
    static const int pauses_ms[] = { 1000, 2000, 4000, 8000, 16000, RESTART_BRIEF_MAX_MS, RESTART_BRIEF_MAX_MS };
    struct restart restart = { 0 };

    (void)state;
    for (unsigned i = 0; i < RESTART_BRIEF_AT_ONCE; i++) {
        assert_int_equal(restart_pause_ms(&restart, 500), 0);
        restart_ready(&restart);
    }
    for (size_t i = 0; i < sizeof(pauses_ms) / sizeof(pauses_ms[0]); i++) {
        assert_int_equal(restart_pause_ms(&restart, 0), pauses_ms[i]);
        restart_ready(&restart);
    }
}

static void one_that_stays_makes_good(void **state)
{
    struct restart restart = { .brief = RESTART_BRIEF_AT_ONCE + 10 };

    (void)state;
    assert_int_equal(restart_pause_ms(&restart, RESTART_STEADY_MS - 1), RESTART_BRIEF_MAX_MS);
    restart_ready(&restart);
    assert_int_equal(restart_pause_ms(&restart, RESTART_STEADY_MS), 0);
    assert_int_equal(restart.brief, 1);
}

static void the_longer_pause_counts(void **state)
{
    struct restart restart = { .brief = RESTART_BRIEF_AT_ONCE + 3 };

    (void)state;
    assert_int_equal(restart_pause_ms(&restart, -1), 4000);
    assert_int_equal(restart_pause_ms(&restart, -1), 4000);
    assert_int_equal(restart_pause_ms(&restart, -1), 4000);
    assert_int_equal(restart_pause_ms(&restart, -1), 4000);
    assert_int_equal(restart_pause_ms(&restart, -1), 8000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_ready_comes_ever_more_rarely),
        cmocka_unit_test(killed_when_ready_is_replaced_at_once_at_first),
        cmocka_unit_test(one_that_stays_makes_good),
        cmocka_unit_test(the_longer_pause_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

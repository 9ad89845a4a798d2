/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/spares.h"

#include "check.h"

#define PAUSE_US 2000000
#define MANY     (SPARES_KEPT + 3)

static void a_few_stay(void **state)
{
    struct spares spares = { 0 };

    (void)state;
    for (int64_t now_us = 1; now_us < 10 * PAUSE_US; now_us += PAUSE_US / 2)
        assert_false(spares_due(&spares, SPARES_KEPT, now_us, PAUSE_US));
    assert_int_equal(spares.due_us, 0);
}

static void they_go_one_by_one(void **state)
{
    struct spares spares = { 0 };
    int64_t now_us = 7000000;

    (void)state;
    for (unsigned n = MANY; n > SPARES_KEPT; n--) {
        assert_false(spares_due(&spares, n, now_us, PAUSE_US));
        assert_false(spares_due(&spares, n, now_us + PAUSE_US - 1, PAUSE_US));
        assert_true(spares_due(&spares, n, now_us += PAUSE_US, PAUSE_US));
    }
    assert_false(spares_due(&spares, SPARES_KEPT, now_us + 5 * PAUSE_US, PAUSE_US));
}

static void what_is_needed_again_stays(void **state)
{
    struct spares spares = { 0 };

    (void)state;
    assert_false(spares_due(&spares, MANY, 1000, PAUSE_US));
    assert_false(spares_due(&spares, 0, 2000, PAUSE_US));
    assert_false(spares_due(&spares, MANY, 1000 + PAUSE_US, PAUSE_US));
    assert_true(spares_due(&spares, MANY, 1000 + 2 * PAUSE_US, PAUSE_US));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_few_stay),
        cmocka_unit_test(they_go_one_by_one),
        cmocka_unit_test(what_is_needed_again_stays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "warden/turns.h"

/* Takes them all out, as a number: slots 1, 2, 3 give 123. */
static unsigned take_all(struct turns *turns)
{
    unsigned slot, digits = 0;

    while (turns_first(turns, &slot)) {
        digits = digits * 10 + slot;
        turns_remove(turns, slot);
    }
    return digits;
}

static void slots_take_turns_in_their_order(void **state)
{
    struct turns turns;
    unsigned slot;

    (void)state;
    assert_int_equal(turns_init(&turns, 4), 0);
    assert_false(turns_first(&turns, &slot));
    for (int round = 0; round < 5; round++) {
        turns_add(&turns, 3);
        turns_add(&turns, 1);
        turns_add(&turns, 2);
        assert_int_equal(take_all(&turns), 312);
    }
    turns_deinit(&turns);
}

static void a_slot_has_one_turn(void **state)
{
    struct turns turns;

    (void)state;
    assert_int_equal(turns_init(&turns, 4), 0);
    for (unsigned i = 0; i < 20; i++)
        turns_add(&turns, i % 2 + 1);
    assert_int_equal(take_all(&turns), 12);
    turns_deinit(&turns);
}

/* All slots wait, the keeper of one dies and comes back: it must wait again, behind the others. */
static void a_slot_that_comes_back_to_a_full_line_has_a_turn(void **state)
{
    (void)state;
    for (unsigned dead = 0; dead < 4; dead++) {
        for (unsigned turned = 0; turned < 4; turned++) {
            struct turns turns;
            unsigned slot;

            assert_int_equal(turns_init(&turns, 4), 0);
            for (unsigned i = 0; i < turned; i++) {
                turns_add(&turns, 0);
                turns_remove(&turns, 0);
            }
            for (unsigned i = 0; i < 4; i++)
                turns_add(&turns, i);
            turns_remove(&turns, dead);
            turns_remove(&turns, dead);
            turns_add(&turns, dead);
            assert_int_equal(turns.count, 4);
            for (unsigned i = 0; i < 4; i++) {
                if (i == dead)
                    continue;
                assert_true(turns_first(&turns, &slot));
                assert_int_equal(slot, i);
                turns_remove(&turns, i);
            }
            assert_true(turns_first(&turns, &slot));
            assert_int_equal(slot, dead);
            turns_deinit(&turns);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slots_take_turns_in_their_order),
        cmocka_unit_test(a_slot_has_one_turn),
        cmocka_unit_test(a_slot_that_comes_back_to_a_full_line_has_a_turn),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

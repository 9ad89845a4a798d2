/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "base/buffer.h"

static void contents_end_in_a_nul_that_does_not_count(void **state)
{
    struct buffer buffer = BUFFER_INIT(100);

    (void)state;
    assert_int_equal(buffer_append(&buffer, "ab", 2), 0);
    assert_int_equal(buffer_append(&buffer, "c", 1), 0);
    assert_int_equal(buffer.length, 3);
    assert_string_equal(buffer.data, "abc");
    buffer_deinit(&buffer);
}

static void nothing_can_be_appended(void **state)
{
    struct buffer buffer = BUFFER_INIT(0);

    (void)state;
    assert_int_equal(buffer_append(&buffer, NULL, 0), 0);
    assert_string_equal(buffer.data, "");
    assert_int_equal(buffer_append(&buffer, "x", 1), -E2BIG);
    buffer_deinit(&buffer);
}

static void the_ceiling_is_exact_and_a_refusal_changes_nothing(void **state)
{
    struct buffer buffer = BUFFER_INIT(4);

    (void)state;
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    assert_int_equal(buffer_append(&buffer, "de", 2), -E2BIG);
    assert_string_equal(buffer.data, "abc");
    assert_int_equal(buffer_append(&buffer, "d", 1), 0);
    assert_int_equal(buffer_append(&buffer, "e", 1), -E2BIG);
    assert_string_equal(buffer.data, "abcd");
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), -E2BIG);
    buffer_deinit(&buffer);
}

static void memory_stays_below_the_ceiling(void **state)
{
    struct buffer buffer = BUFFER_INIT(1000);
    char block[100];

    (void)state;
    memset(block, 'x', sizeof(block));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(buffer_append(&buffer, block, sizeof(block)), 0);
        assert_in_range(buffer.capacity, buffer.length + 1, 1001);
    }
    buffer_deinit(&buffer);
}

static void sizes_that_wrap_around_are_refused(void **state)
{
    struct buffer buffer = BUFFER_INIT(SIZE_MAX);

    (void)state;
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX - 3), -E2BIG);
    assert_int_equal(buffer_reserve(&buffer, SIZE_MAX), -E2BIG);
    assert_int_equal(buffer_append(&buffer, "d", 1), 0);
    assert_string_equal(buffer.data, "abcd");
    buffer_deinit(&buffer);
}

static void a_freed_buffer_can_be_used_again(void **state)
{
    struct buffer buffer = BUFFER_INIT(10);

    (void)state;
    buffer_deinit(&buffer);
    assert_int_equal(buffer_append(&buffer, "abc", 3), 0);
    buffer_deinit(&buffer);
    assert_null(buffer.data);
    assert_int_equal(buffer_append(&buffer, "0123456789", 10), 0);
    assert_string_equal(buffer.data, "0123456789");
    buffer_deinit(&buffer);
}

static void room_can_be_written_directly(void **state)
{
    struct buffer buffer = BUFFER_INIT(4096);

    (void)state;
    assert_int_equal(buffer_reserve(&buffer, 4096), 0);
    memset(buffer.data, 'y', 4096);
    buffer.length = 4096;
    buffer.data[4096] = '\0';
    assert_int_equal(buffer_reserve(&buffer, 0), 0);
    assert_int_equal(buffer_reserve(&buffer, 1), -E2BIG);
    buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contents_end_in_a_nul_that_does_not_count),
        cmocka_unit_test(nothing_can_be_appended),
        cmocka_unit_test(the_ceiling_is_exact_and_a_refusal_changes_nothing),
        cmocka_unit_test(memory_stays_below_the_ceiling),
        cmocka_unit_test(sizes_that_wrap_around_are_refused),
        cmocka_unit_test(a_freed_buffer_can_be_used_again),
        cmocka_unit_test(room_can_be_written_directly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

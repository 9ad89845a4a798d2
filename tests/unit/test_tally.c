/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "domain/tally.h"

#define LIMIT     10
#define WINDOW_MS 3600000

static int set_up(void **state)
{
    *state = tally_new();
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    tally_free(*state);
    return 0;
}

static void address(const char *text, uint8_t ret_address[static PEER_ADDRESS_SIZE])
{
    assert_int_equal(inet_pton(AF_INET6, text, ret_address), 1);
}

static bool add(struct tally *tally, const char *text, int64_t now_ms)
{
    uint8_t bytes[PEER_ADDRESS_SIZE];
    struct tally_count count;

    address(text, bytes);
    return tally_add(tally, bytes, now_ms, LIMIT, WINDOW_MS, true, &count);
}

static struct tally_count get(struct tally *tally, const char *text, int64_t now_ms)
{
    uint8_t bytes[PEER_ADDRESS_SIZE];

    address(text, bytes);
    return tally_get(tally, bytes, now_ms);
}

/* http-api.md 4.6: the counter expires one window after the last that was counted; what came after the limit does not
 * prolong it. */
static void counts_to_the_limit_and_ends(void **state)
{
    struct tally *tally = *state;

    for (int i = 0; i < LIMIT; i++)
        assert_true(add(tally, "::ffff:192.0.2.7", 1000 * i));
    assert_false(add(tally, "::ffff:192.0.2.7", 100000));
    assert_int_equal(get(tally, "::ffff:192.0.2.7", 100000).count, LIMIT);
    assert_int_equal(get(tally, "::ffff:192.0.2.7", 100000).ends_ms, 9000 + WINDOW_MS);
    assert_int_equal(get(tally, "::ffff:192.0.2.7", 9000 + WINDOW_MS - 1).count, LIMIT);
    assert_int_equal(get(tally, "::ffff:192.0.2.7", 9000 + WINDOW_MS).count, 0);
    assert_true(add(tally, "::ffff:192.0.2.7", 9000 + WINDOW_MS));
    assert_int_equal(get(tally, "::ffff:192.0.2.7", 9000 + WINDOW_MS).count, 1);
}

static void a_window_may_begin_with_the_first(void **state)
{
    uint8_t bytes[PEER_ADDRESS_SIZE];
    struct tally_count count;

    address("2001:db8::1", bytes);
    assert_true(tally_add(*state, bytes, 1000, 2, 30000, false, &count));
    assert_true(tally_add(*state, bytes, 20000, 2, 30000, false, &count));
    assert_int_equal(count.ends_ms, 31000);
    assert_false(tally_add(*state, bytes, 30999, 2, 30000, false, &count));
    assert_true(tally_add(*state, bytes, 31000, 2, 30000, false, &count));
}

static void addresses_are_apart_but_not_within_a_64(void **state)
{
    struct tally *tally = *state;

    add(tally, "::ffff:192.0.2.7", 0);
    assert_int_equal(get(tally, "::ffff:192.0.2.8", 0).count, 0);
    add(tally, "2001:db8:0:1::1", 0);
    add(tally, "2001:db8:0:1:ffff::2", 0);
    assert_int_equal(get(tally, "2001:db8:0:1::99", 0).count, 2);
    assert_int_equal(get(tally, "2001:db8:0:2::1", 0).count, 0);
}

/* Somebody with many addresses cannot push out one that is blocked. */
static void a_flood_does_not_free_the_blocked(void **state)
{
    struct tally *tally = *state;
    struct tally_count top[2];
    int64_t total;

    for (int i = 0; i < LIMIT; i++)
        add(tally, "2001:db8::1", 0);
    for (uint32_t i = 0; i < 200000; i++) {
        uint8_t bytes[PEER_ADDRESS_SIZE] = { 0x20, 0x02 };
        struct tally_count count;

        memcpy(bytes + 4, &i, sizeof(i));
        assert_true(tally_add(tally, bytes, 1, LIMIT, WINDOW_MS, true, &count));
    }
    assert_int_equal(get(tally, "2001:db8::1", 2).count, LIMIT);
    assert_int_equal(tally_top(tally, 2, 2, top, &total), 2);
    assert_int_equal(top[0].count, LIMIT);
    assert_int_equal(top[1].count, 1);
}

static void the_highest_come_first(void **state)
{
    struct tally *tally = *state;
    struct tally_count top[3];
    char text[32];
    int64_t total;

    assert_int_equal(tally_top(tally, 0, ARRAY_SIZE(top), top, &total), 0);
    assert_int_equal(total, 0);
    for (int host = 1; host <= 6; host++)
        for (int i = 0; i < host; i++) {
            snprintf(text, sizeof(text), "::ffff:192.0.2.%d", host);
            add(tally, text, 0);
        }
    assert_int_equal(tally_top(tally, 1, ARRAY_SIZE(top), top, &total), ARRAY_SIZE(top));
    assert_int_equal(total, 21);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(top[i].count, 6 - i);
        assert_int_equal(top[i].address[15], 6 - i);
    }
    assert_int_equal(tally_top(tally, WINDOW_MS, ARRAY_SIZE(top), top, &total), 0);
}

static void *add_many(void *context)
{
    intptr_t added = 0;

    for (int i = 0; i < 1000; i++)
        added += add(context, "::ffff:192.0.2.7", 0);
    return (void *)added;
}

static void threads_do_not_pass_the_limit_together(void **state)
{
    pthread_t threads[4];
    intptr_t total = 0;

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, add_many, *state), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *added;

        pthread_join(threads[i], &added);
        total += (intptr_t)added;
    }
    assert_int_equal(total, LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(counts_to_the_limit_and_ends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_window_may_begin_with_the_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(addresses_are_apart_but_not_within_a_64, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_does_not_free_the_blocked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_highest_come_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(threads_do_not_pass_the_limit_together, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

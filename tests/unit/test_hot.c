/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/hot.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"

#define MIB (1ull << 20)

/* The keepers' ends, by number of the session. */
static int far_ends[8];

static struct hot *new_hot(unsigned max, int64_t memory_bytes, int64_t ttl_ms)
{
    const struct hot_limits limits = { .max = max, .memory_bytes = memory_bytes, .ttl_ms = ttl_ms };
    struct hot *hot;

    assert_int_equal(hot_new(&limits, &hot), 0);
    return hot;
}

static struct session session_of(unsigned number)
{
    struct session session = { .tenant = "t", .user_id = "u" };

    snprintf(session.id, sizeof(session.id), "s%u", number);
    return session;
}

/* Its place is taken by the caller if it is unsaved. */
static void put_session(struct hot *hot, unsigned number, const struct session *session, uint64_t bytes, bool unsaved)
{
    struct hot_cell cell = {
        .session = *session,
        .network = EXECUTION_NETWORK_OFF,
        .bytes = bytes,
        .bytes_max = bytes,
        .unsaved = unsaved,
    };
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    snprintf(cell.execution_id, sizeof(cell.execution_id), "e%u", number);
    cell.channel_fd = pair[0];
    far_ends[number] = pair[1];
    hot_put(hot, &cell);
    assert_int_equal(cell.channel_fd, -1);
    usleep(2000); /* the next one is younger */
}

static void put_as(struct hot *hot, unsigned number, uint64_t bytes, bool unsaved)
{
    const struct session session = session_of(number);

    if (unsaved)
        assert_true(hot_reserve_unsaved(hot, bytes));
    put_session(hot, number, &session, bytes, unsaved);
}

static void put(struct hot *hot, unsigned number, uint64_t bytes)
{
    put_as(hot, number, bytes, false);
}

static void put_for(struct hot *hot, const char *tenant, unsigned number, uint64_t bytes)
{
    struct session session = session_of(number);

    snprintf(session.tenant, sizeof(session.tenant), "%s", tenant);
    put_session(hot, number, &session, bytes, false);
}

/* Whether the cell has been given up; its end is closed. */
static bool is_over(unsigned number)
{
    char byte;
    bool over = recv(far_ends[number], &byte, 1, MSG_DONTWAIT) == 0;

    close(far_ends[number]);
    return over;
}

static bool never(void *context)
{
    (void)context;
    return false;
}

static bool take(struct hot *hot, unsigned number)
{
    struct session session = session_of(number);
    struct hot_cell cell;
    bool taken = hot_take(hot, &session, EXECUTION_NETWORK_OFF, never, NULL, &cell);

    if (taken)
        hot_cell_end(&cell);
    return taken;
}

static void test_taken_once(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);
    struct session session = session_of(1);
    struct hot_cell cell;

    (void)state;
    put(hot, 1, MIB);
    assert_true(hot_take(hot, &session, EXECUTION_NETWORK_OFF, never, NULL, &cell));
    assert_string_equal(cell.execution_id, "e1");
    assert_false(hot_take(hot, &session, EXECUTION_NETWORK_OFF, never, NULL, &cell));
    assert_false(hot_take(NULL, &session, EXECUTION_NETWORK_OFF, never, NULL, &cell));
    close(far_ends[1]);
    hot_free(hot);
}

static void test_only_its_own(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);
    struct session other_tenant = session_of(1), other_user = session_of(1), own = session_of(1);
    struct hot_cell cell;

    (void)state;
    put(hot, 1, MIB);
    snprintf(other_tenant.tenant, sizeof(other_tenant.tenant), "x");
    snprintf(other_user.user_id, sizeof(other_user.user_id), "x");
    assert_false(hot_take(hot, &other_tenant, EXECUTION_NETWORK_OFF, never, NULL, &cell));
    assert_false(hot_take(hot, &other_user, EXECUTION_NETWORK_OFF, never, NULL, &cell));
    assert_false(hot_take(hot, &own, EXECUTION_NETWORK_WAN, never, NULL, &cell));
    assert_false(take(hot, 2));
    assert_true(take(hot, 1));
    assert_true(is_over(1));
    hot_free(hot);
}

static void test_number(void **state)
{
    struct hot *hot = new_hot(2, 100 * MIB, 1000000);

    (void)state;
    put(hot, 1, MIB);
    put(hot, 2, MIB);
    put(hot, 3, MIB);
    assert_true(is_over(1));
    assert_true(take(hot, 2) && take(hot, 3));
    assert_true(is_over(2) && is_over(3));
    hot_free(hot);
}

static void test_memory(void **state)
{
    struct hot *hot = new_hot(8, 100 * MIB, 1000000);

    (void)state;
    put(hot, 1, 30 * MIB);
    put(hot, 2, 30 * MIB);
    put(hot, 3, 30 * MIB);
    put(hot, 4, 45 * MIB); /* two have to go for it */
    assert_true(is_over(1) && is_over(2));
    put(hot, 5, 101 * MIB); /* too large by itself, like all that are older */
    assert_true(is_over(3) && is_over(4) && is_over(5));
    hot_free(hot);
}

/* Whoever parks many ends his own, however long ago the others were used. */
static void test_number_of_a_tenant(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);

    (void)state;
    put_for(hot, "few", 0, MIB);
    for (unsigned number = 1; number <= 5; number++)
        put_for(hot, "many", number, MIB);
    assert_true(is_over(1) && is_over(2));
    put_for(hot, "few", 6, MIB);
    assert_true(is_over(3));
    put_for(hot, "third", 7, MIB);
    assert_true(is_over(0)); /* of two that have as many the least recently used */
    hot_free(hot);
    for (unsigned number = 4; number <= 7; number++)
        assert_true(is_over(number));
}

static void test_memory_of_a_tenant(void **state)
{
    struct hot *hot = new_hot(8, 100 * MIB, 1000000);

    (void)state;
    for (unsigned number = 0; number < 4; number++)
        put_for(hot, "small", number, 10 * MIB);
    put_for(hot, "large", 4, 50 * MIB);
    put_for(hot, "large", 5, 20 * MIB);
    assert_true(is_over(4));
    put_for(hot, "huge", 6, 101 * MIB); /* too large by itself: nobody has to go for it */
    assert_true(is_over(6));
    hot_free(hot);
    assert_true(is_over(0) && is_over(1) && is_over(2) && is_over(3) && is_over(5));
}

static void test_one_for_a_session(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);
    int earlier;

    (void)state;
    put(hot, 1, MIB);
    earlier = far_ends[1];
    put(hot, 1, MIB);
    assert_false(is_over(1));
    far_ends[1] = earlier;
    assert_true(is_over(1));
    assert_false(take(hot, 1)); /* its keeper is gone */
    put(hot, 2, MIB);
    hot_drop(hot, "s2");
    hot_drop(hot, "s2");
    hot_drop(NULL, "s2");
    assert_true(is_over(2));
    hot_free(hot);
}

static bool is_second(void *context, const struct hot_cell *cell)
{
    (void)context;
    return strcmp(cell->session.id, "s2") == 0;
}

static void test_expire(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 60000), *short_lived = new_hot(4, 100 * MIB, 1);

    (void)state;
    put(hot, 1, MIB);
    put(hot, 2, MIB);
    hot_expire(hot, is_second, NULL);
    assert_true(is_over(2) && take(hot, 1) && is_over(1));
    put(short_lived, 3, MIB);
    usleep(5000);
    hot_expire(short_lived, is_second, NULL);
    assert_true(is_over(3));
    put(hot, 4, MIB);
    hot_free(hot);
    assert_true(is_over(4));
    hot_free(short_lived);
}

static bool always(void *context)
{
    (void)context;
    return true;
}

static void *take_first(void *data)
{
    return take(data, 1) ? data : NULL;
}

static void test_unsaved_is_waited_for(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);
    struct session session = session_of(1);
    struct hot_cell cell;
    pthread_t thread;
    void *taken;

    (void)state;
    put_as(hot, 1, MIB, true);
    assert_false(hot_take(hot, &session, EXECUTION_NETWORK_OFF, always, NULL, &cell));
    assert_int_equal(pthread_create(&thread, NULL, take_first, hot), 0);
    usleep(50000);
    assert_int_equal(hot_unsaved(hot, &cell, 1), 1);
    hot_saved(hot, "e1", 2 * MIB);
    pthread_join(thread, &taken);
    assert_non_null(taken);
    assert_true(is_over(1));
    assert_int_equal(hot_unsaved(hot, &cell, 1), 0);
    hot_free(hot);
}

static void test_unsaved_stays(void **state)
{
    struct hot *hot = new_hot(2, 100 * MIB, 1);

    (void)state;
    put_as(hot, 1, MIB, true);
    put(hot, 2, MIB);
    put(hot, 3, MIB);
    hot_expire(hot, is_second, NULL);
    assert_true(is_over(2) && is_over(3));
    assert_int_equal(hot_settle(hot, 10), 1);
    hot_saved(hot, "e1", 101 * MIB); /* now it is one like any other, and too large */
    assert_true(is_over(1));
    assert_int_equal(hot_settle(hot, 10), 0);
    hot_free(hot);
}

static void test_later_run_wins(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);
    struct hot_cell cells[4];
    int earlier;

    (void)state;
    put_as(hot, 1, MIB, true);
    earlier = far_ends[1];
    assert_true(hot_is_wanted(hot, "e1"));
    hot_drop(hot, "s1");
    assert_false(hot_is_wanted(hot, "e1"));
    hot_saved(hot, "e1", MIB);
    put_as(hot, 2, MIB, true);
    assert_int_equal(hot_unsaved(hot, cells, 4), 1);
    far_ends[1] = earlier;
    assert_true(is_over(1));
    hot_lost(hot, "e2");
    hot_lost(hot, "e2");
    assert_true(is_over(2) && hot_settle(hot, 0) == 0);
    hot_free(hot);
}

/* A place is taken before a cell is parked there: others may come in between. */
static void test_room_for_unsaved(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);

    (void)state;
    put(hot, 3, 60 * MIB);
    put_as(hot, 1, 20 * MIB, true);
    assert_false(hot_reserve_unsaved(hot, 31 * MIB));
    assert_true(hot_reserve_unsaved(hot, 30 * MIB));
    assert_false(hot_reserve_unsaved(hot, 0));
    hot_saved(hot, "e1", MIB);
    assert_true(hot_reserve_unsaved(hot, 20 * MIB));
    assert_false(hot_reserve_unsaved(hot, 0));
    hot_free(hot);
    assert_true(is_over(1) && is_over(3));
}

/* Or none could ever be unsaved where the limit of a cell is large. */
static void test_room_for_one(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);

    (void)state;
    put_as(hot, 1, 101 * MIB, true);
    assert_false(hot_reserve_unsaved(hot, MIB));
    hot_lost(hot, "e1");
    assert_true(is_over(1) && hot_reserve_unsaved(hot, 101 * MIB));
    hot_free(hot);
}

static void test_states_are_counted(void **state)
{
    struct hot *hot = new_hot(4, 100 * MIB, 1000000);
    uint64_t before = hot_states(hot, "s1");

    (void)state;
    hot_note_state(hot, "s2");
    assert_int_equal(hot_states(hot, "s1"), before);
    hot_note_state(hot, "s1");
    assert_int_not_equal(hot_states(hot, "s1"), before);
    hot_note_state(NULL, "s1");
    assert_int_equal(hot_states(NULL, "s1"), 0);
    hot_free(hot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_taken_once),
        cmocka_unit_test(test_only_its_own),
        cmocka_unit_test(test_number),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_number_of_a_tenant),
        cmocka_unit_test(test_memory_of_a_tenant),
        cmocka_unit_test(test_one_for_a_session),
        cmocka_unit_test(test_expire),
        cmocka_unit_test(test_unsaved_is_waited_for),
        cmocka_unit_test(test_unsaved_stays),
        cmocka_unit_test(test_later_run_wins),
        cmocka_unit_test(test_room_for_unsaved),
        cmocka_unit_test(test_room_for_one),
        cmocka_unit_test(test_states_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/stock.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "check.h"

/* A slot at rest with an armed cell, whose init takes orders and does nothing. */
struct place {
    struct zygote_board *board;
    struct stock stock;
    struct cell cell;
    int init_fd;
};

static struct place rest(void)
{
    struct place place = { .board = calloc(1, sizeof(*place.board)), .cell = CELL_INIT };
    int pair[2];

    assert_non_null(place.board);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    place.cell.control_fd = pair[0];
    place.init_fd = pair[1];
    place.stock = (struct stock){ .board = place.board, .copy = WARM_INIT };
    return place;
}

static void leave(struct place *place)
{
    stock_release(&place->stock);
    close(place->cell.control_fd);
    close(place->init_fd);
    free(place->board);
}

/* Whether a slot whose last program wanted that kind has it started, if so many others have one. */
static bool is_started(enum warm_kind kind, unsigned others)
{
    struct place place = rest();
    bool started;

    for (unsigned i = 1; i <= others; i++)
        atomic_store(&place.board->runtimes[i], (uint8_t)kind);
    place.stock.want.kind = kind;
    place.stock.wanted_us = clock_monotonic_us();
    stock_settle(&place.stock, &place.cell);
    started = stock_ordered(&place.stock) == kind;
    assert_int_equal(atomic_load(&place.board->runtimes[0]), started ? kind : WARM_NONE);
    leave(&place);
    return started;
}

static void so_many_slots_have_a_runtime_of_a_kind(void **state)
{
    static const struct {
        enum warm_kind kind;
        unsigned max;
    } kinds[] = {
        { WARM_NODE, STOCK_RUNTIMES_MAX },       { WARM_TYPESCRIPT, STOCK_RUNTIMES_MAX },
        { WARM_TRANSPILER, STOCK_RUNTIMES_MAX }, { WARM_R, STOCK_RUNTIMES_MAX },
        { WARM_BASH, STOCK_RUNTIMES_MAX },       { WARM_JAVAC, STOCK_COMPILERS_MAX },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        assert_true(is_started(kinds[i].kind, 0));
        assert_true(is_started(kinds[i].kind, kinds[i].max - 1));
        assert_false(is_started(kinds[i].kind, kinds[i].max));
    }
}

/* What waits was told its limits when it was started. */
static void what_waits_serves_what_it_was_made_for(void **state)
{
    struct stock_want same = { .kind = WARM_NODE, .memory_mb = 512 }, less = { .kind = WARM_NODE, .memory_mb = 256 };
    struct place place = rest();
    bool waited;

    (void)state;
    place.stock.expecting = true; /* nothing is to be waited for here */
    place.stock.want = same;
    place.stock.wanted_us = clock_monotonic_us();
    stock_settle(&place.stock, &place.cell);
    stock_clear(&place.stock, &same);
    assert_int_equal(stock_ordered(&place.stock), WARM_NODE);
    stock_clear(&place.stock, &less);
    assert_int_equal(stock_ordered(&place.stock), WARM_NONE);
    assert_false(stock_take(&place.stock, &place.cell, &less, -1, &waited));
    leave(&place);
}

/* A shell is started in a moment, a Node in forty. */
static void what_is_cheap_takes_nobody_s_place(void **state)
{
    static const struct {
        enum warm_kind wanted;
        bool lately;
        enum warm_kind then;
    } cases[] = {
        { WARM_NODE, true, WARM_NODE }, { WARM_PYTHON, true, WARM_PYTHON }, { WARM_NODE, false, WARM_BASH },
        { WARM_BASH, true, WARM_BASH }, { WARM_NONE, false, WARM_BASH },
    };
    const struct stock_want shell = { .kind = WARM_BASH }, other = { .kind = WARM_R };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct place place = rest();
        bool waited;

        place.stock.want.kind = cases[i].wanted;
        place.stock.wanted_us = cases[i].lately ? clock_monotonic_us() : 0;
        assert_false(stock_take(&place.stock, &place.cell, &shell, -1, &waited));
        assert_int_equal(place.stock.want.kind, cases[i].then);
        assert_false(stock_take(&place.stock, &place.cell, &other, -1, &waited));
        assert_int_equal(place.stock.want.kind, WARM_R);
        leave(&place);
    }
}

/* It has its zygote's rights when it is born. */
static void a_copy_that_may_still_come_is_told_of(void **state)
{
    struct place place = rest();
    int pair[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
    place.stock.has.kind = WARM_PYTHON;
    place.stock.copy.socket_fd = pair[0];
    place.stock.ordered_us = clock_monotonic_us();
    assert_int_equal(stock_ordered(&place.stock), WARM_PYTHON);
    stock_drop(&place.stock);
    assert_true(place.stock.expecting);
    assert_int_equal(stock_ordered(&place.stock), WARM_NONE);
    stock_new_cell(&place.stock);
    assert_false(place.stock.expecting);
    close(pair[1]);
    leave(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(so_many_slots_have_a_runtime_of_a_kind),
        cmocka_unit_test(what_waits_serves_what_it_was_made_for),
        cmocka_unit_test(what_is_cheap_takes_nobody_s_place),
        cmocka_unit_test(a_copy_that_may_still_come_is_told_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

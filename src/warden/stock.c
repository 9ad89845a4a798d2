/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/stock.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "base/clock.h"

/* A slot keeps what the pool does not ask for so long after it was wanted. */
#define DEMAND_US 30000000

#define RETRY_MS     200
#define RETRY_MAX_MS 30000

/* At rest a zygote may have many orders before this one. */
#define ORDER_TIMEOUT_US 10000000

/* What a copy that nobody wants any more has left to be born. */
#define BIRTH_TIMEOUT_MS 50

/* How long a run waits for a copy, or for a runtime that has been started, before it starts an interpreter instead. */
#define COPY_TIMEOUT_MS    500
#define RUNTIME_TIMEOUT_MS 3000

/* Keeper and init. */
#define OWN_PROCESSES 2

#define ZYGOTE_LOOK_MS 1 /* for one that is being started */

#define DEATH_TIMEOUT_US 50000
#define DEATH_LOOK_US    100

static bool suits(const struct stock_want *has, const struct stock_want *want)
{
    return warm_can_be(has->kind, want->kind) && has->memory_mb == want->memory_mb;
}

/* How many slots have their place in the pool before this one, or as many as there are places. */
static unsigned place_in_pool(const struct stock *stock)
{
    unsigned before = 0;

    for (unsigned i = 0; i < stock->slot && before < stock->pool; i++)
        before += !atomic_load(&stock->board->is_parked[i]);
    return before;
}

static bool in_pool(const struct stock *stock)
{
    return place_in_pool(stock) < stock->pool;
}

static int64_t demand_left_us(const struct stock *stock)
{
    return stock->wanted_us ? stock->wanted_us + DEMAND_US - clock_monotonic_us() : 0;
}

/* Every other place of the pool is for programs without libraries, as long as nobody wanted something else there. */
static bool is_lent(const struct stock *stock)
{
    return demand_left_us(stock) > 0 && warm_traits(stock->want.kind)->is_python;
}

static struct stock_want wanted_now(const struct stock *stock)
{
    unsigned place = place_in_pool(stock);

    if (place < stock->pool && !is_lent(stock))
        return (struct stock_want){ .kind = place % 2 ? WARM_PYTHON_PLAIN : WARM_PYTHON };
    return demand_left_us(stock) > 0 ? stock->want : (struct stock_want){ .kind = WARM_NONE };
}

static struct zygote_state *zygote_of(const struct stock *stock, enum warm_kind kind)
{
    return &stock->board->zygotes[kind];
}

static bool is_current(const struct stock *stock, const struct stock_want *want)
{
    enum warm_kind kind = stock->has.kind;

    return stock->copy.socket_fd >= 0 && suits(&stock->has, want) &&
           (!warm_traits(kind)->is_copy || stock->generation == atomic_load(&zygote_of(stock, kind)->generation));
}

/* Another slot may do the same at this moment: the limit is on memory, and one more does not matter. */
static bool may_have_runtime(const struct stock *stock, enum warm_kind kind)
{
    unsigned others = 0;

    for (unsigned i = 0; i < WARDEN_SLOTS_MAX; i++)
        others += warm_can_be((enum warm_kind)atomic_load(&stock->board->runtimes[i]), kind);
    return others < (warm_traits(kind)->is_compiler ? STOCK_COMPILERS_MAX : STOCK_RUNTIMES_MAX);
}

static void order_copy(struct stock *stock, const struct cell *cell, enum warm_kind kind)
{
    uint32_t generation = atomic_load(&zygote_of(stock, kind)->generation);

    if (generation == 0)
        return;
    stock->retries++;
    if (warm_order(kind, &stock->place, cell, &stock->copy) == 0) {
        stock->generation = generation;
        stock->ordered_us = clock_monotonic_us();
    }
}

static void order_runtime(struct stock *stock, const struct cell *cell, const struct stock_want *want)
{
    const struct runtime_order order = { .kind = want->kind, .memory_mb = want->memory_mb };

    if (may_have_runtime(stock, want->kind) && warm_order_runtime(&order, cell, &stock->copy) == 0)
        atomic_store(&stock->board->runtimes[stock->slot], (uint8_t)want->kind);
}

/* What has no zygote now may be a copy of another's. */
static enum warm_kind kind_to_order(const struct stock *stock, enum warm_kind wanted)
{
    for (int kind = WARM_NONE + 1; kind < WARM_KINDS && atomic_load(&zygote_of(stock, wanted)->generation) == 0; kind++)
        if (warm_can_be((enum warm_kind)kind, wanted) &&
            atomic_load(&zygote_of(stock, (enum warm_kind)kind)->generation))
            return (enum warm_kind)kind;
    return wanted;
}

static void order(struct stock *stock, const struct cell *cell, const struct stock_want *want)
{
    stock_drop(stock);
    stock->has = *want;
    stock->has.kind = kind_to_order(stock, want->kind);
    if (warm_traits(want->kind)->is_copy)
        order_copy(stock, cell, stock->has.kind);
    else
        order_runtime(stock, cell, want);
}

/* A copy has been ordered, and the zygote has not answered. */
static bool awaits_copy(const struct stock *stock)
{
    return stock->copy.socket_fd >= 0 && stock->copy.pid == 0 && warm_traits(stock->has.kind)->is_copy;
}

static bool is_late(const struct stock *stock)
{
    return awaits_copy(stock) && clock_monotonic_us() >= stock->ordered_us + ORDER_TIMEOUT_US;
}

/* The copy is ready, in time. */
static void note_answer(struct stock *stock)
{
    stock->retries = 0;
    if (warm_traits(stock->has.kind)->is_copy)
        atomic_store(&zygote_of(stock, stock->has.kind)->unanswered, 0);
}

void stock_settle(struct stock *stock, const struct cell *cell)
{
    struct stock_want want;

    if (!stock->board)
        return;
    want = wanted_now(stock);
    if (is_late(stock)) {
        atomic_fetch_add(&zygote_of(stock, stock->has.kind)->unanswered, 1);
        stock_drop(stock);
    }
    if (want.kind == WARM_NONE)
        stock_drop(stock);
    else if (!is_current(stock, &want))
        order(stock, cell, &want);
}

/* A runtime that cannot live must not be started again and again: the next run that wants it asks once more. */
void stock_heard(struct stock *stock)
{
    if (stock->copy.pid == 0 && warm_await(&stock->copy, 0) == 0) {
        note_answer(stock);
        return;
    }
    if (!warm_traits(stock->has.kind)->is_copy)
        stock->wanted_us = 0;
    stock_drop(stock); /* what waits beside it is still to die */
}

enum warm_kind stock_kind(const struct stock *stock)
{
    return stock->copy.socket_fd >= 0 && stock->copy.pid != 0 ? stock->has.kind : WARM_NONE;
}

enum warm_kind stock_ordered(const struct stock *stock)
{
    return stock->copy.socket_fd >= 0 ? stock->has.kind : WARM_NONE;
}

static int retry_ms(const struct stock *stock)
{
    int ms = RETRY_MS;

    for (unsigned i = 1; i < stock->retries && ms < RETRY_MAX_MS; i++)
        ms *= 2;
    return ms;
}

static int until_ms(int64_t due_us)
{
    int64_t left_us = due_us - clock_monotonic_us();

    return left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

int stock_idle_ms(const struct stock *stock)
{
    if (!stock->board)
        return -1;
    if (stock->copy.socket_fd < 0) { /* the zygote had too many orders, or the copy died */
        enum warm_kind kind = wanted_now(stock).kind;

        return warm_traits(kind)->is_copy && atomic_load(&zygote_of(stock, kind)->generation) != 0 ? retry_ms(stock)
                                                                                                   : -1;
    }
    if (awaits_copy(stock))
        return until_ms(stock->ordered_us + ORDER_TIMEOUT_US);
    if (in_pool(stock) && !is_lent(stock))
        return -1;
    return until_ms(stock->wanted_us + DEMAND_US);
}

void stock_clear(struct stock *stock, const struct stock_want *want)
{
    if (!suits(&stock->has, want))
        stock_drop(stock);
}

/* What a zygote loads for all is there sooner than what each of its programs would load alone. */
static void await_zygote(const struct stock *stock, enum warm_kind kind, int cancel_fd)
{
    const struct zygote_state *zygote = zygote_of(stock, kind);
    struct pollfd cancelled = { .fd = cancel_fd, .events = POLLIN };

    while (atomic_load(&zygote->generation) == 0 && clock_monotonic_us() < atomic_load(&zygote->awaited_us) &&
           poll(&cancelled, 1, ZYGOTE_LOOK_MS) == 0)
        ;
}

static void note_demand(struct stock *stock, const struct stock_want *want)
{
    if (warm_traits(want->kind)->is_cheap && !warm_traits(stock->want.kind)->is_cheap && demand_left_us(stock) > 0)
        return;
    stock->want = *want;
    stock->wanted_us = clock_monotonic_us();
}

bool stock_take(struct stock *stock, const struct cell *cell, const struct stock_want *want, int cancel_fd,
                bool *ret_waited)
{
    int timeout_ms = warm_traits(want->kind)->is_copy ? COPY_TIMEOUT_MS : RUNTIME_TIMEOUT_MS;

    *ret_waited = false;
    if (!stock->board || want->kind == WARM_NONE)
        return false;
    note_demand(stock, want);
    *ret_waited = stock_kind(stock) != WARM_NONE;
    if (*ret_waited)
        return true;
    if (stock->copy.socket_fd < 0 && warm_traits(want->kind)->is_copy) {
        await_zygote(stock, want->kind, cancel_fd);
        order(stock, cell, want);
    }
    if (stock->copy.socket_fd >= 0 && warm_await(&stock->copy, timeout_ms) == 0)
        note_answer(stock);
    else if (stock->copy.socket_fd >= 0) {
        if (warm_traits(want->kind)->is_copy)
            atomic_fetch_add(&zygote_of(stock, stock->has.kind)->unanswered, 1);
        stock_drop(stock);
    }
    return stock_kind(stock) != WARM_NONE;
}

void stock_new_cell(struct stock *stock)
{
    stock->expecting = false;
}

void stock_release(struct stock *stock)
{
    warm_drop(&stock->copy);
    if (stock->board)
        atomic_store(&stock->board->runtimes[stock->slot], WARM_NONE);
}

void stock_park(struct stock *stock, bool parked)
{
    if (stock->board)
        atomic_store(&stock->board->is_parked[stock->slot], parked);
}

void stock_drop(struct stock *stock)
{
    if (stock->copy.socket_fd < 0)
        return;
    if (awaits_copy(stock))
        stock->expecting |= warm_await(&stock->copy, BIRTH_TIMEOUT_MS) == -ETIMEDOUT;
    else if (stock->copy.pid == 0)
        stock->expecting |= warm_await(&stock->copy, 0) == -ETIMEDOUT; /* it looks at its socket when it has started */
    stock_release(stock);
    for (int waited_us = 0; waited_us < DEATH_TIMEOUT_US && !stock->expecting; waited_us += DEATH_LOOK_US) {
        if (cgroup_slot_processes(stock->place.cgroup) <= OWN_PROCESSES)
            return;
        usleep(DEATH_LOOK_US);
    }
    stock->expecting = true;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/stock.h"

#include <unistd.h>

#include "base/clock.h"

/* A slot beyond the pool keeps a copy for so long after it was wanted. */
#define DEMAND_US 30000000

/* How long a run waits for a copy, before it starts an interpreter instead. */
#define RUN_TIMEOUT_MS 500

/* Keeper and init. */
#define OWN_PROCESSES 2

#define DEATH_TIMEOUT_US 50000
#define DEATH_LOOK_US    100

static bool is_current(const struct stock *stock)
{
    return stock->copy.socket_fd >= 0 && stock->generation == atomic_load(&stock->board->generation);
}

static int64_t demand_left_us(const struct stock *stock)
{
    return stock->wanted_us ? stock->wanted_us + DEMAND_US - clock_monotonic_us() : 0;
}

static void order(struct stock *stock, const struct cell *cell)
{
    uint32_t generation = atomic_load(&stock->board->generation);

    stock_drop(stock);
    if (generation != 0 && warm_order(&stock->place, cell, &stock->copy) == 0)
        stock->generation = generation;
}

void stock_settle(struct stock *stock, const struct cell *cell)
{
    if (!stock->board)
        return;
    if (!stock->in_pool && demand_left_us(stock) <= 0)
        stock_drop(stock);
    else if (!is_current(stock))
        order(stock, cell);
}

void stock_heard(struct stock *stock)
{
    if (stock->copy.pid != 0 || warm_await(&stock->copy, 0) < 0)
        warm_drop(&stock->copy);
}

bool stock_is_warm(const struct stock *stock)
{
    return stock->copy.socket_fd >= 0 && stock->copy.pid != 0;
}

int stock_idle_ms(const struct stock *stock)
{
    int64_t left_us;

    if (!stock->board || stock->in_pool || stock->copy.socket_fd < 0)
        return -1;
    left_us = demand_left_us(stock);
    return left_us <= 0 ? 0 : (int)(left_us / 1000) + 1;
}

bool stock_take(struct stock *stock, const struct cell *cell, bool *ret_waited)
{
    *ret_waited = false;
    if (!stock->board)
        return false;
    stock->wanted_us = clock_monotonic_us();
    *ret_waited = stock_is_warm(stock);
    if (*ret_waited)
        return true;
    if (stock->copy.socket_fd < 0)
        order(stock, cell);
    if (stock->copy.socket_fd < 0 || warm_await(&stock->copy, RUN_TIMEOUT_MS) < 0)
        stock_drop(stock);
    return stock_is_warm(stock);
}

void stock_drop(struct stock *stock)
{
    if (stock->copy.socket_fd < 0)
        return;
    warm_drop(&stock->copy);
    for (int waited_us = 0; waited_us < DEATH_TIMEOUT_US; waited_us += DEATH_LOOK_US) {
        if (cgroup_slot_processes(stock->place.cgroup) <= OWN_PROCESSES)
            return;
        usleep(DEATH_LOOK_US);
    }
}

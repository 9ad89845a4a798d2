/* SPDX-License-Identifier: Apache-2.0 */
/* stock.h -- the copy of a zygote that waits in a slot's armed cell, kept while that pays.
 *
 * The first slots, as many as the pool is large, always have one. The others have one after a run that wanted it, until
 * none has come for a while: so the stock grows with demand and shrinks at rest. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cell/warm.h"

/* In memory that the warden shares with its keepers. */
struct zygote_board {
    _Atomic uint32_t generation; /* of the zygote that takes orders; 0 = none does */
};

struct stock {
    const struct zygote_board *board; /* NULL = no zygotes */
    struct warm_place place;
    bool in_pool;        /* always has a copy */
    int64_t wanted_us;   /* when a run last wanted one; 0 = none has */
    uint32_t generation; /* of the copy's zygote */
    struct warm copy;
};

/* At rest: orders a copy in the armed cell, or drops the one there is, as wanted now. Never waits. */
void stock_settle(struct stock *stock, const struct cell *cell);

/* At rest, when the copy's socket is readable: it is ready, or dead. */
void stock_heard(struct stock *stock);

/* True if a copy waits for its program. */
bool stock_is_warm(const struct stock *stock);

/* How long stock_settle() has nothing to do, -1 = for ever. */
int stock_idle_ms(const struct stock *stock);

/* For a run that wants a copy: true if there is one, made on the spot if need be. *ret_waited: it had been waiting. */
bool stock_take(struct stock *stock, const struct cell *cell, bool *ret_waited);

/* Ends the copy, if there is one, and waits for its death: the slot's figures are the next program's. */
void stock_drop(struct stock *stock);

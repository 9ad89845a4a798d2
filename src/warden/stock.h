/* SPDX-License-Identifier: Apache-2.0 */
/* stock.h -- what waits in a slot's armed cell to be the next program, kept while that pays: the copy of a zygote, or a
 * runtime that was started ahead.
 *
 * The first slots, as many as the pool is large, always have a copy of a Python zygote, of the two in turns. The others
 * have what their last program could use, until none has come for a while: so the stock grows with demand and shrinks
 * at rest. Runtimes cost tens of mebibytes each, and only so many slots have one of a kind: what one language had a
 * while ago is nothing that another has to do without. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "cell/warm.h"
#include "warden/options.h"
#include "wire/warm_kind.h"

/* How many slots have a runtime of the same kind. */
#define STOCK_RUNTIMES_MAX  8
#define STOCK_COMPILERS_MAX 3

/* What is known of the zygote of a kind. */
struct zygote_state {
    _Atomic uint32_t generation; /* of the zygote that takes orders; 0 = none does */
    _Atomic uint32_t unanswered; /* orders in a row that nothing came of in time: it hangs */
    _Atomic int64_t awaited_us;  /* until when one that is being started is worth waiting for; 0 = none is */
};

/* In memory that the warden shares with its keepers. */
struct zygote_board {
    struct zygote_state zygotes[WARM_KINDS];
    _Atomic uint8_t runtimes[WARDEN_SLOTS_MAX]; /* enum warm_kind of the runtime that each slot has */
    _Atomic bool
        is_parked[WARDEN_SLOTS_MAX]; /* its cell rests for its session: another slot has its place in the pool */
};

/* What a run can use. */
struct stock_want {
    enum warm_kind kind;
    uint32_t memory_mb; /* runtime_memory_mb() */
};

struct stock {
    struct zygote_board *board; /* NULL = nothing ever waits */
    unsigned slot;
    struct warm_place place;
    unsigned pool;          /* so many slots always have a copy: the first that are not parked */
    struct stock_want want; /* of the last run that could use something */
    int64_t wanted_us;      /* when that was; 0 = nothing is wanted */
    uint32_t generation;    /* of the copy's zygote */
    int64_t ordered_us;     /* when the copy was ordered */
    unsigned retries;       /* orders that nothing came of since one was answered */
    bool expecting;         /* in this cell a copy that was forgotten may still be born, or what was dropped lives on */
    struct stock_want has;  /* what there is, if copy says that there is something */
    struct warm copy;
};

/* At rest: has what is wanted now made or started in the armed cell, or drops what there is. Waits for at most a
 * tenth of a second, for one that is being born and its end. */
void stock_settle(struct stock *stock, const struct cell *cell);

/* At rest, when the copy's socket is readable: it is ready, or dead. */
void stock_heard(struct stock *stock);

/* What waits for its program, WARM_NONE = nothing does. */
enum warm_kind stock_kind(const struct stock *stock);

/* The same, or what is about to wait. */
enum warm_kind stock_ordered(const struct stock *stock);

/* How long stock_settle() has nothing to do, -1 = for ever. */
int stock_idle_ms(const struct stock *stock);

/* For a run: drops what it cannot use. */
void stock_clear(struct stock *stock, const struct stock_want *want);

/* For a run, after stock_clear(): true if there is what it wants. A copy is made on the spot if need be, and its zygote
 * awaited if it says so, until cancel_fd (-1 = none) is readable: nobody wants the run any more; a runtime is worth
 * waiting for if it has been started. *ret_waited: it had been waiting. */
bool stock_take(struct stock *stock, const struct cell *cell, const struct stock_want *want, int cancel_fd,
                bool *ret_waited);

/* The cell that the stock is of has been replaced: nothing can come of earlier orders. */
void stock_new_cell(struct stock *stock);

/* Ends what there is without waiting for its death, or forgets it once it is somebody else's. */
void stock_release(struct stock *stock);

/* Ends what there is, and waits for its death: the slot's figures are the next program's. An order that has not been
 * carried out leaves stock->expecting: no program may run in this cell then, since a copy is privileged when it is
 * born. So does a runtime that is still being started, or does not die in time: its threads and its memory would count
 * as the next program's. */
void stock_drop(struct stock *stock);

/* The slot holds a cell that rests, or does not any more. */
void stock_park(struct stock *stock, bool parked);

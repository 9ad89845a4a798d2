/* SPDX-License-Identifier: Apache-2.0 */
/* slot_results.h -- what the api is told when a program has ended: how, what it left for its session, its files.
 *
 * The cell is dead or stands still. Nothing here follows a path that the cell could have made. */
#pragma once

#include "warden/slot_run.h"

/* Answers the run and takes its workspace down. Closes the cell and the run's descriptors unless the cell rests. */
void run_finish(struct slot *slot, struct run *run);

/* A cell that died full leaves its memory in the files that are to be read; the keeper needs some of its own to read
 * them. */
void run_make_room(struct slot *slot);

/* Sends what the program left for the next one of its session, if anything. Returns as wire_send(). */
int run_send_state(const struct slot *slot, const struct run *run);

/* What the cell that rests holds; never 0, which would say that there is none. */
uint64_t slot_parked_bytes(const struct slot *slot);

/* SPDX-License-Identifier: Apache-2.0 */
/* slot_watch.h -- a program that runs, from its hand-over to the death of the cell's last process: what the cell and
 * the api say, its time, its memory, its pauses. */
#pragma once

#include "warden/slot_run.h"

/* Until the cell is dead, or run->rests: all that is in it stands still. */
void run_watch(struct slot *slot, struct run *run);

/* The program has started: tells the api, and its time begins. Does nothing the second time. */
void run_note_start(struct run *run);

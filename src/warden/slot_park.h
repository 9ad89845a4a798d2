/* SPDX-License-Identifier: Apache-2.0 */
/* slot_park.h -- a slot whose cell rests after its answer, for the next program of its session (rest.h).
 *
 * The cell is kept as long as the api keeps the execution's channel open, and as it lives. Meanwhile it may be let go
 * on once, to leave its state. */
#pragma once

#include "warden/slot_run.h"

/* Keeps the cell of *run, which rests, for the next run of its session, and serves that, and so on. In the end *run is
 * the cell's last, and the cell dead. Returns 0 or a negative errno. */
int slot_stay(struct slot *slot, struct run *run);

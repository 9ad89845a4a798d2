/* SPDX-License-Identifier: Apache-2.0 */
/* slot_place.h -- where a keeper lives: its cgroups, its network namespace, its view of the root file system.
 *
 * Entered once, before the first cell, and used by one cell after the other. Functions return 0 or a negative errno;
 * then the keeper has to end. */
#pragma once

#include "warden/slot_state.h"

/* Makes the place and moves in; logs the step that failed. */
int slot_place_enter(struct slot *slot);

/* After a cell's death: waits until the kernel says that nobody but the keeper is left, and replaces what the cell has
 * touched. */
int slot_place_renew(struct slot *slot);

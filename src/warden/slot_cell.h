/* SPDX-License-Identifier: Apache-2.0 */
/* slot_cell.h -- the cell of a slot: armed, given its files, ended. One at a time.
 *
 * Functions return 0 or a negative errno. */
#pragma once

#include "warden/slot_state.h"

/* Makes the next cell and waits until it says that its walls are up; logs the step that failed. */
int slot_arm(struct slot *slot);

/* Gives an armed cell its workspace, a detached mount. Ends the keeper if it cannot get back from the cell's mounts. */
int slot_attach(struct slot *slot, int mount_fd);

/* The same for a cell that stands still: in the place of the workspace it has; its temporary files are taken away.
 * mount_fd -1 = it has no workspace then. */
int slot_replace_mounts(struct slot *slot, int mount_fd);

/* Kills what is in the cell and what waits there, whatever its state. What it held can be looked at until
 * slot_discard_cell(). */
void slot_end_cell(struct slot *slot);

/* Ends the cell, if there is one, and lets go of it. */
void slot_discard_cell(struct slot *slot);

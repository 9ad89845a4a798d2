/* SPDX-License-Identifier: Apache-2.0 */
/* init.h -- what a cell's PID 1 does once the last wall is up: write the program's files, run its steps, reap orphans.
 */
#pragma once

#include "cell/cell.h"

/* Runs the packed program in program_fd with the three standard descriptors and reports to control_fd. Every step's
 * leftovers stay until the caller exits, which ends the PID namespace. Returns 0 or a negative errno with the failing
 * part in name. */
int init_run(int control_fd, int program_fd, const int standard_fds[static 3], char *name, size_t name_size);

/* Sends a report; a peer that is gone is no error, since then the keeper is and everything ends. */
void init_report(int control_fd, const struct cell_report *report);

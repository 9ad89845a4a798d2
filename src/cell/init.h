/* SPDX-License-Identifier: Apache-2.0 */
/* init.h -- what a cell's PID 1 does once the last wall is up: write the program's files, run its steps, reap orphans.
 */
#pragma once

#include "cell/cell.h"

/* oom_score_adj of an init and of the programs it starts; a keeper's is lower than both. */
#define INIT_VICTIM_SCORE    "500"
#define PROGRAM_VICTIM_SCORE "1000"

/* Descriptors of an init, all close-on-exec and the caller's. */
struct init_fds {
    int control;         /* reports go here */
    int program;         /* packed program */
    int victim;          /* this process's oom_score_adj, open for writing */
    const int *standard; /* three: stdin, stdout, stderr of the program */
    int tools;           /* becomes the program's descriptor 3; -1 = it has none */
};

/* Writes a score. Returns 0 or a negative errno. */
int init_set_victim(int victim_fd, const char *score);

/* Runs the packed program and reports. Every step's leftovers stay until the caller exits, which ends the PID
 * namespace. Returns 0 or a negative errno with the failing part in name. */
int init_run(const struct init_fds *fds, char *name, size_t name_size);

/* Sends a report; a peer that is gone is no error, since then the keeper is and everything ends. */
void init_report(int control_fd, const struct cell_report *report);

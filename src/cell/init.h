/* SPDX-License-Identifier: Apache-2.0 */
/* init.h -- what a cell's PID 1 does once the last wall is up: write the program's files, run its steps, reap orphans.
 */
#pragma once

#include "cell/cell.h"
#include "cell/runtime.h"

/* oom_score_adj of an init and of the programs it starts; a keeper's is lower than both. */
#define INIT_VICTIM_SCORE    "500"
#define PROGRAM_VICTIM_SCORE "1000"

/* A transpiler that waits. What it writes has no name until it has ended well: a cell whose transpiler was dropped
 * looks like any other. */
struct init_transpiler {
    pid_t pid;
    int output_fd; /* the init's; -1 = none */
};

#define INIT_TRANSPILER_NONE ((struct init_transpiler){ .output_fd = -1 })

/* What an init has. Descriptors are close-on-exec and the caller's. */
struct init_context {
    int control_fd;                    /* reports go here */
    int victim_fd;                     /* this process's oom_score_adj, open for writing */
    const int *fds;                    /* what the keeper handed over, enum cell_fd; -1 where there is none */
    pid_t warm_pid;                    /* the copy of a zygote that waits to be a step, if it has a socket there */
    struct init_transpiler transpiler; /* what waits for a source beside it, if there is a pipe to that */
    uint64_t file_bytes_max;           /* what that is to be told */
    bool rests;                        /* the same */
};

/* In a child: a session of its own, and signals and file modes as in a new process. */
void init_leave(void);

/* Starts a runtime that waits at socket_fd, as a victim like any program (cell/runtime.h). Returns 0 or a negative
 * errno. */
int init_start_runtime(int victim_fd, const struct runtime_order *order, int socket_fd);

/* The same for the transpiler that belongs to it, in the place of an earlier one, which its own pipe has ended. */
int init_start_transpiler(int victim_fd, const struct runtime_order *order, int source_fd,
                          struct init_transpiler *transpiler);

/* Writes a score. Returns 0 or a negative errno. */
int init_set_victim(int victim_fd, const char *score);

/* Runs the packed program and reports. Every step's leftovers stay until the caller exits, which ends the PID
 * namespace. Returns 0 or a negative errno with the failing part in name. */
int init_run(const struct init_context *context, char *name, size_t name_size);

/* Sends a report; a peer that is gone is no error, since then the keeper is and everything ends. */
void init_report(int control_fd, const struct cell_report *report);

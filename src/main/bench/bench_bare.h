/* SPDX-License-Identifier: Apache-2.0 */
/* bench_bare.h -- what the server is compared with: the same programs on the host, without any sandbox.
 *
 * A bare command is a compiler and its program, or an interpreter, started anew each time in a directory of its own. A
 * bare fork is a Python that has imported the libraries and frozen its heap, and forks for each sample. */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "main/bench/bench_program.h"

enum {
    BENCH_BARE_E_WRONG = 1, /* another output or exit status than expected; the note says which */
};

/* Runs the steps of a program whose source has this number (bench_program_code()), in an existing directory. The time
 * is from the start of the first step to the end of the last. home is where tools keep their caches. Returns 0,
 * BENCH_BARE_E_WRONG or a negative errno. */
int bench_bare_run(const struct bench_program *program, long long number, const char *directory, const char *home,
                   double *ret_ms, char *note, size_t note_size);

/* The first command of the steps that is not installed, or NULL. */
const char *bench_bare_missing(const struct bench_program *program);

/* A Python that forks on demand. */
struct bench_fork {
    pid_t pid; /* 0 = not started */
    int to, from;
};

#define BENCH_FORK_NONE ((struct bench_fork){ 0, -1, -1 })

/* Starts it and waits until its libraries are imported. Returns 0 or a negative errno. */
int bench_fork_start(struct bench_fork *loop, const char *home);

/* Ends it and waits for it. Accepts one that was never started. */
void bench_fork_stop(struct bench_fork *loop);

/* Forks once and runs the program in the child; the time is that of fork, program, exit and wait. Only for
 * bench_program_print and bench_program_dataframe. Returns as bench_bare_run. */
int bench_fork_once(struct bench_fork *loop, const struct bench_program *program, double *ret_ms, char *note,
                    size_t note_size);

/* Forks one child after the other for so long, in n loops at once, output discarded. Returns 0 with the executions of
 * all per second, or a negative errno. */
int bench_fork_many(struct bench_fork *loops, size_t n, const struct bench_program *program, double seconds,
                    double *ret_rate_per_s);

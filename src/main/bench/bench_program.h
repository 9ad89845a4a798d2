/* SPDX-License-Identifier: Apache-2.0 */
/* bench_program.h -- the programs that are run, and each language's own command line for them.
 *
 * The bare command lines are those a person would type: the same standard and the same degree of optimisation as in
 * languages/, but none of what the server does to be quick (tuned runtimes, prebuilt headers, other linkers). They run
 * in a directory that holds the source. */
#pragma once

#include <stddef.h>

#define BENCH_STEPS_MAX     2
#define BENCH_ARGV_MAX      12
#define BENCH_CODE_MAX_SIZE 1024

struct bench_program {
    const char *language; /* code of languages/ */
    const char *file;     /* name of the source in the bare directory */
    const char *source;
    const char *comment; /* begins a comment that ends with the line */
    const char *expected;
    const char *steps[BENCH_STEPS_MAX][BENCH_ARGV_MAX]; /* one after the other; argv[0] is a path */
};

/* One for each language that prints hello. NULL if there is none. */
const struct bench_program *bench_program_hello(const char *language);

extern const struct bench_program bench_program_print;     /* Python: print(1) */
extern const struct bench_program bench_program_dataframe; /* Python: a DataFrame built, summed, printed */

/* Imports what Python programs find preloaded (exec.md 10.7.6), those that are installed; then prints 1. As a command
 * of the host it is the bare time to import them. */
extern const struct bench_program bench_program_imports;

/* The source with a comment that makes it another source for each number. A negative number leaves it as it is. */
void bench_program_code(const struct bench_program *program, long long number,
                        char ret_code[static BENCH_CODE_MAX_SIZE]);

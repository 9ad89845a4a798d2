/* SPDX-License-Identifier: Apache-2.0 */
/* keep.h -- the files that a compile step made: taken out of the cell before the program starts, put back in a later
 * one.
 *
 * Runs in a cell's init, after its last wall, with no more rights than the program. What it takes is copied into sealed
 * memory before the next step exists, so that step can change nothing of it. A compiler that was talked into leaving a
 * process behind can: but it knows only what is part of the key under which its result will be found again. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A pipe between a compile step and the program's standard error, in which what passes is noticed: a build that printed
 * something must not be kept, since a later run would not print it. */
struct keep_relay {
    int read_fd, write_fd; /* both close-on-exec; -1 = not open */
};

#define KEEP_RELAY_INIT ((struct keep_relay){ .read_fd = -1, .write_fd = -1 })

/* Returns 0 or a negative errno. */
int keep_relay_open(struct keep_relay *relay);

/* After the step was started with write_fd: copies what it prints to out_fd until child has ended, which it leaves to
 * be waited for. Closes both ends. Returns true if nothing was printed. */
bool keep_relay_run(struct keep_relay *relay, pid_t child, int out_fd);

/* Copies the files at paths (a path with a slash at its end: all files below that directory) to sealed memory, in the
 * layout of wire/built.h. Returns 0 with the caller's *ret_fd, or a negative errno: something is missing, no regular
 * file, or too large. */
int keep_collect(char *const *paths, int *ret_fd);

/* Writes the files of an earlier keep_collect() back to their places. Returns 0 or a negative errno. */
int keep_restore(const void *bytes, size_t size);

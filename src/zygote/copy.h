/* SPDX-License-Identifier: Apache-2.0 */
/* copy.h -- the copy of a zygote, from its birth in a cell to its first foreign byte. The steps are a table in copy.c.
 */
#pragma once

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>

#include "wire/program.h"
#include "wire/zygote.h"

/* What copies add to the zygote's own filter of system calls, read once by that. */
struct copy_filter {
    struct sock_fprog program;
};

/* Reads the filter from sealed memory. Returns 0 or a negative errno. */
int copy_filter_read(int fd, struct copy_filter *ret_filter);

/* Enters the slot's groups and the cell's namespaces but those of processes and users. The calling process shares the
 * zygote's memory and must not return from what it does next. fds are those of an order. Returns 0 or a negative errno.
 */
int copy_enter(const struct zygote_order *order, const int *fds);

/* What a copy is told to run. */
struct copy_program {
    struct program program; /* unpacked; the packed bytes stay mapped */
    void *bytes;
    size_t size;
    char **arguments; /* of its step */
    char **environment;
    bool rests; /* it may rest when its program has ended well */
};

/* Lets go of it: arguments and environment are over. */
void copy_forget(struct copy_program *program);

/* Puts up the walls of a copy. Returns when they are up; else the process ends. */
void copy_become(const struct zygote_order *order, const int *fds, const struct copy_filter *filter);

/* Says that the copy is ready, waits for its program and takes it. Returns when everything is in place; else the
 * process ends. */
void copy_await(struct copy_program *ret_program);

/* The same in a runtime that was started ahead, whose descriptors are its own. told: copy_tell_ready() was called. */
void copy_await_started(int socket_fd, bool told, struct copy_program *ret_program);

/* Says that this process is ready, if its program may come before it waits. Returns 0 or a negative errno. */
int copy_tell_ready(int socket_fd);

enum copy_outcome {
    COPY_E_SAVE = 1, /* no program has come: the state of the last one is to be left */
};

/* Waits for another program after one that has ended well. unsaved: its state is yet to be left. Returns 0 when
 * everything is in place, COPY_E_SAVE, or -EPIPE if none will come; if one cannot be taken the process ends. */
int copy_rest(struct copy_program *program, bool unsaved);

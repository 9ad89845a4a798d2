/* SPDX-License-Identifier: Apache-2.0 */
/* runtime.h -- interpreters that an armed cell's init starts ahead, to wait for their program.
 *
 * One is an ordinary process of the cell, behind all its walls: the language's own command with an agent in front that
 * waits at a socket (wire/zygote.h, as the copy of a zygote does) before anything of the program is looked at. The
 * commands are a table in runtime.c; languages/ has the same ones, for programs that start their own. */
#pragma once

#include <stdint.h>

#include "wire/warm_kind.h"

/* What the attempt (wire/program.h) reads that a transpiler may make which waits beside a runtime, and what it makes of
 * it. */
#define RUNTIME_TRANSPILER_SOURCE "/run/build/code.ts"
#define RUNTIME_TRANSPILER_OUTPUT "/run/build/code.js"

/* What runtimes have in common with those of wire/zygote.h; out of the way of the descriptors of an interpreter, which
 * has the same numbers as one that did not wait. */
#define RUNTIME_SOCKET_FD 200

/* Environments are those of the languages' programs: an interpreter looks at its own once, when it starts. */
#define RUNTIME_COMMON_ENVIRONMENT                                                                                     \
    "PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp", "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "USER=sandbox"

/* What an init is asked to start; the runtime's end of its socket comes along. */
struct runtime_order {
    uint32_t kind;      /* enum warm_kind */
    uint32_t memory_mb; /* what the command is told of the memory, runtime_memory_mb() */
};

/* What the order for a run with so much memory says: 0 for a runtime that is told nothing of it. Two runs whose kind
 * and figure are the same can use the same runtime. */
uint32_t runtime_memory_mb(enum warm_kind kind, uint64_t memory_bytes);

/* Becomes the runtime: to be called in a child of the init's. Never returns. */
_Noreturn void runtime_become(const struct runtime_order *order, int socket_fd);

/* Becomes the transpiler that belongs to the runtime: its source will come from source_fd, what it makes of it goes to
 * output_fd. The same. */
_Noreturn void runtime_become_transpiler(const struct runtime_order *order, int source_fd, int output_fd);

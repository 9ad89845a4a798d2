/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h -- from a language's row and a request to the packed program of a cell (wire/program.h). */
#pragma once

#include "engine/execution.h"

/* What a run has to do with builds. All fields empty: it compiles, and what it makes is not wanted. */
struct recipe_build {
    bool keep;                  /* it compiles, and what it makes is wanted */
    const struct buffer *built; /* what an earlier run made, instead of compiling; NULL = nothing */
};

/* What the program may leave to the next one of its session, and what the last one left. */
struct recipe_state {
    int64_t bytes_max; /* 0 = nothing */
    bool after_errors; /* also if it fails */
    const struct buffer *found;
};

/* Packs source, state, environment and steps and seals them. memory_bytes is the cell's limit, for runtimes that want
 * to be told. In argument vectors {state} is state->bytes_max, a comma and memory_bytes, with "+" behind it if
 * after_errors. Returns 0 and a descriptor that the caller owns, or a negative errno: -E2BIG if source or arguments are
 * too large. */
int recipe_make(const struct execution_request *request, int64_t memory_bytes, const struct recipe_build *build,
                const struct recipe_state *state, int *ret_program_fd);

/* Packs what a compiler would see of the same, without the step that runs the program. Returns 0 and bytes that the
 * caller deinits, or a negative errno. */
int recipe_pack_build(const struct execution_request *request, int64_t memory_bytes, struct buffer *ret_program);

/* What a step of such a program can be run by instead of its command (wire/warm_kind.h). built: it has been compiled
 * before. */
enum warm_kind recipe_warm(const struct execution_request *request, bool built);

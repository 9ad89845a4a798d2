/* SPDX-License-Identifier: Apache-2.0 */
/* recipe.h -- from a language's row and a request to the packed program of a cell (wire/program.h). */
#pragma once

#include "engine/execution.h"

/* Packs source, environment and steps and seals them. memory_bytes is the cell's limit, for runtimes that want to be
 * told. Returns 0 and a descriptor that the caller owns, or a negative errno: -E2BIG if source or arguments are too
 * large. */
int recipe_make(const struct execution_request *request, int64_t memory_bytes, int *ret_program_fd);

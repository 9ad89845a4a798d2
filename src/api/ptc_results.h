/* SPDX-License-Identifier: Apache-2.0 */
/* ptc_results.h -- the results of tool calls in a continuation, as the client wrote them (ptc.md P2: any JSON).
 *
 * They go to the program unparsed: a parser would refuse, or change, numbers that fit no machine word, half surrogates
 * and deep nesting. So before the body is parsed each result in it is replaced by its place. Pure: no HTTP. */
#pragma once

#include <jansson.h>

#include "base/buffer.h"

/* Appends a body to *rest with a place, [offset, length] in the body, instead of each value of tool_results[].result.
 * Nothing is appended if there is none. Returns 0, -EBADMSG for what is no JSON, -E2BIG at the ceiling or -ENOMEM. */
int ptc_results_cut(const char *body, size_t length, struct buffer *rest);

/* The bytes at a place, or those of "null" for what is none. Borrowed from the body. */
const char *ptc_results_at(const char *body, size_t length, const json_t *place, size_t *ret_length);

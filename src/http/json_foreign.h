/* SPDX-License-Identifier: Apache-2.0 */
/* json_foreign.h -- JSON of clients, whose language holds what the parser below does not.
 *
 * The grammar (RFC 8259) sets no bounds to numbers, and lets a string escape half of a pair of surrogates. JavaScript
 * writes both: the bounds of 64-bit integers as it rounds them (9223372036854775808), and text that was cut within a
 * character. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Parses length bytes of text. A number that does not fit becomes the nearest that does of its kind, 1e308 for reals;
 * half a pair becomes U+FFFD. Returns a new reference, or NULL if it is no JSON or there is no memory. */
json_t *json_foreign_parse(const char *text, size_t length);

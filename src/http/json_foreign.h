/* SPDX-License-Identifier: Apache-2.0 */
/* json_foreign.h -- JSON of clients, with numbers that the parser below does not hold.
 *
 * The grammar (RFC 8259) sets no bounds to them, and JavaScript writes those of 64-bit integers as it rounds them:
 * 9223372036854775808. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Parses length bytes of text. An integer of more than 64 bits becomes the nearest real, as in JavaScript, and what is
 * beyond those becomes 1e308. Returns a new reference, or NULL if it is no JSON or there is no memory. */
json_t *json_foreign_parse(const char *text, size_t length);

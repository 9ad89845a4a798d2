/* SPDX-License-Identifier: Apache-2.0 */
/* text.h -- small rules about the text of requests. Knows no request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* Decodes %XX once; an incomplete or wrong escape stays as it is. With plus, + becomes a space. Writes at most length
 * bytes to to, which may be from itself, and no final NUL. Returns the bytes written. */
size_t text_percent_decode(char *to, const char *from, size_t length, bool plus);

/* Decodes the query of a request target: name NUL value NUL, pair by pair; what has no value gets an empty one, and
 * pairs of nothing are left out. The caller frees it. Returns NULL if out of memory. */
char *text_query_decode(const char *query, size_t *ret_length);

/* A copy with every invalid byte sequence replaced by U+FFFD, followed by a NUL. Returns NULL if out of memory. */
char *text_repair_utf8(const char *data, size_t length, size_t *ret_length);

/* A copy fit for a header value: control characters become %XX. Returns NULL if out of memory. */
char *text_header_value(const char *value);

/* True if a Content-Type value names this media type, in any case, with or without parameters. */
bool text_media_type_is(const char *value, const char *type);

/* True if a Content-Type value is application/<something>+json. */
bool text_media_type_is_json_suffix(const char *value);

/* True for the characters of header names and other tokens of RFC 9110. */
bool text_is_token(const char *text, size_t length);

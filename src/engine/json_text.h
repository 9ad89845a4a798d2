/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.h -- whether bytes are JSON, and where its parts lie, without building a tree of them.
 *
 * For text that is passed on as it is: a tree would cost many times its size and change numbers that fit no machine
 * word. Strict: RFC 8259, UTF-8. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define JSON_TEXT_DEPTH_MAX       128
#define JSON_TEXT_VALUE_DEPTH_MAX 1000

/* True if the bytes are one JSON object of at most JSON_TEXT_DEPTH_MAX levels, with white space around it at most. */
bool json_text_is_object(const char *text, size_t length);

/* A value as it is written, without the white space around it. Borrowed from the text. */
struct json_text_part {
    const char *text;
    size_t length;
};

/* The members of an object or the items of a list, one after the other. */
struct json_text_walk {
    const char *at, *end;
    bool is_list, begun;
};

/* Begins at the object or list that the bytes start with. Returns false if they start with neither. */
bool json_text_open(const char *text, size_t length, struct json_text_walk *ret_walk);

/* Goes on to the next value of at most JSON_TEXT_VALUE_DEPTH_MAX levels. The key has its quotes and escapes still, and
 * is empty in a list. Returns 1 with both filled, 0 after the last, or -EBADMSG for what is no JSON. */
int json_text_next(struct json_text_walk *walk, struct json_text_part *ret_key, struct json_text_part *ret_value);

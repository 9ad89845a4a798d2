/* SPDX-License-Identifier: Apache-2.0 */
/* json_text.h -- whether bytes are JSON, without building a tree of them.
 *
 * For text that is passed on as it is: a tree would cost many times its size and change numbers that fit no machine
 * word. Strict: RFC 8259, UTF-8, at most JSON_TEXT_DEPTH_MAX levels. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define JSON_TEXT_DEPTH_MAX 128

/* True if the bytes are one JSON object, with white space around it at most. */
bool json_text_is_object(const char *text, size_t length);

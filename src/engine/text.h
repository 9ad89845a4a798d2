/* SPDX-License-Identifier: Apache-2.0 */
/* text.h -- from the bytes a program wrote to the text a client reads (exec.md 10.8.2, 10.8.3, 10.8.5). */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

#define TEXT_TRUNCATED "\n[Output truncated - size limit exceeded]"

/* Appends data to text: invalid UTF-8 becomes U+FFFD, control characters but tab, LF and CR are removed, and what would
 * exceed limit bytes is cut on a character boundary. Returns 1 if it was cut (the notice is appended), 0 if not, or a
 * negative errno. */
int text_clean(struct buffer *text, const char *data, size_t size, size_t limit);

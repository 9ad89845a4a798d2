/* SPDX-License-Identifier: Apache-2.0 */
/* live_text.h -- the text of a stream while it comes: what text_clean() makes of the whole (exec.md 10.8.2, 10.8.5),
 * piece by piece, and never half a character. Whatever the pieces, together they are the same text. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"

struct live_text {
    size_t limit;      /* bytes of text */
    size_t read_bytes; /* of the program's, as far as they count */
    size_t made_bytes;
    bool cut; /* the notice is out, nothing follows */
    unsigned char rest[4];
    size_t n_rest; /* the beginning of a character */
};

#define LIVE_TEXT_INIT(limit_bytes) ((struct live_text){ .limit = (limit_bytes) })

/* Appends to text what can be said now. Returns 0 or a negative errno. */
int live_text_add(struct live_text *live, const char *data, size_t size, struct buffer *text);

/* The stream is over. */
int live_text_end(struct live_text *live, struct buffer *text);

/* Appends text as the inside of a JSON string. */
int live_text_escape(const char *text, size_t length, struct buffer *json);

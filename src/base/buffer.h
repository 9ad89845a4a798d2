/* SPDX-License-Identifier: Apache-2.0 */
/* buffer.h -- bytes that grow up to a ceiling stated when the buffer is made.
 *
 * The contents are always followed by a NUL that does not count, so that text can be read as a C string. */
#pragma once

#include <stddef.h>

struct buffer {
    char *data; /* NULL while nothing was added */
    size_t length;
    size_t capacity;
    size_t ceiling; /* bytes; an addition beyond it fails with -E2BIG and changes nothing */
};

#define BUFFER_INIT(ceiling_bytes) ((struct buffer){ .ceiling = (ceiling_bytes) })

/* Frees the contents; the buffer can be used again. Accepts a buffer that never held anything. */
void buffer_deinit(struct buffer *buffer);

/* Appends length bytes. Returns 0, -E2BIG above the ceiling, -ENOMEM. */
int buffer_append(struct buffer *buffer, const void *data, size_t length);

/* Makes room for at least extra more bytes, so that they can be written at data + length. Returns as buffer_append. */
int buffer_reserve(struct buffer *buffer, size_t extra);

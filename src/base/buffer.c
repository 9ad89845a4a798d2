/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void buffer_deinit(struct buffer *buffer)
{
    free(buffer->data);
    buffer->data = NULL;
    buffer->length = buffer->capacity = 0;
}

int buffer_reserve(struct buffer *buffer, size_t extra)
{
    size_t needed, capacity;
    char *data;

    if (extra > buffer->ceiling || buffer->length > buffer->ceiling - extra)
        return -E2BIG;
    needed = buffer->length + extra + 1;
    if (needed == 0)
        return -E2BIG; /* a ceiling of SIZE_MAX leaves no room for the NUL */
    if (needed <= buffer->capacity)
        return 0;
    capacity = buffer->capacity < 128 ? 256 : buffer->capacity <= SIZE_MAX / 2 ? buffer->capacity * 2 : needed;
    if (capacity < needed)
        capacity = needed;
    if (capacity - 1 > buffer->ceiling)
        capacity = buffer->ceiling + 1;
    data = realloc(buffer->data, capacity);
    if (!data)
        return -ENOMEM;
    buffer->data = data;
    buffer->capacity = capacity;
    return 0;
}

int buffer_append(struct buffer *buffer, const void *data, size_t length)
{
    int r = buffer_reserve(buffer, length);

    if (r < 0)
        return r;
    if (length)
        memcpy(buffer->data + buffer->length, data, length);
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return 0;
}

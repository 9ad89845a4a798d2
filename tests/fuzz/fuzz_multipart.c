/* SPDX-License-Identifier: Apache-2.0 */
/* Uploads. However a body is cut into pieces, the reader reports the same parts; callbacks come in order; names are
 * UTF-8 followed by a NUL. The first byte of an input is the step, the second says whether the boundary "B" is
 * announced. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "base/buffer.h"
#include "http/multipart.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct record {
    struct buffer log;
    bool inside;
};

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void note(struct record *record, const void *data, size_t length)
{
    require(buffer_append(&record->log, data, length) == 0);
}

static int on_begin(void *context, const struct http_part *part)
{
    struct record *record = context;

    require(!record->inside);
    record->inside = true;
    note(record, "[", 1);
    note(record, part->name, strlen(part->name) + 1);
    require(u8_check((const uint8_t *)part->name, strlen(part->name)) == NULL);
    if (part->filename) {
        require(part->filename[part->filename_length] == '\0');
        require(u8_check((const uint8_t *)part->filename, part->filename_length) == NULL);
        note(record, part->filename, part->filename_length);
    }
    if (part->content_type)
        note(record, part->content_type, strlen(part->content_type));
    note(record, "]", 1);
    return 0;
}

static int on_data(void *context, const void *data, size_t length)
{
    struct record *record = context;

    require(record->inside && length > 0);
    note(record, data, length);
    return 0;
}

static int on_end(void *context)
{
    struct record *record = context;

    require(record->inside);
    record->inside = false;
    note(record, ";", 1);
    return 0;
}

static int read_in_steps(const char *boundary, const uint8_t *data, size_t size, size_t step, struct record *record)
{
    static const struct http_upload calls = { .part_begin = on_begin, .part_data = on_data, .part_end = on_end };
    struct multipart *reader;
    int r = multipart_new(boundary, strlen(boundary), &calls, record, &reader);

    require(r == 0);
    for (size_t i = 0; r == 0 && i < size; i += step)
        r = multipart_feed(reader, (const char *)data + i, size - i < step ? size - i : step);
    if (r == 0)
        r = multipart_finish(reader);
    multipart_free(reader);
    require(r == 0 || r == MULTIPART_E_MALFORMED);
    require(r != 0 || !record->inside);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record whole = { BUFFER_INIT(16 << 20), false }, pieces = { BUFFER_INIT(16 << 20), false };
    const char *boundary;

    if (size < 2 || size > 65536)
        return 0;
    boundary = data[1] & 1 ? "B" : "";
    require(read_in_steps(boundary, data + 2, size - 2, size, &whole) ==
            read_in_steps(boundary, data + 2, size - 2, (size_t)data[0] + 1, &pieces));
    require(whole.log.length == pieces.log.length);
    require(whole.log.length == 0 || memcmp(whole.log.data, pieces.log.data, whole.log.length) == 0);
    buffer_deinit(&whole.log);
    buffer_deinit(&pieces.log);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/text.h"

#include <stdbool.h>
#include <string.h>

#include "base/utf8.h"

static const char replacement[] = "\xef\xbf\xbd";

static bool removed(unsigned char byte)
{
    return (byte < 0x20 && byte != '\t' && byte != '\n' && byte != '\r') || byte == 0x7f;
}

/* Bytes from data on that can be copied as they are: the usual case is all of them. */
static size_t plain_run(const unsigned char *data, size_t size)
{
    size_t n = 0;

    while (n < size && data[n] < 0x7f && (data[n] >= 0x20 || data[n] == '\n' || data[n] == '\t' || data[n] == '\r'))
        n++;
    return n;
}

static int cut(struct buffer *text)
{
    int r = buffer_append(text, TEXT_TRUNCATED, strlen(TEXT_TRUNCATED));

    return r ? r : 1;
}

int text_clean(struct buffer *text, const char *data, size_t size, size_t limit)
{
    const unsigned char *at = (const unsigned char *)data, *end = size ? at + size : at;
    int r;

    while (at < end) {
        size_t left = limit - text->length, run = plain_run(at, (size_t)(end - at)), length;

        if (run > 0) {
            r = buffer_append(text, at, run < left ? run : left);
            if (r < 0 || run > left)
                return r ? r : cut(text);
            at += run;
            continue;
        }
        if (removed(*at)) {
            at++;
            continue;
        }
        length = utf8_sequence(at, (size_t)(end - at));
        if ((length ? length : strlen(replacement)) > left)
            return cut(text);
        r = length ? buffer_append(text, at, length) : buffer_append(text, replacement, strlen(replacement));
        if (r < 0)
            return r;
        at += length ? length : 1;
    }
    return 0;
}

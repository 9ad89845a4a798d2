/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live_text.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "engine/text.h"

/* Cleans bytes that end with a whole character, or with none that could become one. */
static int clean(struct live_text *live, const char *data, size_t size, struct buffer *text)
{
    CLEANUP(buffer_deinit) struct buffer piece = BUFFER_INIT(text->ceiling);
    int r = text_clean(&piece, data, size, live->limit - live->made_bytes);

    if (r < 0)
        return r;
    live->cut = r > 0;
    live->made_bytes += piece.length;
    return buffer_append(text, piece.data, piece.length);
}

/* An answer keeps one byte more than its limit, to see that there is more: the same here. */
int live_text_add(struct live_text *live, const char *data, size_t size, struct buffer *text)
{
    CLEANUP(buffer_deinit) struct buffer joined = BUFFER_INIT(sizeof(live->rest) + size);
    size_t counts = live->limit + 1 - live->read_bytes, unfinished;
    bool dropped = size > counts;
    int r;

    if (live->cut || size == 0)
        return 0;
    if (!dropped)
        counts = size;
    r = buffer_append(&joined, live->rest, live->n_rest);
    if (r == 0)
        r = buffer_append(&joined, data, counts);
    if (r < 0)
        return r;
    live->read_bytes += counts;
    unfinished = utf8_unfinished((const unsigned char *)joined.data, joined.length);
    live->n_rest = dropped ? 0 : unfinished;
    joined.length -= unfinished;
    memcpy(live->rest, joined.data + joined.length, live->n_rest);
    r = clean(live, joined.data, joined.length, text);
    if (r < 0 || live->cut || !dropped)
        return r;
    live->cut = true;
    return buffer_append(text, TEXT_TRUNCATED, strlen(TEXT_TRUNCATED));
}

int live_text_end(struct live_text *live, struct buffer *text)
{
    size_t n_rest = live->n_rest;

    live->n_rest = 0;
    return live->cut || n_rest == 0 ? 0 : clean(live, (const char *)live->rest, n_rest, text);
}

static size_t plain_run(const char *text, size_t length)
{
    size_t n = 0;

    while (n < length && (unsigned char)text[n] >= 0x20 && text[n] != '"' && text[n] != '\\')
        n++;
    return n;
}

int live_text_escape(const char *text, size_t length, struct buffer *json)
{
    static const char names[] = { ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\' };

    for (size_t at = 0; at < length;) {
        size_t run = plain_run(text + at, length - at);
        unsigned char c;
        char escaped[8];
        int r = buffer_append(json, text + at, run);

        at += run;
        if (r < 0)
            return r;
        if (at == length)
            break;
        c = (unsigned char)text[at++];
        if (c < sizeof(names) && names[c])
            snprintf(escaped, sizeof(escaped), "\\%c", names[c]);
        else
            snprintf(escaped, sizeof(escaped), "\\u%04x", c);
        r = buffer_append(json, escaped, strlen(escaped));
        if (r < 0)
            return r;
    }
    return 0;
}

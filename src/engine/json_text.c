/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/json_text.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/utf8.h"

struct reader {
    const unsigned char *at, *end;
    unsigned depth, depth_max;
    bool is_list[JSON_TEXT_VALUE_DEPTH_MAX]; /* of each open level */
};

enum expect {
    EXPECT_VALUE,
    EXPECT_KEY,
    EXPECT_MORE, /* a value is complete: a comma or the end of its level */
    EXPECT_NOTHING,
    BROKEN,
};

static int peek(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : -1;
}

static bool take(struct reader *reader, int byte)
{
    if (peek(reader) != byte)
        return false;
    reader->at++;
    return true;
}

static void skip_space(struct reader *reader)
{
    while (peek(reader) == ' ' || peek(reader) == '\t' || peek(reader) == '\n' || peek(reader) == '\r')
        reader->at++;
}

static bool is_hex(int byte)
{
    return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

/* After the backslash. */
static bool take_escape(struct reader *reader)
{
    int byte = peek(reader);

    if (byte < 0 || !strchr("\"\\/bfnrtu", byte) || byte == 0)
        return false;
    reader->at++;
    for (int i = 0; byte == 'u' && i < 4; i++) {
        if (!is_hex(peek(reader)))
            return false;
        reader->at++;
    }
    return true;
}

static bool take_string(struct reader *reader)
{
    if (!take(reader, '"'))
        return false;
    while (!take(reader, '"')) {
        size_t length;

        if (take(reader, '\\')) {
            if (!take_escape(reader))
                return false;
            continue;
        }
        if (peek(reader) < 0x20)
            return false;
        length = utf8_sequence(reader->at, (size_t)(reader->end - reader->at));
        if (length == 0)
            return false;
        reader->at += length;
    }
    return true;
}

static bool take_digits(struct reader *reader)
{
    const unsigned char *start = reader->at;

    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return reader->at > start;
}

static bool take_number(struct reader *reader)
{
    (void)take(reader, '-');
    if (!take(reader, '0') && !take_digits(reader))
        return false;
    if (take(reader, '.') && !take_digits(reader))
        return false;
    if (!take(reader, 'e') && !take(reader, 'E'))
        return true;
    if (!take(reader, '+'))
        (void)take(reader, '-');
    return take_digits(reader);
}

static bool take_word(struct reader *reader)
{
    static const char *const words[] = { "true", "false", "null" };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        size_t length = strlen(words[i]);

        if ((size_t)(reader->end - reader->at) >= length && memcmp(reader->at, words[i], length) == 0) {
            reader->at += length;
            return true;
        }
    }
    return false;
}

static enum expect after_value(const struct reader *reader)
{
    return reader->depth ? EXPECT_MORE : EXPECT_NOTHING;
}

static enum expect open_level(struct reader *reader, bool is_list)
{
    if (reader->depth == reader->depth_max)
        return BROKEN;
    skip_space(reader);
    if (take(reader, is_list ? ']' : '}'))
        return after_value(reader);
    reader->is_list[reader->depth++] = is_list;
    return is_list ? EXPECT_VALUE : EXPECT_KEY;
}

static enum expect take_value(struct reader *reader)
{
    bool taken;

    if (take(reader, '{'))
        return open_level(reader, false);
    if (take(reader, '['))
        return open_level(reader, true);
    if (peek(reader) == '"')
        taken = take_string(reader);
    else if (peek(reader) == '-' || (peek(reader) >= '0' && peek(reader) <= '9'))
        taken = take_number(reader);
    else
        taken = take_word(reader);
    return taken ? after_value(reader) : BROKEN;
}

static enum expect take_key(struct reader *reader)
{
    if (!take_string(reader))
        return BROKEN;
    skip_space(reader);
    return take(reader, ':') ? EXPECT_VALUE : BROKEN;
}

static enum expect take_more(struct reader *reader)
{
    bool is_list = reader->is_list[reader->depth - 1];

    if (take(reader, ','))
        return is_list ? EXPECT_VALUE : EXPECT_KEY;
    if (!take(reader, is_list ? ']' : '}'))
        return BROKEN;
    reader->depth--;
    return after_value(reader);
}

/* The levels are not zeroed: many values are read, and most are flat. */
static void begin(struct reader *reader, const char *text, const char *end, unsigned depth_max)
{
    reader->at = (const unsigned char *)text;
    reader->end = (const unsigned char *)end;
    reader->depth = 0;
    reader->depth_max = depth_max;
    skip_space(reader);
}

/* Goes past one value and the white space behind it. */
static bool take_whole(struct reader *reader)
{
    enum expect expect = EXPECT_VALUE;

    while (expect != EXPECT_NOTHING && expect != BROKEN) {
        skip_space(reader);
        expect = expect == EXPECT_VALUE ? take_value(reader)
                 : expect == EXPECT_KEY ? take_key(reader)
                                        : take_more(reader);
    }
    return expect == EXPECT_NOTHING;
}

bool json_text_is_object(const char *text, size_t length)
{
    struct reader reader;

    begin(&reader, text, text + length, JSON_TEXT_DEPTH_MAX);
    if (peek(&reader) != '{' || !take_whole(&reader))
        return false;
    skip_space(&reader);
    return reader.at == reader.end;
}

bool json_text_open(const char *text, size_t length, struct json_text_walk *ret_walk)
{
    struct reader reader;

    begin(&reader, text, text + length, 0);
    *ret_walk = (struct json_text_walk){ .is_list = peek(&reader) == '[' };
    if (!take(&reader, '{') && !take(&reader, '['))
        return false;
    ret_walk->at = (const char *)reader.at;
    ret_walk->end = text + length;
    return true;
}

/* A value as it is written. */
static bool take_part(struct reader *reader, struct json_text_part *ret_part)
{
    const unsigned char *start;

    skip_space(reader);
    start = reader->at;
    if (!take_whole(reader))
        return false;
    *ret_part = (struct json_text_part){ (const char *)start, (size_t)(reader->at - start) };
    skip_space(reader);
    return true;
}

int json_text_next(struct json_text_walk *walk, struct json_text_part *ret_key, struct json_text_part *ret_value)
{
    struct reader reader;

    begin(&reader, walk->at, walk->end, JSON_TEXT_VALUE_DEPTH_MAX);
    *ret_key = (struct json_text_part){ "", 0 };
    if (take(&reader, walk->is_list ? ']' : '}'))
        return 0;
    if (walk->begun && !take(&reader, ','))
        return -EBADMSG;
    skip_space(&reader);
    if (!walk->is_list && (peek(&reader) != '"' || !take_part(&reader, ret_key) || !take(&reader, ':')))
        return -EBADMSG;
    if (!take_part(&reader, ret_value))
        return -EBADMSG;
    walk->begun = true;
    walk->at = (const char *)reader.at;
    return 1;
}

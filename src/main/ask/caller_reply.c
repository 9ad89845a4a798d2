/* SPDX-License-Identifier: Apache-2.0 */
#include "main/ask/caller_reply.h"

#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define STATUS_PREFIX   "HTTP/1.1 "
#define BODY_MAX_DIGITS 9 /* of a length: below one gigabyte */

/* One line without its CRLF; *at moves behind it. False if there is none. */
static bool next_line(const char *data, size_t length, size_t *at, const char **ret_line, size_t *ret_length)
{
    const char *start = data + *at, *end = memchr(start, '\n', length - *at);

    if (!end || end == start || end[-1] != '\r')
        return false;
    *ret_line = start;
    *ret_length = (size_t)(end - start) - 1;
    *at += *ret_length + 2;
    return true;
}

static bool read_number(const char *text, size_t length, unsigned base, size_t *ret_number)
{
    size_t number = 0;

    if (length == 0 || length > BODY_MAX_DIGITS)
        return false;
    for (size_t i = 0; i < length; i++) {
        int c = tolower((unsigned char)text[i]);
        unsigned digit = isdigit(c) ? (unsigned)(c - '0') : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10 : base;

        if (digit >= base)
            return false;
        number = number * base + digit;
    }
    *ret_number = number;
    return true;
}

static bool read_status(const char *line, size_t length, int *ret_status)
{
    const size_t prefix = sizeof(STATUS_PREFIX) - 1;
    size_t number;

    if (length < prefix + 3 || memcmp(line, STATUS_PREFIX, prefix) != 0)
        return false;
    if (!read_number(line + prefix, 3, 10, &number) || (length > prefix + 3 && line[prefix + 3] != ' '))
        return false;
    *ret_status = (int)number;
    return true;
}

/* The value of a header line if it has this name, else NULL. */
static const char *value_of(const char *line, size_t length, const char *name, size_t *ret_length)
{
    size_t skip = strlen(name);

    if (length <= skip || strncasecmp(line, name, skip) != 0 || line[skip] != ':')
        return NULL;
    for (skip++; skip < length && (line[skip] == ' ' || line[skip] == '\t');)
        skip++;
    while (length > skip && (line[length - 1] == ' ' || line[length - 1] == '\t'))
        length--;
    *ret_length = length - skip;
    return line + skip;
}

static bool read_header(const char *line, size_t length, struct caller_reply *reply)
{
    const char *value;
    size_t n;

    if ((value = value_of(line, length, "Content-Length", &n)))
        return read_number(value, n, 10, &reply->body_bytes);
    if ((value = value_of(line, length, "Transfer-Encoding", &n)))
        return reply->chunked = n == 7 && strncasecmp(value, "chunked", n) == 0;
    if ((value = value_of(line, length, "Connection", &n)))
        reply->closes = n == 5 && strncasecmp(value, "close", n) == 0;
    return true;
}

int caller_reply_head(const char *data, size_t length, struct caller_reply *ret_reply)
{
    struct caller_reply reply = { 0 };
    const char *end = memmem(data, length, "\r\n\r\n", 4), *line;
    size_t at = 0, n;

    if (!end)
        return length > CALLER_REPLY_HEAD_MAX_BYTES ? -EBADMSG : CALLER_REPLY_E_MORE;
    reply.head_bytes = (size_t)(end - data) + 4;
    if (!next_line(data, reply.head_bytes, &at, &line, &n) || !read_status(line, n, &reply.status))
        return -EBADMSG;
    while (next_line(data, reply.head_bytes, &at, &line, &n) && n > 0)
        if (!read_header(line, n, &reply))
            return -EBADMSG;
    if (at != reply.head_bytes)
        return -EBADMSG;
    if (reply.chunked)
        reply.body_bytes = 0;
    *ret_reply = reply;
    return 0;
}

/* Finds the chunk at *at: its bytes, and *at behind its end. */
static int next_chunk(const char *data, size_t length, size_t *at, size_t *ret_start, size_t *ret_bytes)
{
    const char *line;
    size_t n, behind = *at;

    if (!next_line(data, length, &behind, &line, &n))
        return length - *at > BODY_MAX_DIGITS + 2 ? -EBADMSG : CALLER_REPLY_E_MORE;
    if (!read_number(line, n, 16, ret_bytes))
        return -EBADMSG;
    if (length - behind < *ret_bytes || length - behind - *ret_bytes < 2)
        return CALLER_REPLY_E_MORE;
    if (memcmp(data + behind + *ret_bytes, "\r\n", 2) != 0)
        return -EBADMSG;
    *ret_start = behind;
    *at = behind + *ret_bytes + 2;
    return 0;
}

int caller_reply_join(char *data, size_t length, size_t *ret_bytes)
{
    size_t joined = 0, start = 0, bytes = 1;

    /* Once to see that all is there, once to move. */
    for (size_t at = 0; bytes > 0;) {
        int r = next_chunk(data, length, &at, &start, &bytes);

        if (r != 0)
            return r;
    }
    bytes = 1;
    for (size_t at = 0; bytes > 0 && next_chunk(data, length, &at, &start, &bytes) == 0;) {
        memmove(data + joined, data + start, bytes);
        joined += bytes;
    }
    *ret_bytes = joined;
    return 0;
}

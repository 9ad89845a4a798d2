/* SPDX-License-Identifier: Apache-2.0 */
#include "http/text.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistr.h>

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t text_percent_decode(char *to, const char *from, size_t length, bool plus)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        if (from[i] == '%' && length - i > 2 && hex_digit(from[i + 1]) >= 0 && hex_digit(from[i + 2]) >= 0) {
            to[used++] = (char)(hex_digit(from[i + 1]) << 4 | hex_digit(from[i + 2]));
            i += 2;
        } else
            to[used++] = plus && from[i] == '+' ? ' ' : from[i];
    }
    return used;
}

/* Up to two more bytes than a pair had: room for as many as there can be. */
static size_t query_room(const char *query)
{
    size_t n_pairs = 1;

    for (const char *p = query; *p; p++)
        n_pairs += *p == '&';
    return strlen(query) + 2 * n_pairs;
}

char *text_query_decode(const char *query, size_t *ret_length)
{
    char *pairs = malloc(query_room(query)), *to = pairs;

    while (pairs && *query) {
        size_t length = strcspn(query, "&"), name = strcspn(query, "=&");

        if (length > 0) {
            to += text_percent_decode(to, query, name, true);
            *to++ = '\0';
            if (name < length)
                to += text_percent_decode(to, query + name + 1, length - name - 1, true);
            *to++ = '\0';
        }
        query += length + (query[length] == '&');
    }
    *ret_length = pairs ? (size_t)(to - pairs) : 0;
    return pairs;
}

char *text_repair_utf8(const char *data, size_t length, size_t *ret_length)
{
    const uint8_t *p = (const uint8_t *)data, *end = p + length;
    char *text = malloc(length * 3 + 1); /* U+FFFD takes three bytes and stands for at least one */
    size_t used = 0;

    if (!text)
        return NULL;
    while (p < end) {
        ucs4_t c;
        int n = u8_mbtouc(&c, p, (size_t)(end - p));

        if (c == 0xfffd)
            memcpy(text + used, "\xef\xbf\xbd", 3);
        else
            memcpy(text + used, p, (size_t)n);
        used += c == 0xfffd ? 3 : (size_t)n;
        p += n;
    }
    text[used] = '\0';
    *ret_length = used;
    return text;
}

char *text_header_value(const char *value)
{
    char *text = malloc(strlen(value) * 3 + 1);
    char *to = text;

    if (!text)
        return NULL;
    for (const unsigned char *p = (const unsigned char *)value; *p; p++) {
        if (*p < 0x20 || *p == 0x7f)
            to += sprintf(to, "%%%02X", *p);
        else
            *to++ = (char)*p;
    }
    *to = '\0';
    return text;
}

bool text_media_type_is(const char *value, const char *type)
{
    size_t length = strlen(type);

    value += strspn(value, " \t");
    if (strncasecmp(value, type, length) != 0)
        return false;
    return value[length] == '\0' || strchr(" \t;,", value[length]);
}

bool text_media_type_is_json_suffix(const char *value)
{
    size_t length;

    value += strspn(value, " \t");
    length = strcspn(value, " \t;,");
    return length > 17 && strncasecmp(value, "application/", 12) == 0 &&
           strncasecmp(value + length - 5, "+json", 5) == 0;
}

bool text_is_token(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (!isalnum((unsigned char)text[i]) && (text[i] == '\0' || !strchr("!#$%&'*+-.^_`|~", text[i])))
            return false;
    return length > 0;
}

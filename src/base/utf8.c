/* SPDX-License-Identifier: Apache-2.0 */
#include "base/utf8.h"

#include <stdbool.h>

#include "base/cleanup.h"

/* The well-formed sequences of the Unicode standard, table 3-7, by first and second byte; the bytes after these are 80
 * to BF. Overlong forms, surrogates and values above U+10FFFF have no row. */
static const struct {
    unsigned char first_from, first_to, second_from, second_to;
    unsigned char length;
} forms[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 2 }, { 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 }, { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 }, { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

/* Length that a sequence starting like this must have, or 0; *ret_good counts the leading bytes that are there and fit.
 */
static size_t match(const unsigned char *data, size_t size, size_t *ret_good)
{
    *ret_good = 1;
    if (data[0] < 0x80)
        return 1;
    for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
        if (data[0] < forms[i].first_from || data[0] > forms[i].first_to)
            continue;
        if (size >= 2 && data[1] >= forms[i].second_from && data[1] <= forms[i].second_to)
            for (*ret_good = 2; *ret_good < forms[i].length && *ret_good < size; ++*ret_good)
                if ((data[*ret_good] & 0xc0) != 0x80)
                    break;
        return forms[i].length;
    }
    return 0;
}

size_t utf8_sequence(const unsigned char *data, size_t size)
{
    size_t good, length = match(data, size, &good);

    return length == good ? length : 0;
}

size_t utf8_unfinished(const unsigned char *data, size_t size)
{
    for (size_t n = 1; n <= 3 && n <= size; n++) {
        size_t good, length = match(data + size - n, n, &good);

        if (length)
            return length > n && good == n ? n : 0;
    }
    return 0;
}

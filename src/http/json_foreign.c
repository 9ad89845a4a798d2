/* SPDX-License-Identifier: Apache-2.0 */
#include "http/json_foreign.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DIGITS       "0123456789"
#define NUMBER_CHARS DIGITS "+-.eE"

/* An integer that does not fit has at least 19 characters, and becomes a real of at most this many, with the zero byte.
 */
#define TAMED_BYTES_MAX           24
#define TAMED_LENGTH_MAX(length_) ((length_) + (length_) / 19 * 4)
#define REAL_MAX                  "1e308" /* no longer than what it stands for */

/* The length of the number that begins here; 0 if none does. All texts of this file end with a zero byte. */
static size_t number_length(const char *text, bool *ret_real)
{
    const char *p = text + (*text == '-');
    size_t digits = strspn(p, DIGITS);

    *ret_real = false;
    if (digits == 0 || (*p == '0' && digits > 1))
        return 0;
    p += digits;
    if (*p == '.') {
        digits = strspn(p + 1, DIGITS);
        if (digits == 0)
            return 0;
        p += 1 + digits;
        *ret_real = true;
    }
    if (*p == 'e' || *p == 'E') {
        p += 1 + (p[1] == '+' || p[1] == '-');
        digits = strspn(p, DIGITS);
        if (digits == 0)
            return 0;
        p += digits;
        *ret_real = true;
    }
    return (size_t)(p - text);
}

static bool fits(const char *number, bool real)
{
    if (real)
        return !isinf(strtod(number, NULL));
    errno = 0;
    (void)strtoll(number, NULL, 10);
    return errno == 0;
}

struct taming {
    char *to; /* where to write on */
    bool changed;
};

static void copy(struct taming *taming, const char *from, size_t length)
{
    memcpy(taming->to, from, length);
    taming->to += length;
}

/* Returns the first byte behind it. */
static const char *tame_number(struct taming *taming, const char *number)
{
    size_t span = strspn(number, NUMBER_CHARS);
    bool real;

    if (number_length(number, &real) != span || fits(number, real)) {
        copy(taming, number, span);
    } else {
        double value = strtod(number, NULL);

        taming->to += isinf(value) ? snprintf(taming->to, TAMED_BYTES_MAX, "%s" REAL_MAX, value < 0 ? "-" : "")
                                   : snprintf(taming->to, TAMED_BYTES_MAX, "%.16e", value);
        taming->changed = true;
    }
    return number + span;
}

static bool tame(struct taming *taming, const char *text, const char *end)
{
    bool quoted = false;
    const char *p = text;

    while (p < end) {
        if (quoted && *p == '\\' && p + 1 < end) {
            copy(taming, p, 2);
            p += 2;
        } else if (!quoted && strchr(DIGITS "-", *p) && *p) {
            p = tame_number(taming, p);
        } else {
            quoted ^= *p == '"';
            copy(taming, p++, 1);
        }
    }
    return taming->changed;
}

static json_t *parse(const char *text, size_t length)
{
    return json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

json_t *json_foreign_parse(const char *text, size_t length)
{
    json_t *json = parse(text, length);
    CLEANUP_FREE char *ended = NULL, *tamed = NULL;
    struct taming taming = { 0 };

    if (json)
        return json;
    ended = malloc(length + 1);
    taming.to = tamed = malloc(TAMED_LENGTH_MAX(length) + TAMED_BYTES_MAX);
    if (!ended || !tamed)
        return NULL;
    memcpy(ended, text, length);
    ended[length] = '\0';
    return tame(&taming, ended, ended + length) ? parse(tamed, (size_t)(taming.to - tamed)) : NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/json_foreign.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

#define DIGITS       "0123456789"
#define NUMBER_CHARS DIGITS "+-.eE"

/* The nearest that fit: none is longer than what it stands for. */
static const char *const nearest[2][2] = {
    { "9223372036854775807", "-9223372036854775808" },
    { "1e308", "-1e308" },
};

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

/* Returns the first byte behind it. */
static char *tame_number(char *number, bool *changed)
{
    size_t span = strspn(number, NUMBER_CHARS);
    bool real;

    if (number_length(number, &real) == span && !fits(number, real)) {
        const char *text = nearest[real][*number == '-'];
        size_t length = strlen(text);

        for (size_t i = 0; i < span; i++)
            number[i] = i < length ? text[i] : ' ';
        *changed = true;
    }
    return number + span;
}

/* Returns true if there was something to change. */
static bool tame(char *text, const char *end)
{
    bool changed = false, quoted = false;
    char *p = text;

    while (p < end) {
        if (quoted && *p == '\\')
            p += 2; /* at most behind the zero byte */
        else if (!quoted && strchr(DIGITS "-", *p) && *p)
            p = tame_number(p, &changed);
        else
            quoted ^= *p++ == '"';
    }
    return changed;
}

static json_t *parse(const char *text, size_t length)
{
    return json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);
}

json_t *json_foreign_parse(const char *text, size_t length)
{
    json_t *json = parse(text, length);
    CLEANUP_FREE char *copy = NULL;

    if (json)
        return json;
    copy = malloc(length + 1);
    if (!copy)
        return NULL;
    memcpy(copy, text, length);
    copy[length] = '\0';
    return tame(copy, copy + length) ? parse(copy, length) : NULL;
}

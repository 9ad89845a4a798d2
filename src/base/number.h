/* SPDX-License-Identifier: Apache-2.0 */
/* number.h -- whole numbers in the kernel's text files. */
#pragma once

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Skips blanks and reads decimal digits; *cursor is left behind them. Returns false, with *cursor where it was, if
 * there is no digit or the number is too large. */
static inline bool number_take(const char **cursor, uint64_t *ret_number)
{
    const char *at = *cursor;
    unsigned long long number;
    char *end;

    while (*at == ' ' || *at == '\t')
        at++;
    if (!isdigit((unsigned char)*at))
        return false;
    errno = 0;
    number = strtoull(at, &end, 10);
    if (errno)
        return false;
    *ret_number = number;
    *cursor = end;
    return true;
}

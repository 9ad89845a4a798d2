/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t clock_monotonic_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int clock_wait(pthread_cond_t *condition, pthread_mutex_t *lock, int64_t until_us)
{
    const struct timespec until = { .tv_sec = until_us / 1000000, .tv_nsec = until_us % 1000000 * 1000 };

    return pthread_cond_clockwait(condition, lock, CLOCK_MONOTONIC, &until);
}

int64_t clock_wall_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void clock_format_iso(int64_t wall_ms, char ret_text[static CLOCK_ISO_SIZE])
{
    int64_t ms = (wall_ms % 1000 + 1000) % 1000; /* also before 1970 */
    time_t seconds = (time_t)((wall_ms - ms) / 1000);
    struct tm utc;

    gmtime_r(&seconds, &utc);
    snprintf(ret_text, CLOCK_ISO_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", (unsigned)(utc.tm_year + 1900) % 10000u,
             (unsigned)(utc.tm_mon + 1) % 100u, (unsigned)utc.tm_mday % 100u, (unsigned)utc.tm_hour % 100u,
             (unsigned)utc.tm_min % 100u, (unsigned)utc.tm_sec % 100u, (unsigned)ms);
}

/* Reads exactly n digits. */
static bool take_digits(const char **text, int n, int *ret_number)
{
    int number = 0;

    for (int i = 0; i < n; i++) {
        if (!isdigit((unsigned char)**text))
            return false;
        number = number * 10 + *(*text)++ - '0';
    }
    *ret_number = number;
    return true;
}

static bool take_character(const char **text, char wanted)
{
    if (**text != wanted)
        return false;
    (*text)++;
    return true;
}

static bool take_date(const char **text, struct tm *ret_date)
{
    struct tm date = { 0 };

    if (!take_digits(text, 4, &date.tm_year) || !take_character(text, '-') || !take_digits(text, 2, &date.tm_mon) ||
        !take_character(text, '-') || !take_digits(text, 2, &date.tm_mday) || !take_character(text, 'T') ||
        !take_digits(text, 2, &date.tm_hour) || !take_character(text, ':') || !take_digits(text, 2, &date.tm_min) ||
        !take_character(text, ':') || !take_digits(text, 2, &date.tm_sec))
        return false;
    date.tm_year -= 1900;
    date.tm_mon -= 1;
    *ret_date = date;
    return true;
}

/* The digits behind a point, of which the first three count. */
static bool take_fraction(const char **text, int *ret_ms)
{
    int unit = 100;

    *ret_ms = 0;
    if (!take_character(text, '.'))
        return true;
    if (!isdigit((unsigned char)**text))
        return false;
    for (; isdigit((unsigned char)**text); (*text)++, unit /= 10)
        *ret_ms += (**text - '0') * unit;
    return true;
}

static bool take_zone(const char **text, int *ret_minutes)
{
    int hours, minutes, sign = **text == '-' ? -1 : 1;

    *ret_minutes = 0;
    if (take_character(text, 'Z'))
        return true;
    if (!strchr("+-", **text) || !**text)
        return false;
    (*text)++;
    if (!take_digits(text, 2, &hours) || !take_character(text, ':') || !take_digits(text, 2, &minutes) || hours > 14 ||
        minutes > 59)
        return false;
    *ret_minutes = sign * (hours * 60 + minutes);
    return true;
}

bool clock_parse_iso(const char *text, int64_t *ret_wall_ms)
{
    struct tm date, same;
    int ms, minutes;
    time_t seconds;

    if (!take_date(&text, &date) || !take_fraction(&text, &ms) || !take_zone(&text, &minutes) || *text)
        return false;
    same = date;
    seconds = timegm(&same); /* carries the 31st of February into March */
    if (same.tm_mon != date.tm_mon || same.tm_mday != date.tm_mday || same.tm_hour != date.tm_hour ||
        same.tm_min != date.tm_min || same.tm_sec != date.tm_sec)
        return false;
    *ret_wall_ms = ((int64_t)seconds - minutes * 60) * 1000 + ms;
    return true;
}

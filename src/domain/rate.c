/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/rate.h"

#include <time.h>

static const struct {
    const char *name;
    int64_t unit_ms; /* 0 = a month, which has no fixed length */
} periods[RATE_PERIODS] = {
    [RATE_PER_SECOND] = { "per_second", 1000 }, [RATE_PER_MINUTE] = { "per_minute", 60 * 1000 },
    [RATE_HOURLY] = { "hourly", 3600 * 1000 },  [RATE_DAILY] = { "daily", 24 * 3600 * INT64_C(1000) },
    [RATE_MONTHLY] = { "monthly", 0 },
};

static const char *const groups[RATE_GROUPS] = {
    [RATE_NO_GROUP] = "",         [RATE_EXEC] = "exec",   [RATE_UPLOAD] = "upload",
    [RATE_DOWNLOAD] = "download", [RATE_FETCH] = "fetch",
};

const char *rate_period_name(enum rate_period period)
{
    return periods[period].name;
}

const char *rate_group_name(enum rate_group group)
{
    return groups[group];
}

static struct rate_window month_around(int64_t now_ms)
{
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm first = { .tm_mday = 1 }, now, next;

    gmtime_r(&seconds, &now);
    first.tm_year = now.tm_year;
    first.tm_mon = now.tm_mon;
    next = first;
    next.tm_mon++; /* timegm() carries into the year */
    return (struct rate_window){ .start_ms = (int64_t)timegm(&first) * 1000, .end_ms = (int64_t)timegm(&next) * 1000 };
}

struct rate_window rate_calendar(enum rate_period period, int64_t now_ms)
{
    int64_t unit_ms = periods[period].unit_ms, start_ms;

    if (unit_ms == 0)
        return month_around(now_ms);
    start_ms = now_ms - now_ms % unit_ms;
    return (struct rate_window){ .start_ms = start_ms, .end_ms = start_ms + unit_ms };
}

static bool is_current(const struct rate_window *window, int64_t now_ms)
{
    return now_ms >= window->start_ms && now_ms < window->end_ms;
}

struct rate_standing rate_standing(enum rate_period period, int64_t limit, const struct rate_window *window,
                                   int64_t now_ms)
{
    struct rate_window current = is_current(window, now_ms) ? *window : rate_calendar(period, now_ms);

    return (struct rate_standing){
        .name = periods[period].name, .limit = limit, .used = current.used, .resets_ms = current.end_ms
    };
}

bool rate_exceeded(const int64_t limits[RATE_PERIODS], const struct rate_window windows[RATE_PERIODS], int64_t now_ms,
                   struct rate_standing *ret_standing)
{
    for (int i = 0; i < RATE_PERIODS; i++) {
        if (limits[i] == 0 || !is_current(&windows[i], now_ms) || windows[i].used < limits[i])
            continue;
        *ret_standing = rate_standing((enum rate_period)i, limits[i], &windows[i], now_ms);
        return true;
    }
    return false;
}

/* Compares what is left as fractions, without dividing. Limits are bounded far below the overflow. */
static bool is_tighter(const struct rate_standing *a, const struct rate_standing *b)
{
    return (a->limit - a->used) * b->limit < (b->limit - b->used) * a->limit;
}

bool rate_tightest(const int64_t limits[RATE_PERIODS], const struct rate_window windows[RATE_PERIODS], int64_t now_ms,
                   struct rate_standing *ret_standing)
{
    bool found = false;

    for (int i = 0; i < RATE_PERIODS; i++) {
        struct rate_standing standing;

        if (limits[i] == 0)
            continue;
        standing = rate_standing((enum rate_period)i, limits[i], &windows[i], now_ms);
        if (!found || is_tighter(&standing, ret_standing))
            *ret_standing = standing;
        found = true;
    }
    return found;
}

void rate_count(struct rate_window windows[RATE_PERIODS], int64_t now_ms)
{
    for (int i = 0; i < RATE_PERIODS; i++) {
        if (!is_current(&windows[i], now_ms))
            windows[i] = rate_calendar((enum rate_period)i, now_ms);
        windows[i].used++;
    }
}

/* One that a rule with another span began is no window of this rule: whoever lets callers wait a second after they had
 * to wait a day must not have them wait out the day. */
static bool is_group_current(const struct rate_rule *rule, const struct rate_window *window, int64_t now_ms)
{
    return is_current(window, now_ms) && window->end_ms - window->start_ms == rule->seconds * 1000;
}

bool rate_group_exceeded(enum rate_group group, const struct rate_rule *rule, const struct rate_window *window,
                         int64_t now_ms, struct rate_standing *ret_standing)
{
    if (rule->count == 0 || !is_group_current(rule, window, now_ms) || window->used < rule->count)
        return false;
    *ret_standing = (struct rate_standing){
        .name = groups[group], .limit = rule->count, .used = window->used, .resets_ms = window->end_ms
    };
    return true;
}

void rate_group_count(const struct rate_rule *rule, struct rate_window *window, int64_t now_ms)
{
    if (rule->count == 0)
        return;
    if (!is_group_current(rule, window, now_ms))
        *window = (struct rate_window){ .start_ms = now_ms, .end_ms = now_ms + rule->seconds * 1000 };
    window->used++;
}

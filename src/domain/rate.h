/* SPDX-License-Identifier: Apache-2.0 */
/* rate.h -- how many requests are allowed in how long (http-api.md 5). Pure: the caller holds the counters and the
 * lock.
 *
 * Two kinds of windows, both fixed: those of a key are calendar units in UTC; that of an endpoint group begins with its
 * first request. A counter is one window, so the memory of a key does not depend on how much it is used. Times are
 * wall-clock milliseconds; a window that does not hold the present, whichever way the clock jumped, counts as new. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* Shortest first, which is the order in which they are checked. */
enum rate_period {
    RATE_PER_SECOND,
    RATE_PER_MINUTE,
    RATE_HOURLY,
    RATE_DAILY,
    RATE_MONTHLY,
    RATE_PERIODS,
};

enum rate_group {
    RATE_NO_GROUP,
    RATE_EXEC,
    RATE_UPLOAD,
    RATE_DOWNLOAD,
    RATE_FETCH,
    RATE_GROUPS,
};

struct rate_window {
    int64_t start_ms, end_ms, used;
};

/* N requests in so many seconds; count 0 = no limit. */
struct rate_rule {
    int64_t count, seconds;
};

/* Where a caller stands with one limit. */
struct rate_standing {
    const char *name; /* of the period or group; static */
    int64_t limit, used, resets_ms;
};

const char *rate_period_name(enum rate_period period); /* "per_second" ... "monthly" */
const char *rate_group_name(enum rate_group group);    /* "exec" ... "fetch" */

/* The calendar unit around now_ms, with nothing used. */
struct rate_window rate_calendar(enum rate_period period, int64_t now_ms);

/* One period of a key; limit 0 = none. */
struct rate_standing rate_standing(enum rate_period period, int64_t limit, const struct rate_window *window,
                                   int64_t now_ms);

/* The shortest period whose limit is used up. Returns false if there is none. */
bool rate_exceeded(const int64_t limits[RATE_PERIODS], const struct rate_window windows[RATE_PERIODS], int64_t now_ms,
                   struct rate_standing *ret_standing);

/* The limited period with the smallest share left. Returns false if none is limited. */
bool rate_tightest(const int64_t limits[RATE_PERIODS], const struct rate_window windows[RATE_PERIODS], int64_t now_ms,
                   struct rate_standing *ret_standing);

/* Adds an accepted request to all periods. */
void rate_count(struct rate_window windows[RATE_PERIODS], int64_t now_ms);

/* The same for the limit of a group. */
bool rate_group_exceeded(enum rate_group group, const struct rate_rule *rule, const struct rate_window *window,
                         int64_t now_ms, struct rate_standing *ret_standing);
void rate_group_count(const struct rate_rule *rule, struct rate_window *window, int64_t now_ms);

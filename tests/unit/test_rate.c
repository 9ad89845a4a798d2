/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "domain/rate.h"
#include "domain/tenant.h"

static int64_t at(const char *iso)
{
    int64_t wall_ms;

    assert_true(clock_parse_iso(iso, &wall_ms));
    return wall_ms;
}

static const struct {
    enum rate_period period;
    const char *now, *start, *end;
} calendars[] = {
    { RATE_PER_SECOND, "2026-03-14T09:26:53.589Z", "2026-03-14T09:26:53Z", "2026-03-14T09:26:54Z" },
    { RATE_PER_MINUTE, "2026-03-14T09:26:53.589Z", "2026-03-14T09:26:00Z", "2026-03-14T09:27:00Z" },
    { RATE_HOURLY, "2026-03-14T09:26:53.589Z", "2026-03-14T09:00:00Z", "2026-03-14T10:00:00Z" },
    { RATE_DAILY, "2026-03-14T09:26:53.589Z", "2026-03-14T00:00:00Z", "2026-03-15T00:00:00Z" },
    { RATE_DAILY, "2026-12-31T23:59:59.999Z", "2026-12-31T00:00:00Z", "2027-01-01T00:00:00Z" },
    { RATE_MONTHLY, "2026-03-14T09:26:53.589Z", "2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z" },
    { RATE_MONTHLY, "2026-12-31T23:59:59.999Z", "2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z" },
    { RATE_MONTHLY, "2028-02-29T12:00:00Z", "2028-02-01T00:00:00Z", "2028-03-01T00:00:00Z" },
    { RATE_MONTHLY, "2026-01-31T00:00:00Z", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z" },
    { RATE_MONTHLY, "2026-02-01T00:00:00Z", "2026-02-01T00:00:00Z", "2026-03-01T00:00:00Z" },
};

static void windows_are_calendar_units(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(calendars); i++) {
        struct rate_window window = rate_calendar(calendars[i].period, at(calendars[i].now));

        assert_int_equal(window.start_ms, at(calendars[i].start));
        assert_int_equal(window.end_ms, at(calendars[i].end));
        assert_int_equal(window.used, 0);
    }
}

static void a_limit_holds_to_the_end_of_its_window(void **state)
{
    const int64_t limits[RATE_PERIODS] = { [RATE_PER_MINUTE] = 3 }, now_ms = at("2026-03-14T09:26:59.998Z");
    struct rate_window windows[RATE_PERIODS] = { 0 };
    struct rate_standing standing;

    (void)state;
    for (int i = 0; i < 3; i++) {
        assert_false(rate_exceeded(limits, windows, now_ms, &standing));
        rate_count(windows, now_ms);
    }
    assert_true(rate_exceeded(limits, windows, now_ms + 1, &standing));
    assert_string_equal(standing.name, "per_minute");
    assert_int_equal(standing.limit, 3);
    assert_int_equal(standing.used, 3);
    assert_int_equal(standing.resets_ms, at("2026-03-14T09:27:00Z"));
    assert_false(rate_exceeded(limits, windows, now_ms + 2, &standing));
    rate_count(windows, now_ms + 2);
    assert_int_equal(windows[RATE_PER_MINUTE].used, 1);
    assert_int_equal(windows[RATE_HOURLY].used, 4);
}

/* 5.1: every accepted request counts in all five, limited or not. */
static void every_period_is_counted(void **state)
{
    struct rate_window windows[RATE_PERIODS] = { 0 };

    (void)state;
    rate_count(windows, at("2026-03-14T09:26:53Z"));
    for (int i = 0; i < RATE_PERIODS; i++)
        assert_int_equal(windows[i].used, 1);
}

static void the_shortest_period_answers_first(void **state)
{
    const int64_t limits[RATE_PERIODS] = { 0, 1, 0, 1, 1 }, now_ms = at("2026-03-14T09:26:53Z");
    struct rate_window windows[RATE_PERIODS] = { 0 };
    struct rate_standing standing;

    (void)state;
    rate_count(windows, now_ms);
    assert_true(rate_exceeded(limits, windows, now_ms, &standing));
    assert_string_equal(standing.name, "per_minute");
    assert_true(rate_exceeded(limits, windows, now_ms + 60000, &standing));
    assert_string_equal(standing.name, "daily");
}

/* 5.4: the smallest remaining share, not the smallest number. */
static void the_tightest_limit_is_told(void **state)
{
    const int64_t limits[RATE_PERIODS] = { [RATE_PER_MINUTE] = 10, [RATE_DAILY] = 1000 }, none[RATE_PERIODS] = { 0 };
    const int64_t now_ms = at("2026-03-14T09:26:53Z");
    struct rate_window windows[RATE_PERIODS] = { 0 };
    struct rate_standing standing;

    (void)state;
    assert_false(rate_tightest(none, windows, now_ms, &standing));
    rate_count(windows, now_ms);
    assert_true(rate_tightest(limits, windows, now_ms, &standing));
    assert_string_equal(standing.name, "per_minute");
    windows[RATE_DAILY].used = 999;
    assert_true(rate_tightest(limits, windows, now_ms, &standing));
    assert_string_equal(standing.name, "daily");
    windows[RATE_DAILY].used = 2000; /* the limit was lowered */
    assert_true(rate_tightest(limits, windows, now_ms, &standing));
    assert_string_equal(standing.name, "daily");
}

/* A clock that was far ahead must not keep a key out until that time comes. */
static void a_window_of_another_time_counts_as_new(void **state)
{
    const int64_t limits[RATE_PERIODS] = { [RATE_MONTHLY] = 1 };
    struct rate_window windows[RATE_PERIODS] = { 0 };
    struct rate_standing standing;

    (void)state;
    rate_count(windows, at("2090-03-14T09:26:53Z"));
    assert_false(rate_exceeded(limits, windows, at("2026-03-14T09:26:53Z"), &standing));
    rate_count(windows, at("2026-03-14T09:26:53Z"));
    assert_true(rate_exceeded(limits, windows, at("2026-03-14T09:26:53Z"), &standing));
}

static void another_span_ends_a_groups_window(void **state)
{
    const struct rate_rule day = { .count = 1, .seconds = 86400 }, second = { .count = 1, .seconds = 1 };
    struct rate_window window = { 0 };
    struct rate_standing standing;

    (void)state;
    rate_group_count(&day, &window, 1000);
    assert_true(rate_group_exceeded(RATE_EXEC, &day, &window, 2000, &standing));
    assert_false(rate_group_exceeded(RATE_EXEC, &second, &window, 2000, &standing));
    rate_group_count(&second, &window, 2000);
    assert_true(rate_group_exceeded(RATE_EXEC, &second, &window, 2999, &standing));
    assert_int_equal(standing.resets_ms, 3000);
    assert_int_equal(standing.used, 1);
}

static void a_groups_window_begins_with_its_first_request(void **state)
{
    const struct rate_rule rule = { .count = 2, .seconds = 30 }, off = { 0 };
    struct rate_window window = { 0 };
    struct rate_standing standing;

    (void)state;
    for (int64_t now_ms = 1000; now_ms <= 2000; now_ms += 1000) {
        assert_false(rate_group_exceeded(RATE_EXEC, &rule, &window, now_ms, &standing));
        rate_group_count(&rule, &window, now_ms);
    }
    assert_true(rate_group_exceeded(RATE_EXEC, &rule, &window, 30999, &standing));
    assert_string_equal(standing.name, "exec");
    assert_int_equal(standing.limit, 2);
    assert_int_equal(standing.resets_ms, 31000);
    assert_false(rate_group_exceeded(RATE_EXEC, &rule, &window, 31000, &standing));
    assert_false(rate_group_exceeded(RATE_EXEC, &off, &window, 2000, &standing));
    rate_group_count(&off, &window, 2000);
    assert_int_equal(window.used, 2);
}

static const struct {
    const char *name;
    int r;
    const char *tenant;
} tenants[] = {
    { "a", 0, "a" },
    { "Team_7-x", 0, "Team_7-x" },
    { "environment", 0, TENANT_ENVIRONMENT },
    { "env", TENANT_E_RESERVED, NULL },
    { "probe", TENANT_E_RESERVED, NULL },
    { "", TENANT_E_INVALID, NULL },
    { "a b", TENANT_E_INVALID, NULL },
    { "a:b", TENANT_E_INVALID, NULL },
    { "\xc3\xa4", TENANT_E_INVALID, NULL },
    { "0123456789012345678901234567890123456789012345678901234567890123", 0,
      "0123456789012345678901234567890123456789012345678901234567890123" },
    { "01234567890123456789012345678901234567890123456789012345678901234", TENANT_E_INVALID, NULL },
};

static void names_of_tenants(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(tenants); i++) {
        char tenant[TENANT_SIZE] = "untouched";

        assert_int_equal(tenant_from_name(tenants[i].name, tenant), tenants[i].r);
        assert_string_equal(tenant, tenants[i].r == 0 ? tenants[i].tenant : "untouched");
        if (tenants[i].r == 0)
            assert_string_equal(tenant_name(tenant), tenants[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_are_calendar_units),
        cmocka_unit_test(a_limit_holds_to_the_end_of_its_window),
        cmocka_unit_test(every_period_is_counted),
        cmocka_unit_test(the_shortest_period_answers_first),
        cmocka_unit_test(the_tightest_limit_is_told),
        cmocka_unit_test(a_window_of_another_time_counts_as_new),
        cmocka_unit_test(a_groups_window_begins_with_its_first_request),
        cmocka_unit_test(another_span_ends_a_groups_window),
        cmocka_unit_test(names_of_tenants),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <time.h>
#include <unistd.h>

#include "base/clock.h"

static void times_are_written_as_iso_8601(void **state)
{
    static const struct {
        int64_t wall_ms;
        const char *text;
    } rows[] = {
        { 0, "1970-01-01T00:00:00.000Z" },
        { 999, "1970-01-01T00:00:00.999Z" },
        { 1773480413589, "2026-03-14T09:26:53.589Z" },
        { 951782400000, "2000-02-29T00:00:00.000Z" },
        { 4107542400000, "2100-03-01T00:00:00.000Z" },
        { 253402300799999, "9999-12-31T23:59:59.999Z" },
        { -1, "1969-12-31T23:59:59.999Z" },
        { -1000, "1969-12-31T23:59:59.000Z" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[CLOCK_ISO_SIZE];

        clock_format_iso(rows[i].wall_ms, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void absurd_times_stay_inside_the_buffer(void **state)
{
    char text[CLOCK_ISO_SIZE];

    (void)state;
    clock_format_iso(INT64_MAX, text);
    clock_format_iso(INT64_MIN + 1000, text);
}

static void monotonic_time_is_in_microseconds(void **state)
{
    int64_t before = clock_monotonic_us(), after;

    (void)state;
    usleep(20000);
    after = clock_monotonic_us();
    assert_in_range(after - before, 20000, 5000000);
}

static void wall_time_is_in_milliseconds(void **state)
{
    int64_t seconds = time(NULL);

    (void)state;
    assert_in_range(clock_wall_ms() / 1000 - seconds + 5, 0, 10);
}

static const struct {
    const char *text;
    int64_t wall_ms; /* -1 = none */
} iso_times[] = {
    { "1970-01-01T00:00:00Z", 0 },
    { "2026-03-14T09:26:53.589Z", 1773480413589 },
    { "2026-03-14T09:26:53Z", 1773480413000 },
    { "2026-03-14T09:26:53.5Z", 1773480413500 },
    { "2026-03-14T09:26:53.5899999Z", 1773480413589 },
    { "2026-03-14T10:26:53.589+01:00", 1773480413589 },
    { "2026-03-14T04:56:53.589-04:30", 1773480413589 },
    { "2028-02-29T00:00:00Z", 1835395200000 },
    { "2026-02-29T00:00:00Z", -1 },
    { "2026-13-01T00:00:00Z", -1 },
    { "2026-00-01T00:00:00Z", -1 },
    { "2026-03-14T24:00:00Z", -1 },
    { "2026-03-14T09:60:00Z", -1 },
    { "2026-03-14T09:26:53.Z", -1 },
    { "2026-03-14T09:26:53", -1 },
    { "2026-03-14 09:26:53Z", -1 },
    { "2026-03-14T09:26:53Zx", -1 },
    { "2026-03-14T09:26:53+99:00", -1 },
    { "2026-03-14T09:26:53+1:00", -1 },
    { "-026-03-14T09:26:53Z", -1 },
    { "2026-03-14", -1 },
    { "", -1 },
};

static void iso_times_are_read(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(iso_times) / sizeof(iso_times[0]); i++) {
        int64_t wall_ms = -1;

        if (clock_parse_iso(iso_times[i].text, &wall_ms) != (iso_times[i].wall_ms >= 0) ||
            wall_ms != iso_times[i].wall_ms)
            fail_msg("'%s' became %lld", iso_times[i].text, (long long)wall_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_are_written_as_iso_8601),
        cmocka_unit_test(absurd_times_stay_inside_the_buffer),
        cmocka_unit_test(iso_times_are_read),
        cmocka_unit_test(monotonic_time_is_in_microseconds),
        cmocka_unit_test(wall_time_is_in_milliseconds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

static char line[8192];

/* What one call writes; "" for nothing. */
static const char *written(bool json, enum log_level threshold, enum log_level level, const char *text)
{
    int ends[2];
    ssize_t n;

    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_init(&(struct log_options){ .level = threshold, .json = json, .fd = ends[1], .process = "test" });
    log_write(level, "%s", text);
    n = read(ends[0], line, sizeof(line) - 1);
    line[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    close(ends[1]);
    return line;
}

/* The message of a JSON line as it stands there, without what surrounds it. */
static const char *json_message(const char *text)
{
    static const char key[] = "\"message\":\"";
    char *at = strstr(written(true, LOG_LEVEL_INFO, LOG_LEVEL_ERROR, text), key);

    assert_non_null(at);
    at += strlen(key);
    assert_string_equal(at + strlen(at) - 3, "\"}\n");
    at[strlen(at) - 3] = '\0';
    return at;
}

static void lines_below_the_level_are_dropped(void **state)
{
    (void)state;
    assert_string_equal(written(false, LOG_LEVEL_WARNING, LOG_LEVEL_INFO, "x"), "");
    assert_false(log_enabled(LOG_LEVEL_INFO));
    assert_true(log_enabled(LOG_LEVEL_WARNING));
    assert_string_not_equal(written(false, LOG_LEVEL_WARNING, LOG_LEVEL_WARNING, "x"), "");
    assert_string_not_equal(written(false, LOG_LEVEL_WARNING, LOG_LEVEL_CRITICAL, "x"), "");
}

static void a_text_line_has_time_level_and_process(void **state)
{
    const char *text = written(false, LOG_LEVEL_DEBUG, LOG_LEVEL_WARNING, "slot 3 is gone");

    (void)state;
    assert_int_equal(text[10], 'T');
    assert_string_equal(text + 24, " WARNING test: slot 3 is gone\n");
}

static void a_json_line_has_its_four_fields(void **state)
{
    const char *text = written(true, LOG_LEVEL_DEBUG, LOG_LEVEL_DEBUG, "hello");

    (void)state;
    assert_memory_equal(text, "{\"timestamp\":\"", 14);
    assert_string_equal(text + 14 + 24, "\",\"level\":\"DEBUG\",\"process\":\"test\",\"message\":\"hello\"}\n");
}

static void a_hostile_value_cannot_leave_its_string(void **state)
{
    (void)state;
    assert_string_equal(json_message("a\"}\n{\"b\":\\"), "a\\\"}\\u000a{\\\"b\\\":\\\\");
    assert_string_equal(json_message("\x1b[2J\x7f\t"), "\\u001b[2J\\u007f\\u0009");
    assert_string_equal(written(false, LOG_LEVEL_INFO, LOG_LEVEL_INFO, "a\nb\rc") + 24,
                        " INFO    test: a\\u000ab\\u000dc\n");
}

static void what_is_not_utf8_is_replaced(void **state)
{
    (void)state;
    assert_string_equal(json_message("\xe4\xb8\x96"), "\xe4\xb8\x96");
    assert_string_equal(json_message("a\xff\x62\xe4\xb8"), "a\\ufffdb\\ufffd\\ufffd");
    assert_string_equal(json_message("\xed\xa0\x80\xc0\xaf"), "\\ufffd\\ufffd\\ufffd\\ufffd\\ufffd");
}

static void a_long_message_is_cut_and_stays_one_valid_line(void **state)
{
    char text[6000];
    const char *message;

    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    message = json_message(text);
    assert_in_range(strlen(message), 1000, 4095);
    memset(text, '\x01', sizeof(text) - 1);
    message = json_message(text);
    assert_int_equal(strlen(message) % 6, 0);
    memset(text, '"', sizeof(text) - 1);
    message = json_message(text);
    assert_int_equal(strlen(message) % 2, 0);
    for (size_t i = 0; i + 3 < sizeof(text); i += 3)
        memcpy(text + i, "\xe4\xb8\x96", 3);
    message = json_message(text + 1);
    assert_memory_equal(message, "\\ufffd\\ufffd\xe4", 13);
}

static void nowhere_to_write_is_no_failure(void **state)
{
    (void)state;
    log_init(&(struct log_options){ .level = LOG_LEVEL_INFO, .fd = -1, .process = "test" });
    log_error("%d", 1);
    log_debug("%d", 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_below_the_level_are_dropped),
        cmocka_unit_test(a_text_line_has_time_level_and_process),
        cmocka_unit_test(a_json_line_has_its_four_fields),
        cmocka_unit_test(a_hostile_value_cannot_leave_its_string),
        cmocka_unit_test(what_is_not_utf8_is_replaced),
        cmocka_unit_test(a_long_message_is_cut_and_stays_one_valid_line),
        cmocka_unit_test(nowhere_to_write_is_no_failure),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

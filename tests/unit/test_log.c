/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
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

static size_t drain(int fd, char *text, size_t size)
{
    size_t used = 0;
    ssize_t n;

    while ((n = read(fd, text + used, size - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = '\0';
    return used;
}

/* Whatever the far end is: a pipe that waits, one that does not, a socket as systemd gives it. */
static void assert_a_stalled_reader_costs_lines_only(const int ends[2])
{
    static char text[1 << 22];
    unsigned n_kept = 0, n_missing = 0;
    char *said;

    log_init(&(struct log_options){ .level = LOG_LEVEL_INFO, .fd = ends[1], .process = "test" });
    for (int i = 0; i < 20000; i++)
        log_info("line %d of many that nobody reads", i);
    drain(ends[0], text, sizeof(text));
    for (const char *at = text; (at = strstr(at, " of many")); at++)
        n_kept++;
    assert_in_range(n_kept, 10, 19000);
    assert_null(strstr(text, "missing"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    log_info("read again");
    drain(ends[0], text, sizeof(text));
    said = strstr(text, "WARNING test: ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "WARNING test: %u lines are missing above", &n_missing), 1);
    assert_int_equal(n_kept + n_missing, 20000);
    assert_non_null(strstr(said, "read again\n"));
    log_info("once");
    drain(ends[0], text, sizeof(text));
    assert_null(strstr(text, "missing"));
    log_init(&(struct log_options){ .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO, .process = "test" });
    close(ends[0]);
    close(ends[1]);
}

static void nobody_waits_for_a_reader(void **state)
{
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    assert_a_stalled_reader_costs_lines_only(ends);

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fd_stop_waiting(ends[1]);
    assert_true(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    assert_a_stalled_reader_costs_lines_only(ends);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    assert_a_stalled_reader_costs_lines_only(ends);
}

/* The last page of a pipe is filled up, so that what tells of a gap takes no line's place. */
static void a_small_pipe_is_full_when_no_line_fits(void **state)
{
    char text[8192];
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(fcntl(ends[1], F_SETPIPE_SZ, 4096) > 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    fd_stop_waiting(ends[1]);
    log_init(&(struct log_options){ .level = LOG_LEVEL_INFO, .fd = ends[1], .process = "test" });
    for (int round = 0; round < 3; round++) {
        unsigned n_kept = 0;

        for (int i = 0; i < 200; i++)
            log_info("line %d", i);
        drain(ends[0], text, sizeof(text));
        for (const char *at = text; (at = strstr(at, ": line ")); at++)
            n_kept++;
        assert_in_range(n_kept, 20, 199);
    }
    log_init(&(struct log_options){ .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO, .process = "test" });
    close(ends[0]);
    close(ends[1]);
}

/* Nothing comes after the last line. */
static void the_last_gap_is_said_at_the_end(void **state)
{
    static char text[1 << 18];
    unsigned n_kept = 0, n_missing = 0;
    const char *said;
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    log_init(&(struct log_options){ .level = LOG_LEVEL_ERROR, .fd = ends[1], .process = "test" });
    for (int i = 0; i < 3000; i++)
        log_error("line %d of many that nobody reads", i);
    drain(ends[0], text, sizeof(text));
    for (const char *at = text; (at = strstr(at, " of many")); at++)
        n_kept++;
    log_end();
    log_end();
    drain(ends[0], text, sizeof(text));
    said = strstr(text, "WARNING test: ");
    assert_non_null(said);
    assert_int_equal(sscanf(said, "WARNING test: %u lines are missing above", &n_missing), 1);
    assert_int_equal(n_kept + n_missing, 3000);
    assert_null(strstr(said + 1, "missing above: this output was not being read\n2"));
    log_init(&(struct log_options){ .level = LOG_LEVEL_INFO, .fd = STDERR_FILENO, .process = "test" });
    close(ends[0]);
    close(ends[1]);
}

/* Others may have the same pipe open, and rely on waiting. */
static void only_ones_own_description_stops_waiting(void **state)
{
    int ends[2], other, file = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    other = dup(ends[1]);
    fd_stop_waiting(ends[1]);
    assert_true(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
    fd_stop_waiting(file);
    fd_stop_waiting(-1);
    assert_false(fcntl(file, F_GETFL) & O_NONBLOCK);
    close(ends[0]);
    close(ends[1]);
    close(other);
    close(file);
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
        cmocka_unit_test(nobody_waits_for_a_reader),
        cmocka_unit_test(a_small_pipe_is_full_when_no_line_fits),
        cmocka_unit_test(the_last_gap_is_said_at_the_end),
        cmocka_unit_test(only_ones_own_description_stops_waiting),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

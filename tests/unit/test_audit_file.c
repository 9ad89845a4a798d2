/* SPDX-License-Identifier: Apache-2.0 */
#include "audit_fixture.h"

#include <sys/wait.h>

/* Restarting after lines were taken away must not mend the chain. */
static void a_restart_hides_nothing(void **state)
{
    struct audit_verdict verdict;
    size_t length;
    char *text;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    cut_at_line(text, 10, &length);
    write_log(AUDIT_FILE_NAME, text, length);
    free(text);
    write_events(10, 3);
    verdict = verify_log();
    assert_false(verdict.sound);
    assert_string_equal(verdict.problem, "line 11: events 11 to 11 are missing");
}

/* A crash of the machine in the middle of a write. */
static void a_torn_line_is_cut_off(void **state)
{
    size_t length;
    char *text;

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memcpy(text + length, "{\"event_type\":\"od", 17);
    write_log(AUDIT_FILE_NAME, text, length + 17);
    free(text);
    write_events(10, 3);
    assert_string_equal(verify_log().problem, "");
}

/* However much of it there is; and where no line is whole, a log begins anew. */
static void all_that_is_torn_is_cut_off(void **state)
{
    size_t length;
    char *text, path[128];

    (void)state;
    write_events(0, 10);
    text = read_log(AUDIT_FILE_NAME, &length);
    memset(text + length, 'x', 50000);
    write_log(AUDIT_FILE_NAME, text, length + 50000);
    write_events(10, 3);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 14);
    path_of(AUDIT_FILE_HEAD, path);
    assert_int_equal(unlink(path), 0);
    write_log(AUDIT_FILE_NAME, text + length, 50000);
    free(text);
    write_events(0, 3);
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 4);
}

static void rotation_loses_no_line(void **state)
{
    static const char *const all[] = { "audit.log.4", "audit.log.3", "audit.log.2", "audit.log.1", "audit.log", NULL };
    static const char *const gap[] = { "audit.log.3", "audit.log.1", "audit.log", NULL };
    static const char *const end[] = { "audit.log.1", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1000, .max_rotated = 4 };
    struct audit_verdict verdict;
    struct audit_file file;

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    for (int i = 0; i < 5; i++)
        write_batch(&file); /* a batch is more than 1000 bytes */
    audit_file_close(&file);
    verdict = verify(all);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.first_seq, 1);
    assert_int_equal(verdict.last_seq, 55); /* with five openings */
    verdict = verify(end);
    assert_string_equal(verdict.problem, "");
    assert_true(verdict.first_seq > 1);
    verdict = verify(gap);
    assert_false(verdict.sound);
    if (!strstr(verdict.problem, "begins with event"))
        print_error("%s\n", verdict.problem);
    assert_non_null(strstr(verdict.problem, "begins with event"));
}

static void a_moved_file_is_opened_again(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit *audit;
    char from[128], to[128];

    (void)state;
    write_events(0, 5);
    audit = start();
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    post(audit, 5);
    audit_free(audit);
    assert_string_equal(verify(both).problem, "");
}

/* As tools do that rotate by copying. A line that is in neither file is missed. */
static void an_emptied_file_begins_again(void **state)
{
    static const char *const both[] = { "copied", "audit.log", NULL };
    const struct audit_file_options options = { .directory = place, .max_bytes = 1 << 20, .max_rotated = 1 };
    struct audit_verdict verdict;
    struct audit_file file;
    size_t length;
    char *text;

    (void)state;
    assert_int_equal(audit_file_open(&file, &options), 0);
    write_batch(&file);
    text = read_log(AUDIT_FILE_NAME, &length);
    write_log("copied", text, length);
    write_log(AUDIT_FILE_NAME, "", 0);
    write_batch(&file);
    audit_file_close(&file);
    verdict = verify(both);
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.last_seq, 22); /* with two openings */
    verdict = verify_log();
    assert_string_equal(verdict.problem, "");
    assert_int_equal(verdict.first_seq, 12);
    cut_at_line(text, 10, &length);
    write_log("copied", text, length);
    free(text);
    assert_string_equal(verify(both).problem, "line 1: begins with event 12 after event 10");
}

/* ---- several processes ---- */

/* Lines are taken up once, by those who did not write them. */
static void own_lines_are_nobody_elses(void **state)
{
    struct audit_file first = open_another(), second;
    size_t n = 0;

    (void)state;
    write_batch(&first);
    audit_file_follow(&first);
    assert_int_equal(first.others.length, 0);
    second = open_another();
    write_batch(&second);
    assert_int_equal(second.others.length, 0);
    audit_file_follow(&first);
    audit_file_follow(&first);
    for (const char *at = first.others.data; (at = strchr(at, '\n')); at++)
        n++;
    assert_int_equal(n, 10);
    audit_file_close(&first);
    audit_file_close(&second);
    assert_string_equal(verify_log().problem, "");
}

static void write_and_exit(int n)
{
    struct audit_file file = open_another();

    for (int i = 0; i < n; i++)
        write_batch(&file);
    audit_file_close(&file);
    _exit(0);
}

static void many_processes_at_once_make_one_chain(void **state)
{
    pid_t children[4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0)
            write_and_exit(20);
    }
    for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
        int status = -1;

        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    assert_string_equal(verify_log().problem, "");
    assert_int_equal(verify_log().last_seq, 1 + 4 * 20 * 10);
}

/* A process that is ended in the middle of a line, and one that finds the log moved away. */
static void what_another_leaves_behind_is_mended(void **state)
{
    static const char *const both[] = { "moved", "audit.log", NULL };
    struct audit_file first = open_another(), other;
    char from[128], to[128];

    (void)state;
    write_batch(&first);
    assert_int_equal(write(first.fd, "{\"event_type\":\"od", 17), 17);
    write_batch(&first);
    assert_string_equal(first.note, "a torn line at the end of the audit log was cut off");
    assert_true(audit_file_settle(&first) >= 0);
    assert_string_equal(verify_log().problem, "");
    path_of(AUDIT_FILE_NAME, from);
    path_of("moved", to);
    assert_int_equal(rename(from, to), 0);
    other = open_another();
    write_batch(&other);
    write_batch(&first);
    audit_file_close(&other);
    audit_file_close(&first);
    assert_string_equal(verify(both).problem, "");
    assert_int_equal(verify(both).last_seq, 1 + 20 + 1 + 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_EMPTY_PLACE(a_restart_hides_nothing),
        IN_EMPTY_PLACE(a_torn_line_is_cut_off),
        IN_EMPTY_PLACE(all_that_is_torn_is_cut_off),
        IN_EMPTY_PLACE(rotation_loses_no_line),
        IN_EMPTY_PLACE(a_moved_file_is_opened_again),
        IN_EMPTY_PLACE(an_emptied_file_begins_again),
        IN_EMPTY_PLACE(own_lines_are_nobody_elses),
        IN_EMPTY_PLACE(many_processes_at_once_make_one_chain),
        IN_EMPTY_PLACE(what_another_leaves_behind_is_mended),
    };

    return cmocka_run_group_tests(tests, make_place, remove_place);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "main/selftest/selftest_eye.h"
#include "main/selftest/selftest_judge.h"
#include "main/selftest/selftest_print.h"

const struct selftest_case selftest_cases[] = {
    { "K1", "no sockets" },
    { "K10", "nothing else" },
    { "R1", "bombs" },
    { 0 },
};

static void names_are_found(void **state)
{
    char name[64];

    (void)state;
    assert_true(selftest_selected(NULL, "K1"));
    assert_true(selftest_selected("R1,K1", "K1"));
    assert_true(selftest_selected("r1, k10", "K10"));
    assert_false(selftest_selected("K10", "K1"));
    assert_false(selftest_selected("", "K1"));
    assert_false(selftest_unknown_name("k1,R1", name, sizeof(name)));
    assert_true(selftest_unknown_name("K1,K99", name, sizeof(name)));
    assert_string_equal(name, "K99");
}

static void the_worst_is_the_verdict(void **state)
{
    struct selftest_result result = { 0 };

    (void)state;
    selftest_note(&result, SELFTEST_HELD, "one");
    selftest_note(&result, SELFTEST_HELD, "two");
    selftest_note(&result, SELFTEST_HELD, "one");
    assert_string_equal(result.evidence, "one; two");
    selftest_note(&result, SELFTEST_DOWN, "three\n\x1b[2J");
    selftest_note(&result, SELFTEST_UNKNOWN, "four");
    assert_int_equal(result.verdict, SELFTEST_DOWN);
    assert_string_equal(result.evidence, "three  [2J");
    assert_int_equal(result.seen, 5);
    for (int i = 0; i < 100; i++)
        selftest_note(&result, SELFTEST_DOWN, "again and again, number %d", i);
    assert_in_range(strlen(result.evidence), SELFTEST_EVIDENCE_SIZE - 60, SELFTEST_EVIDENCE_SIZE - 1);
}

static void reports_are_judged(void **state)
{
    static const struct {
        const char *report;
        enum selftest_verdict verdict;
        const char *evidence;
    } rows[] = {
        { "HELD\ta\tEPERM\nHELD\tb\tEPERM\nHELD\tc\tENOSYS\nEND\n", SELFTEST_HELD, "3 tries: EPERM, ENOSYS" },
        { "HELD\ta\tEPERM\nDOWN\tb\tok:3\nEND\n", SELFTEST_DOWN, "b: ok:3" },
        { "DOWN\tb\tok:3\n", SELFTEST_DOWN, "b: ok:3" },
        { "HELD\ta\tEPERM\n", SELFTEST_UNKNOWN, "the program did not come to its end" },
        { "END\n", SELFTEST_UNKNOWN, "the program tried nothing" },
        { "", SELFTEST_UNKNOWN, "the program did not come to its end" },
        { "noise\nHELD\ta\tEPERM\n\n\t\t\nEND", SELFTEST_HELD, "1 tries: EPERM" },
        { "HELD\ta\tEPERM\nLACK\ta local socket\tEPERM\nEND\n", SELFTEST_UNKNOWN, "a local socket should work: EPERM" },
        { "SKIP\tno such thing\nEND\n", SELFTEST_NOT_HERE, "no such thing" },
        { "SKIP\tno such thing\nDOWN\tx\ty\nEND\n", SELFTEST_DOWN, "x: y" },
        { "HELD\nDOWN\nEND\n", SELFTEST_DOWN, ": " },
        { "ENDED\n HELD\ta\tb\n", SELFTEST_UNKNOWN, "the program did not come to its end" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selftest_result result = { 0 };

        selftest_judge_report(rows[i].report, &result);
        assert_int_equal(result.verdict, rows[i].verdict);
        assert_string_equal(result.evidence, rows[i].evidence);
    }
}

/* Judges one answer. */
static struct selftest_result judge(const struct selftest_case *row, int status, const char *text, double ms)
{
    struct selftest_result result = { 0 };
    json_t *body = text ? json_loads(text, 0, NULL) : NULL;

    assert_true(!text || body);
    selftest_judge_answer(row, status, body, ms, &result);
    json_decref(body);
    return result;
}

static void answers_are_judged(void **state)
{
    static const struct selftest_case reports = { "K1", "" };
    static const struct selftest_case bomb = { "R2",
                                               "",
                                               .outcomes = "out_of_memory disk_limit",
                                               .out = "before\n",
                                               .flags = SELFTEST_ANSWERS,
                                               .timeout_ms = 1000 };
    static const struct selftest_case files = { "F1", "", .files = "a.txt,b.txt", .flags = SELFTEST_ANSWERS };
    static const struct selftest_case none = { "F1", "", .files = "-", .flags = SELFTEST_ANSWERS };
    static const struct selftest_case code = {
        "C19", "", .outcomes = "error", .code_min = 137, .never = "root:", .flags = SELFTEST_ANSWERS
    };
    static const struct {
        const struct selftest_case *row;
        int status;
        const char *body;
        double ms;
        enum selftest_verdict verdict;
    } rows[] = {
        { &reports, 200, "{\"outcome\":\"ok\",\"stdout\":\"HELD\\ta\\tb\\nEND\\n\"}", 5, SELFTEST_HELD },
        { &reports, 200, "{\"outcome\":\"ok\",\"stdout\":\"\"}", 5, SELFTEST_UNKNOWN },
        { &reports, 200, "{\"outcome\":\"error\",\"stdout\":\"HELD\\ta\\tb\\nEND\\n\",\"stderr\":\"x\"}", 5,
          SELFTEST_UNKNOWN },
        { &reports, 200, "{\"outcome\":\"error\",\"stdout\":\"DOWN\\ta\\tb\\n\",\"stderr\":\"x\"}", 5, SELFTEST_DOWN },
        { &reports, 200, "{\"outcome\":\"ok\",\"stdout\":\"HELD\\ta\\tb\\nEND\\n\"}", 31000, SELFTEST_DOWN },
        { &reports, 200, NULL, 5, SELFTEST_UNKNOWN },
        { &reports, 200, "[]", 5, SELFTEST_UNKNOWN },
        { &reports, 503, "{\"error\":\"full\"}", 5, SELFTEST_UNKNOWN },
        { &reports, -ECONNRESET, NULL, 5, SELFTEST_DOWN },
        { &bomb, 200, "{\"outcome\":\"disk_limit\",\"stdout\":\"before\\n\"}", 5, SELFTEST_HELD },
        { &bomb, 200, "{\"outcome\":\"ok\",\"stdout\":\"before\\n\"}", 5, SELFTEST_DOWN },
        { &bomb, 200, "{\"outcome\":\"out_of_memory\",\"stdout\":\"\"}", 5, SELFTEST_DOWN },
        { &bomb, 200, "{\"outcome\":\"out_of_memory\",\"stdout\":\"before\\n\"}", 11001, SELFTEST_DOWN },
        { &files, 200, "{\"outcome\":\"ok\",\"files\":[{\"name\":\"a.txt\"},{\"name\":\"b.txt\"}]}", 5, SELFTEST_HELD },
        { &files, 200, "{\"outcome\":\"ok\",\"files\":[{\"name\":\"a.txt\"}]}", 5, SELFTEST_UNKNOWN },
        { &files, 200, "{\"outcome\":\"ok\",\"files\":[{\"name\":\"a.txt\"},{\"name\":\"link\"}]}", 5, SELFTEST_DOWN },
        { &none, 200, "{\"outcome\":\"ok\",\"files\":[]}", 5, SELFTEST_HELD },
        { &none, 200, "{\"outcome\":\"ok\",\"files\":[{\"name\":\"x\"}]}", 5, SELFTEST_DOWN },
        { &code, 200, "{\"outcome\":\"error\",\"code\":137}", 5, SELFTEST_HELD },
        { &code, 200, "{\"outcome\":\"error\",\"code\":0}", 5, SELFTEST_DOWN },
        { &code, 200, "{\"outcome\":\"ok\",\"code\":137}", 5, SELFTEST_DOWN },
        { &code, 200, "{\"outcome\":\"error\",\"code\":137,\"stderr\":\"root:x\"}", 5, SELFTEST_DOWN },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selftest_result result = judge(rows[i].row, rows[i].status, rows[i].body, rows[i].ms);

        if (result.verdict != rows[i].verdict)
            fail_msg("row %zu: %s (%s)", i, selftest_verdict_word(result.verdict), result.evidence);
    }
}

static void requests_are_judged(void **state)
{
    static const struct selftest_case row = { "C12", "", .status = "400 413 -", .never = "root:", .out = "no" };
    static const struct {
        int status;
        const char *text;
        enum selftest_verdict verdict;
    } rows[] = {
        { 400, "no", SELFTEST_HELD },  { 413, "no", SELFTEST_HELD },         { 0, "", SELFTEST_HELD },
        { 200, "no", SELFTEST_DOWN },  { 40, "no", SELFTEST_DOWN },          { 400, "no root:", SELFTEST_DOWN },
        { 400, "yes", SELFTEST_DOWN }, { -ETIMEDOUT, "", SELFTEST_UNKNOWN },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct selftest_result result = { 0 };

        selftest_judge_request(&row, rows[i].status, rows[i].text, &result);
        if (result.verdict != rows[i].verdict)
            fail_msg("row %zu: %s (%s)", i, selftest_verdict_word(result.verdict), result.evidence);
    }
}

static void the_exit_status_tells_the_worst(void **state)
{
    (void)state;
    assert_int_equal(selftest_exit_status(SELFTEST_HELD), 0);
    assert_int_equal(selftest_exit_status(SELFTEST_NOT_HERE), 0);
    assert_int_equal(selftest_exit_status(SELFTEST_DOWN), 1);
    assert_int_equal(selftest_exit_status(SELFTEST_UNKNOWN), 3);
}

static void the_report_counts(void **state)
{
    static const char *const settings[] = { "A=1", "B=x=y", NULL };
    const struct selftest_count count = { .of = { 3, 2, 1, 0 } };
    const struct selftest_result result = { .verdict = SELFTEST_UNKNOWN, .evidence = "e", .ms = 1.5 };
    json_t *cases = json_array(), *report;

    (void)state;
    json_array_append_new(cases, selftest_json_row(&selftest_cases[0], &result));
    report = selftest_json_report(NULL, "now", 2, settings, &count, cases);
    assert_string_equal(json_string_value(json_object_get(report, "verdict")), "NOT RUN");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(report, "count"), "not_here")), 2);
    assert_string_equal(json_string_value(json_object_get(json_object_get(report, "settings"), "B")), "x=y");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(report, "cases"), 0), "verdict")), "NOT RUN");
    json_decref(report);
    json_decref(cases);
}

static void the_eye_sees_marks(void **state)
{
    pid_t pids[EYE_PIDS_MAX], pid = fork();
    char text[256];
    size_t stopped;

    (void)state;
    if (pid == 0) {
        execl("/bin/sleep", "selftest-eye-mark", "30", (char *)NULL);
        _exit(127);
    }
    assert_int_equal(selftest_eye_await("selftest-eye-mark", 20000), pid);
    assert_true(selftest_eye_status(pid, "PPid", text, sizeof(text)));
    assert_int_equal(strtol(text, NULL, 10), getpid());
    assert_false(selftest_eye_status(pid, "Nothing", text, sizeof(text)));
    assert_in_range(selftest_eye_family(getpid(), pids, EYE_PIDS_MAX), 2, EYE_PIDS_MAX);
    assert_int_equal(selftest_eye_gone("selftest-eye-mark", 50), 1);
    kill(pid, SIGSTOP); /* by a signal, which can be taken back, and not by the kernel */
    assert_int_equal(selftest_eye_still("selftest-eye-mark", 50, &stopped), 1);
    assert_int_equal(stopped, 0);
    kill(pid, SIGKILL);
    assert_int_equal(selftest_eye_gone("selftest-eye-mark", 20000), 0); /* a zombie is no process */
    assert_int_equal(selftest_eye_still("selftest-eye-mark", 50, &stopped), 0);
    waitpid(pid, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),     cmocka_unit_test(the_worst_is_the_verdict),
        cmocka_unit_test(reports_are_judged),  cmocka_unit_test(answers_are_judged),
        cmocka_unit_test(requests_are_judged), cmocka_unit_test(the_exit_status_tells_the_worst),
        cmocka_unit_test(the_report_counts),   cmocka_unit_test(the_eye_sees_marks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

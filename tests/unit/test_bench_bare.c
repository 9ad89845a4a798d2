/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "main/ask/own_server.h"
#include "main/bench/bench_bare.h"

static int in_directory(void **state)
{
    static char path[PATH_MAX];

    *state = path;
    return own_directory_make(path);
}

static int remove_directory(void **state)
{
    own_directory_remove(*state);
    return access(*state, F_OK) == 0;
}

static void a_number_makes_another_source(void **state)
{
    char first[BENCH_CODE_MAX_SIZE], second[BENCH_CODE_MAX_SIZE], same[BENCH_CODE_MAX_SIZE];
    const struct bench_program *program = bench_program_hello("c");

    (void)state;
    bench_program_code(program, 1, first);
    bench_program_code(program, 2, second);
    bench_program_code(program, -1, same);
    assert_string_not_equal(first, second);
    assert_string_equal(same, program->source);
    assert_int_equal(strncmp(first, same, strlen(same)), 0);
    assert_non_null(strstr(first, "// 1\n"));
}

static void every_language_has_a_hello(void **state)
{
    static const char *const codes[] = { "bash", "c",   "cpp", "d", "f90", "go", "java",
                                         "js",   "php", "py",  "r", "rs",  "ts" };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(codes); i++) {
        const struct bench_program *program = bench_program_hello(codes[i]);

        assert_non_null(program);
        assert_string_equal(program->expected, "hello\n");
        assert_int_equal(program->steps[0][0][0], '/');
    }
    assert_null(bench_program_hello("cobol"));
}

static void a_command_is_run_and_its_output_compared(void **state)
{
    static const struct bench_program other = { .language = "bash",
                                                .file = "code.sh",
                                                .source = "echo other\n",
                                                .comment = "#",
                                                .expected = "hello\n",
                                                .steps = { { "/bin/bash", "code.sh" } } };
    static const struct bench_program fails = { .language = "bash",
                                                .file = "code.sh",
                                                .source = "exit 3\n",
                                                .comment = "#",
                                                .expected = "",
                                                .steps = { { "/bin/bash", "code.sh" } } };
    char note[128] = "";
    double ms = -1;

    assert_int_equal(bench_bare_run(bench_program_hello("bash"), 7, *state, *state, &ms, note, sizeof(note)), 0);
    assert_true(ms > 0);
    assert_string_equal(note, "");
    assert_int_equal(bench_bare_run(&other, 7, *state, *state, &ms, note, sizeof(note)), BENCH_BARE_E_WRONG);
    assert_non_null(strstr(note, "other"));
    assert_int_equal(bench_bare_run(&fails, 7, *state, *state, &ms, note, sizeof(note)), BENCH_BARE_E_WRONG);
}

static void a_missing_command_is_named(void **state)
{
    static const struct bench_program missing = { .steps = { { "/bin/sh" }, { "/nowhere/compiler" } } };
    static const struct bench_program relative = { .steps = { { "/bin/sh" }, { "./code" } } };

    (void)state;
    assert_string_equal(bench_bare_missing(&missing), "/nowhere/compiler");
    assert_null(bench_bare_missing(&relative));
}

static void forks_print_what_the_program_prints(void **state)
{
    CLEANUP(bench_fork_stop) struct bench_fork loop = BENCH_FORK_NONE;
    char note[128] = "";
    double ms = -1, rate = -1;

    assert_int_equal(bench_fork_start(&loop, *state), 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(bench_fork_once(&loop, &bench_program_print, &ms, note, sizeof(note)), 0);
        assert_true(ms > 0);
    }
    assert_int_equal(bench_fork_many(&loop, 1, &bench_program_print, 0.2, &rate), 0);
    assert_true(rate > 0);
    assert_int_equal(bench_fork_once(&loop, &bench_program_print, &ms, note, sizeof(note)), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_makes_another_source),
        cmocka_unit_test(every_language_has_a_hello),
        cmocka_unit_test(a_command_is_run_and_its_output_compared),
        cmocka_unit_test(a_missing_command_is_named),
        cmocka_unit_test(forks_print_what_the_program_prints),
    };

    return cmocka_run_group_tests(tests, in_directory, remove_directory);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "domain/code_scan.h"

#define DANGEROUS "Potentially dangerous pattern detected: "
#define ENDLESS   "Potentially infinite loop detected"
#define LARGE     "Code is very large, may impact performance"

static void patterns_are_found(void **state)
{
    static const struct {
        const char *code;
        const char *warning; /* NULL = none */
        const char *other;   /* in any other language; NULL = none */
    } rows[] = {
        { "print(1)", NULL },
        { "import os", DANGEROUS "import\\s+os" },
        { "IMPORT \t\n OS", DANGEROUS "import\\s+os" },
        { "importos", NULL },
        { "import  subprocess as s", DANGEROUS "import\\s+subprocess" },
        { "import sys", DANGEROUS "import\\s+sys" },
        { "from os import path", DANGEROUS "from\\s+os\\s+import" },
        { "from os.path import join", NULL },
        { "from subprocess import run", DANGEROUS "from\\s+subprocess\\s+import" },
        { "__import__", DANGEROUS "__import__" },
        { "x = eval (y)", DANGEROUS "eval\\s*\\(" },
        { "exec(y)", DANGEROUS "exec\\s*\\(" },
        { "re.compile(y)", DANGEROUS "compile\\s*\\(" },
        { "open('f')", DANGEROUS "open\\s*\\(" },
        { "open = 1", NULL },
        { "file(1)", DANGEROUS "file\\s*\\(" },
        { "input()", DANGEROUS "input\\s*\\(" },
        { "while True:", ENDLESS, ENDLESS },
        { "while  true:", ENDLESS, ENDLESS },
        { "while(True):", NULL },
        { "for i in range(1000000): pass", ENDLESS, ENDLESS },
        { "for i in range ( 999999 )", ENDLESS, ENDLESS },
        { "for i in range(99999): pass", NULL },
        { "for i in x:\n range(1000000)", NULL },
        { "range(1000000)", NULL },
        { "impor", NULL },
        { "", NULL },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        /* A copy of the exact size, so that a look behind its end is seen. */
        size_t length = strlen(rows[i].code);
        char *code = malloc(length ? length : 1);
        struct code_scan scan;

        memcpy(code, rows[i].code, length);
        code_scan(code, length, true, &scan);
        if (scan.n_warnings != (rows[i].warning ? 1 : 0))
            print_error("%s: %zu warnings\n", rows[i].code, scan.n_warnings);
        assert_int_equal(scan.n_warnings, rows[i].warning ? 1 : 0);
        if (rows[i].warning)
            assert_string_equal(scan.warnings[0], rows[i].warning);
        code_scan(rows[i].code, length, false, &scan);
        assert_int_equal(scan.n_warnings, rows[i].other ? 1 : 0);
        free(code);
    }
}

static void one_warning_for_each_pattern(void **state)
{
    static const char code[] = "import os\nimport os\nraw_input()\nwhile True:\n for i in range(1000000):\n  eval(x)";
    struct code_scan scan;

    (void)state;
    code_scan(code, sizeof(code) - 1, true, &scan);
    assert_int_equal(scan.n_warnings, 6); /* os, eval, input, raw_input, two loops */
}

static void large_sources_are_named(void **state)
{
    size_t length = 200002;
    char *code = malloc(length);
    struct code_scan scan;

    (void)state;
    for (size_t i = 0; i < length; i += 2)
        memcpy(code + i, "\xc3\xa9", 2); /* 100001 characters */
    code_scan(code, length, false, &scan);
    assert_int_equal(scan.n_warnings, 1);
    assert_string_equal(scan.warnings[0], LARGE);
    code_scan(code, length - 2, false, &scan);
    assert_int_equal(scan.n_warnings, 0);
    free(code);
}

/* Sources that would keep a backtracking engine busy for hours; the bound is generous for a loaded machine. */
static void no_source_keeps_it_busy(void **state)
{
    static const char *const pieces[] = { "for in range", "import ", "range (", "while ", " \n", "evalevaleval" };
    size_t length = 8 << 20;
    char *code = malloc(length);
    struct code_scan scan;
    int64_t start_us;

    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(pieces); k++) {
        for (size_t i = 0, n = strlen(pieces[k]); i < length; i++)
            code[i] = pieces[k][i % n];
        start_us = clock_monotonic_us();
        code_scan(code, length, true, &scan);
        assert_true(clock_monotonic_us() - start_us < 20000000);
    }
    free(code);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_are_found),
        cmocka_unit_test(one_warning_for_each_pattern),
        cmocka_unit_test(large_sources_are_named),
        cmocka_unit_test(no_source_keeps_it_busy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

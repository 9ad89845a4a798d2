/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "main/config/dotenv.h"

/* Writes what was visited as name[value] pairs. */
static int note(void *context, const char *name, const char *value)
{
    char *text = context;

    sprintf(text + strlen(text), "%s[%s]", name, value);
    return 0;
}

static const struct {
    const char *file;
    const char *seen;
} good[] = {
    { "", "" },
    { "\n\n  \n", "" },
    { "# A=1\n   # B=2\n", "" },
    { "A=1", "A[1]" },
    { "A=1\nB=2\n", "A[1]B[2]" },
    { "A=1\r\nB=2\r\n", "A[1]B[2]" },
    { "  A = 1  \n", "A[1]" },
    { "A=\n", "A[]" },
    { "A=   \n", "A[]" },
    { "export A=1\nexport\tB=2\n", "A[1]B[2]" },
    { "exported=1\n", "exported[1]" },
    { "A=1 # one\n", "A[1]" },
    { "A=#1\n", "A[]" },
    { "A=a#b\n", "A[a#b]" },
    { "A=a b  c\n", "A[a b  c]" },
    { "A='a # b' # c\n", "A[a # b]" },
    { "A='\\n\"$x'\n", "A[\\n\"$x]" },
    { "A=\"x\\\"y\\\\z\\$w\\tq\"\n", "A[x\"y\\z$w\tq]" },
    { "A=\"\\x\\\"\n\n", NULL },
    { "A=\"\\q\"\n", "A[\\q]" },
    { "A=''\nB=\"\"", "A[]B[]" },
    { "A=a=b\n", "A[a=b]" },
    { "a.b-c=1\n", "a.b-c[1]" },
    { "\xef\xbb\xbf"
      "A=1\n",
      "A[1]" },
    { "A=\xe4\xb8\x96\n", "A[\xe4\xb8\x96]" },
};

static void test_good_files(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        char seen[256] = "";
        struct dotenv_error error;
        int r = dotenv_parse(good[i].file, strlen(good[i].file), note, seen, &error);

        assert_int_equal(r, good[i].seen ? 0 : DOTENV_E_SYNTAX);
        if (good[i].seen)
            assert_string_equal(seen, good[i].seen);
    }
}

static const struct {
    const char *file;
    size_t length;
    unsigned line;
    const char *reason;
} bad[] = {
    { "A=1\nnothing\n", 12, 2, "NAME=value" },
    { "=1\n", 3, 1, "NAME=value" },
    { "A B=1\n", 6, 1, "NAME=value" },
    { "\n\nA=\"x\n", 7, 3, "not closed" },
    { "A='x", 4, 1, "not closed" },
    { "A='x' y\n", 8, 1, "after the closing" },
    { "A=\"x\\", 5, 1, "not closed" },
    { "A=1\nB\0=2\n", 9, 2, "NUL" },
};

static void test_bad_files_name_the_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char seen[256] = "";
        struct dotenv_error error;

        assert_int_equal(dotenv_parse(bad[i].file, bad[i].length, note, seen, &error), DOTENV_E_SYNTAX);
        assert_int_equal(error.line, bad[i].line);
        assert_non_null(strstr(error.reason, bad[i].reason));
    }
}

static int refuse(void *context, const char *name, const char *value)
{
    (void)name, (void)value;
    return ++*(int *)context == 2 ? -7 : 0;
}

static void test_visitor_can_stop(void **state)
{
    struct dotenv_error error;
    int calls = 0;

    (void)state;
    assert_int_equal(dotenv_parse("A=1\nB=2\nC=3\n", 12, refuse, &calls, &error), -7);
    assert_int_equal(calls, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_files),
        cmocka_unit_test(test_bad_files_name_the_line),
        cmocka_unit_test(test_visitor_can_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

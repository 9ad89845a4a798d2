/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "base/id.h"

static void made_identifiers_are_ours_and_differ(void **state)
{
    char ids[64][ID_SIZE];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        id_generate(ids[i]);
        assert_true(id_is_ours(ids[i]));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static void every_character_of_the_alphabet_comes_up(void **state)
{
    unsigned char seen[256] = { 0 };
    unsigned n = 0;

    (void)state;
    for (int i = 0; i < 500; i++) {
        char id[ID_SIZE];

        id_generate(id);
        for (const char *p = id; *p; p++) {
            n += !seen[(unsigned char)*p];
            seen[(unsigned char)*p] = 1;
        }
    }
    assert_int_equal(n, 64);
}

static void what_is_not_ours_is_told(void **state)
{
    static const char *const foreign[] = {
        "",
        "abcdefghijklmnopqrst",   /* 20 */
        "abcdefghijklmnopqrstuv", /* 22 */
        "../../../etc/passwd.x",
        "abcdefghijklmnopqrst/",
        "abcdefghijklmnopqrst.",
        "abcdefghij klmnopqrst",
        "abcdefghijklmnopqrst\n",
        "abcdefghijklmnopqr\xe4\xb8\x96",
    };

    (void)state;
    assert_true(id_is_ours("KJ3mJ0m5cUQ5w7l8r0Q2a"));
    assert_true(id_is_ours("---------------------"));
    assert_true(id_is_ours("_____________________"));
    for (size_t i = 0; i < ARRAY_SIZE(foreign); i++)
        assert_false(id_is_ours(foreign[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(made_identifiers_are_ours_and_differ),
        cmocka_unit_test(every_character_of_the_alphabet_comes_up),
        cmocka_unit_test(what_is_not_ours_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

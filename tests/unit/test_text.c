/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "engine/text.h"

#define FFFD "\xef\xbf\xbd"

static char cleaned[512];

/* The cleaned text; *ret_cut as text_clean() returned it. */
static const char *clean(const char *data, size_t size, size_t limit, int *ret_cut)
{
    struct buffer text = BUFFER_INIT(sizeof(cleaned) - 1);

    *ret_cut = text_clean(&text, data, size, limit);
    assert_in_range(*ret_cut, 0, 1);
    assert_true(text.length < sizeof(cleaned));
    memcpy(cleaned, text.data ? text.data : "", text.length + 1);
    if (*ret_cut) {
        assert_true(text.length <= limit + strlen(TEXT_TRUNCATED));
        assert_string_equal(cleaned + text.length - strlen(TEXT_TRUNCATED), TEXT_TRUNCATED);
        cleaned[text.length - strlen(TEXT_TRUNCATED)] = '\0';
    }
    buffer_deinit(&text);
    return cleaned;
}

static void bytes_become_text(void **state)
{
    static const struct {
        const char *data, *text;
    } rows[] = {
        { "", "" },
        { "plain\ttext\r\n", "plain\ttext\r\n" },
        { "\xe4\xb8\x96\xe7\x95\x8c", "\xe4\xb8\x96\xe7\x95\x8c" },
        { "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
        { "\x01\x08\x0b\x0c\x0e\x1f\x7fx", "x" },
        { "\x1b[31mred\x1b[0m", "[31mred[0m" },
        { "\xc2\x80\xc2\x9f", "\xc2\x80\xc2\x9f" },
        { "a\xff"
          "b",
          "a" FFFD "b" },
        { "\x80\xbf", FFFD FFFD },
        { "\xc0\xaf", FFFD FFFD },
        { "\xed\xa0\x80", FFFD FFFD FFFD },
        { "\xf4\x90\x80\x80", FFFD FFFD FFFD FFFD },
        { "\xe4\xb8", FFFD FFFD },
        { "\xe4\xb8x", FFFD FFFD "x" },
        { "\xef\xbf\xbe\xef\xbf\xbf", "\xef\xbf\xbe\xef\xbf\xbf" },
    };
    int cut;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_string_equal(clean(rows[i].data, strlen(rows[i].data), 100, &cut), rows[i].text);
        assert_int_equal(cut, 0);
    }
    assert_string_equal(clean("a\0b", 3, 100, &cut), "ab");
    assert_string_equal(clean(NULL, 0, 100, &cut), "");
}

static void the_limit_is_exact(void **state)
{
    int cut;

    (void)state;
    assert_string_equal(clean("abcd", 4, 4, &cut), "abcd");
    assert_int_equal(cut, 0);
    assert_string_equal(clean("abcde", 5, 4, &cut), "abcd");
    assert_int_equal(cut, 1);
    assert_string_equal(clean("a", 1, 0, &cut), "");
    assert_int_equal(cut, 1);
    assert_string_equal(clean("", 0, 0, &cut), "");
    assert_int_equal(cut, 0);
    /* What is removed does not count. */
    assert_string_equal(clean("abcd\0\0\x01", 7, 4, &cut), "abcd");
    assert_int_equal(cut, 0);
}

static void no_character_is_cut_in_two(void **state)
{
    static const char text[] = "ab\xe4\xb8\x96\xf0\x9f\x98\x80\xff"
                               "c";
    static const size_t boundaries[] = { 0, 1, 2, 2, 2, 5, 5, 5, 5, 9, 9, 9, 12, 13 };
    int cut;

    (void)state;
    for (size_t limit = 0; limit < ARRAY_SIZE(boundaries); limit++) {
        assert_int_equal(strlen(clean(text, sizeof(text) - 1, limit, &cut)), boundaries[limit]);
        assert_int_equal(cut, limit < 13);
    }
}

static void a_full_buffer_is_told(void **state)
{
    struct buffer text = BUFFER_INIT(4);

    (void)state;
    assert_int_equal(text_clean(&text, "abcde", 5, 100), -E2BIG);
    assert_int_equal(text_clean(&text, "\xff\xff", 2, 100), -E2BIG);
    buffer_deinit(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_become_text),
        cmocka_unit_test(the_limit_is_exact),
        cmocka_unit_test(no_character_is_cut_in_two),
        cmocka_unit_test(a_full_buffer_is_told),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

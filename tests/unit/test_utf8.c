/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <string.h>

#include "base/utf8.h"

static size_t sequence(const char *text, size_t size)
{
    return utf8_sequence((const unsigned char *)text, size);
}

static size_t unfinished(const char *text)
{
    return utf8_unfinished((const unsigned char *)text, strlen(text));
}

/* An encoder of its own, to compare with. */
static size_t encode(uint32_t c, unsigned char *to)
{
    if (c < 0x80) {
        to[0] = (unsigned char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (unsigned char)(0xc0 | c >> 6);
        to[1] = (unsigned char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (unsigned char)(0xe0 | c >> 12);
        to[1] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (unsigned char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (unsigned char)(0xf0 | c >> 18);
    to[1] = (unsigned char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (unsigned char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (unsigned char)(0x80 | (c & 0x3f));
    return 4;
}

static void every_scalar_value_is_a_sequence_and_no_surrogate_is(void **state)
{
    (void)state;
    for (uint32_t c = 0; c <= 0x1fffff; c++) {
        unsigned char bytes[4];
        size_t length = encode(c, bytes);
        size_t expected = (c >= 0xd800 && c <= 0xdfff) || c > 0x10ffff ? 0 : length;

        if (utf8_sequence(bytes, length) != expected)
            fail_msg("U+%04X", c);
        if (length > 1 && utf8_sequence(bytes, length - 1) != 0)
            fail_msg("U+%04X, cut", c);
        if (expected > 1 && utf8_unfinished(bytes, length - 1) != length - 1)
            fail_msg("U+%04X, unfinished", c);
        if (utf8_unfinished(bytes, length) != 0 && expected)
            fail_msg("U+%04X, finished", c);
    }
}

static void ill_formed_bytes_are_no_sequence(void **state)
{
    static const char *const bad[] = {
        "\x80",         "\xbf",         "\xc0\x80",         "\xc1\xbf",         "\xe0\x80\x80",     "\xe0\x9f\xbf",
        "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80",
        "\xfe",         "\xff",         "\xc2\x41",         "\xe1\x80\x41",     "\xf1\x80\x80\x41", "\xe1\x41\x80",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(sequence(bad[i], strlen(bad[i])), 0);
    assert_int_equal(sequence("\0", 1), 1);
    assert_int_equal(sequence("ab", 2), 1);
    assert_int_equal(sequence("\xe4\xb8\x96xyz", 6), 3);
}

static void only_a_beginning_is_unfinished(void **state)
{
    (void)state;
    assert_int_equal(unfinished(""), 0);
    assert_int_equal(unfinished("abc"), 0);
    assert_int_equal(unfinished("abc\xe4"), 1);
    assert_int_equal(unfinished("abc\xe4\xb8"), 2);
    assert_int_equal(unfinished("\xf0\x9f\x98"), 3);
    assert_int_equal(unfinished("\xff\xff\xff"), 0);
    assert_int_equal(unfinished("\x80\x80\x80"), 0);
    assert_int_equal(unfinished("\xe0\x80"), 0);
    assert_int_equal(unfinished("\xf0\x9f\x41"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_scalar_value_is_a_sequence_and_no_surrogate_is),
        cmocka_unit_test(ill_formed_bytes_are_no_sequence),
        cmocka_unit_test(only_a_beginning_is_unfinished),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

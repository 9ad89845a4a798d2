/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "engine/json_text.h"

static void objects_are_accepted(void **state)
{
    static const char *const objects[] = {
        "{}",
        " {} \n",
        "{\"a\":1}",
        "{ \"a\" : [ ] , \"b\" : { \"c\" : null } }",
        "{\"a\":[1,-0,0.5,1e9,-1.25E-3,true,false,null,\"\"]}",
        "{\"\\u0000\\ud800\\\"\\\\\\/\\b\\f\\n\\r\\t\":\"\\u00e9\"}",
        "{\"ä\":\"\xf0\x9f\x98\x80\x7f\"}",
        "{\"a\":1180591620717411303424,\"a\":1e400}",
        "{\"a\":[[[[{}]]]]}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(objects); i++)
        assert_true(json_text_is_object(objects[i], strlen(objects[i])));
}

static void anything_else_is_refused(void **state)
{
    static const char *const others[] = {
        "",
        " ",
        "[]",
        "1",
        "\"{}\"",
        "null",
        "{",
        "}",
        "{}{}",
        "{},",
        "{]",
        "{a:1}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\" 1}",
        "{\"a\":01}",
        "{\"a\":1.}",
        "{\"a\":.5}",
        "{\"a\":+1}",
        "{\"a\":1e}",
        "{\"a\":-}",
        "{\"a\":NaN}",
        "{\"a\":tru}",
        "{\"a\":'b'}",
        "{\"a\":[1,]}",
        "{\"a\":[1 2]}",
        "{\"a\":\"\n\"}",
        "{\"a\":\"\\x41\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"b}",
        "{\"a\":\"\\\"}",
        "{\"\xff\":1}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{1:2}",
        "{\"a\":1}x",
        "\xef\xbb\xbf{}",
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(others); i++)
        assert_false(json_text_is_object(others[i], strlen(others[i])));
    assert_false(json_text_is_object("{\"a\":\"\0\"}", 9));
    assert_false(json_text_is_object("{}\0", 3));
}

/* {"a":[[[...]]]} with this many lists. */
static bool is_object_with_lists(size_t depth)
{
    CLEANUP_FREE char *text = malloc(2 * depth + 8);
    size_t length = 5 + 2 * depth + 1;

    memcpy(text, "{\"a\":", 5);
    memset(text + 5, '[', depth);
    memset(text + 5 + depth, ']', depth);
    text[length - 1] = '}';
    return json_text_is_object(text, length);
}

static void depth_is_bounded(void **state)
{
    (void)state;
    /* An empty innermost level is closed as soon as it is seen. */
    assert_true(is_object_with_lists(JSON_TEXT_DEPTH_MAX - 1));
    assert_false(is_object_with_lists(JSON_TEXT_DEPTH_MAX + 1));
    assert_false(is_object_with_lists(1000000));
}

static void no_prefix_is_an_object(void **state)
{
    static const char object[] = "{\"a\":[1.5e3,\"\\u00e9\xc3\xa9\",{\"b\":null}],\"c\":true}";

    (void)state;
    assert_true(json_text_is_object(object, strlen(object)));
    for (size_t length = 0; length < strlen(object); length++)
        assert_false(json_text_is_object(object, length));
}

static void is_part(const struct json_text_part *part, const char *expected)
{
    assert_int_equal(part->length, strlen(expected));
    assert_memory_equal(part->text, expected, part->length);
}

static void parts_are_walked(void **state)
{
    static const char object[] = " { \"a\\\"b\" : [1, {}] ,\"c\":18446744073709551615 } ",
                      list[] = "[\"\\ud83d\" , 1e400]";
    struct json_text_part key, value;
    struct json_text_walk walk;

    (void)state;
    assert_true(json_text_open(object, strlen(object), &walk));
    assert_int_equal(json_text_next(&walk, &key, &value), 1);
    is_part(&key, "\"a\\\"b\"");
    is_part(&value, "[1, {}]");
    assert_int_equal(json_text_next(&walk, &key, &value), 1);
    is_part(&value, "18446744073709551615");
    assert_int_equal(json_text_next(&walk, &key, &value), 0);
    assert_true(json_text_open(list, strlen(list), &walk));
    assert_int_equal(json_text_next(&walk, &key, &value), 1);
    is_part(&key, "");
    is_part(&value, "\"\\ud83d\"");
    assert_int_equal(json_text_next(&walk, &key, &value), 1);
    is_part(&value, "1e400");
    assert_int_equal(json_text_next(&walk, &key, &value), 0);
}

static void broken_parts_are_refused(void **state)
{
    static const char *const texts[] = { "[1 2]", "[,1]", "[1", "{\"a\" 1}", "{1:2}", "{\"a\":}", "[1}" };
    struct json_text_part key, value;
    struct json_text_walk walk;

    (void)state;
    assert_false(json_text_open("1", 1, &walk));
    assert_false(json_text_open(" ", 1, &walk));
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        int r;

        assert_true(json_text_open(texts[i], strlen(texts[i]), &walk));
        while ((r = json_text_next(&walk, &key, &value)) > 0)
            continue;
        assert_int_equal(r, -EBADMSG);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(objects_are_accepted), cmocka_unit_test(anything_else_is_refused),
        cmocka_unit_test(depth_is_bounded),     cmocka_unit_test(no_prefix_is_an_object),
        cmocka_unit_test(parts_are_walked),     cmocka_unit_test(broken_parts_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <jansson.h>
#include <string.h>

#include "domain/audit_event.h"

static void hostile_values_stay_values(void **state)
{
    static const char *const values[] = {
        "plain",
        "a\nb\r\tc\x1b[31m\x7f",
        "\"},{\"event_type\":\"forged\"",
        "back\\slash",
        "\xff\xfe broken",
        "\xc2\x9b"
        "31m", /* CSI of eight bits */
        "\xc3\xa9\xe4\xb8\xad\xf0\x9f\x98\x80",
        "",
    };
    struct audit_event event;
    json_t *object;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        audit_begin(&event, "test", AUDIT_CRITICAL);
        audit_text(&event, "value", values[i]);
        audit_text(&event, "none", NULL);
        audit_list(&event, "list", values, i);
        audit_flag(&event, "flag", true);
        audit_number(&event, "number", INT64_MIN);
        audit_end(&event);
        for (size_t at = 0; at < event.length; at++)
            assert_true((unsigned char)event.text[at] >= 0x20 && event.text[at] != 0x7f);
        assert_null(memmem(event.text, event.length, "\xc2\x9b", 2));
        object = json_loadb(event.text, event.length, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(object);
        assert_int_equal(json_object_size(object), 8);
        assert_string_equal(json_string_value(json_object_get(object, "event_type")), "test");
        assert_string_equal(json_string_value(json_object_get(object, "severity")), "critical");
        assert_true(json_is_null(json_object_get(object, "none")));
        assert_int_equal(json_array_size(json_object_get(object, "list")), i);
        if (i < 4)
            assert_string_equal(json_string_value(json_object_get(object, "value")), values[i]);
        json_decref(object);
    }
}

static void large_values_are_cut_and_fields_left_out(void **state)
{
    char large[8192];
    struct audit_event event;
    json_t *object;

    (void)state;
    memset(large, '\n', sizeof(large) - 1);
    large[sizeof(large) - 1] = '\0';
    audit_begin(&event, "test", AUDIT_INFO);
    for (int i = 0; i < 8; i++)
        audit_text(&event, i == 0 ? "first" : "more", large);
    audit_end(&event);
    assert_true(event.length < sizeof(event.text));
    object = json_loadb(event.text, event.length, 0, NULL);
    assert_non_null(object);
    assert_true(json_is_true(json_object_get(object, "cut")));
    assert_in_range(strlen(json_string_value(json_object_get(object, "first"))), 100, AUDIT_VALUE_MAX_BYTES + 3);
    assert_non_null(json_object_get(object, "timestamp"));
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_values_stay_values),
        cmocka_unit_test(large_values_are_cut_and_fields_left_out),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

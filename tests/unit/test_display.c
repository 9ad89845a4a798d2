/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/display.h"

static void expect(const char *data, size_t size, const char *json, bool cut)
{
    bool is_cut;
    json_t *list;
    char *text;

    assert_int_equal(display_parse(data, size, &list, &is_cut), 0);
    text = json_dumps(list, JSON_COMPACT);
    assert_string_equal(text, json);
    assert_int_equal(is_cut, cut);
    free(text);
    json_decref(list);
}

#define EXPECT(data, json, cut) expect(data, sizeof(data) - 1, json, cut)

static void test_entries(void **state)
{
    (void)state;
    EXPECT("", "[]", false);
    EXPECT("text/plain 3 \nabc", "[{\"type\":\"text/plain\",\"text\":\"abc\"}]", false);
    EXPECT("text/html 3\n<b>application/json 2 \n{}",
           "[{\"type\":\"text/html\",\"text\":\"<b>\"},{\"type\":\"application/json\",\"text\":\"{}\"}]", false);
    EXPECT("image/png 1 a b\nx", "[{\"type\":\"image/png\",\"data\":\"eA==\",\"name\":\"a b\"}]", false);
    EXPECT("image/svg+xml 2 \nxy", "[{\"type\":\"image/svg+xml\",\"data\":\"eHk=\"}]", false);
    EXPECT("image/png 3 \nxyz", "[{\"type\":\"image/png\",\"data\":\"eHl6\"}]", false);
    EXPECT("text/plain 0 \nmore 0 \n", "[{\"type\":\"text/plain\",\"text\":\"\"}]", true);
}

static void test_what_cannot_be_believed(void **state)
{
    (void)state;
    EXPECT("text/plain 4 \nabc", "[]", false);
    EXPECT("text/plain 99999999999999999999999 \nabc", "[]", false);
    EXPECT("text/plain -3 \nabc", "[]", false);
    EXPECT("text/plain 3x \nabc", "[]", false);
    EXPECT("text/plain\nabc", "[]", false);
    EXPECT("\n\n\n", "[]", false);
    EXPECT("text/evil 1 \nxtext/plain 1 \ny", "[{\"type\":\"text/plain\",\"text\":\"y\"}]", false);
    EXPECT("text/plain 2 \n\xff\x01", "[{\"type\":\"text/plain\",\"text\":\"\xef\xbf\xbd\"}]", false);
}

static void test_bounds(void **state)
{
    const char head[] = "text/plain 5000000 \n";
    size_t size = 2 * (sizeof(head) - 1 + 5000000);
    char many[40 * 16], *large = malloc(size);
    json_t *list;
    bool cut;
    int n = 0;

    (void)state;
    for (int i = 0; i < 40; i++)
        n += snprintf(many + n, sizeof(many) - (size_t)n, "text/plain 1 \nx");
    assert_int_equal(display_parse(many, (size_t)n, &list, &cut), 0);
    assert_int_equal(json_array_size(list), DISPLAY_ENTRIES_MAX);
    assert_true(cut);
    json_decref(list);
    memset(large, 'x', size);
    memcpy(large, head, sizeof(head) - 1);
    memcpy(large + size / 2, head, sizeof(head) - 1);
    assert_int_equal(display_parse(large, size, &list, &cut), 0);
    assert_int_equal(json_array_size(list), 1);
    assert_true(cut);
    json_decref(list);
    free(large);
}

static void test_a_file(void **state)
{
    int fd = memfd_create("shown", MFD_CLOEXEC);
    json_t *list;
    bool cut;

    (void)state;
    assert_int_equal(write(fd, "text/plain 1 \nx", 15), 15);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(display_read(fd, &list, &cut), 0);
    assert_int_equal(json_array_size(list), 1);
    json_decref(list);
    close(fd);
    assert_true(display_read(-1, &list, &cut) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_entries),
        cmocka_unit_test(test_what_cannot_be_believed),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_a_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

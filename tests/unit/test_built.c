/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "wire/built.h"

static void put_file(struct buffer *bytes, const char *path, bool executable, const void *data, uint32_t size)
{
    const uint32_t fields[2] = { executable, size };

    assert_int_equal(buffer_append(bytes, path, strlen(path) + 1), 0);
    assert_int_equal(buffer_append(bytes, fields, sizeof(fields)), 0);
    assert_int_equal(buffer_append(bytes, data, size), 0);
}

static struct buffer begin(uint32_t n_files)
{
    struct buffer bytes = BUFFER_INIT(1 << 20);
    const struct built_header header = { BUILT_MAGIC, n_files };

    assert_int_equal(buffer_append(&bytes, &header, sizeof(header)), 0);
    return bytes;
}

static struct buffer two_files(void)
{
    struct buffer bytes = begin(2);

    put_file(&bytes, BUILT_DIR "code", true, "\177ELF", 4);
    put_file(&bytes, BUILT_DIR "classes/a/B$1.class", false, "", 0);
    return bytes;
}

/* In a copy of the exact size, so that a sanitizer sees a read behind the end. */
static int check_copy(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    int r;

    if (size)
        memcpy(copy, bytes, size);
    r = built_check(copy, size);
    free(copy);
    return r;
}

static void files_come_out_as_they_were_put_in(void **state)
{
    struct buffer bytes = two_files();
    struct built_reader reader;
    struct built_file file;

    (void)state;
    assert_int_equal(built_begin(&reader, bytes.data, bytes.length), 0);
    assert_int_equal(built_next(&reader, &file), 1);
    assert_string_equal(file.path, BUILT_DIR "code");
    assert_true(file.executable);
    assert_int_equal(file.size, 4);
    assert_memory_equal(file.data, "\177ELF", 4);
    assert_int_equal(built_next(&reader, &file), 1);
    assert_string_equal(file.path, BUILT_DIR "classes/a/B$1.class");
    assert_false(file.executable);
    assert_int_equal(file.size, 0);
    assert_int_equal(built_next(&reader, &file), 0);
    buffer_deinit(&bytes);
}

static void every_truncation_and_addition_is_refused(void **state)
{
    struct buffer bytes = two_files();

    (void)state;
    assert_int_equal(check_copy(bytes.data, bytes.length), 0);
    for (size_t size = 0; size < bytes.length; size++)
        assert_int_equal(check_copy(bytes.data, size), -EBADMSG);
    assert_int_equal(buffer_append(&bytes, "", 1), 0);
    assert_int_equal(check_copy(bytes.data, bytes.length), -EBADMSG);
    buffer_deinit(&bytes);
}

static void counts_and_flags_out_of_range_are_refused(void **state)
{
    static const uint32_t counts[] = { 0, BUILT_FILES_MAX + 1, UINT32_MAX };
    struct buffer bytes;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        bytes = begin(counts[i]);
        assert_int_equal(check_copy(bytes.data, bytes.length), -EBADMSG);
        buffer_deinit(&bytes);
    }
    bytes = two_files();
    bytes.data[sizeof(struct built_header) + strlen(BUILT_DIR "code") + 1] = 2;
    assert_int_equal(check_copy(bytes.data, bytes.length), -EBADMSG);
    bytes.data[0] ^= 1;
    assert_int_equal(check_copy(bytes.data, bytes.length), -EBADMSG);
    buffer_deinit(&bytes);
}

static void a_path_stays_below_the_build_directory(void **state)
{
    static const char *const good[] = { "a", ".codecell-program", "classes/A.class", "...", "a/..b" };
    static const char *const bad[] = { "", "/a", "a/", "a//b", ".", "..", "../x", "a/../../etc/passwd", "a/.", "./a" };
    char path[BUILT_PATH_SIZE + 8] = BUILT_DIR;

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        strcpy(path + strlen(BUILT_DIR), good[i]);
        assert_true(built_path_is_valid(path));
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        strcpy(path + strlen(BUILT_DIR), bad[i]);
        assert_false(built_path_is_valid(path));
    }
    assert_false(built_path_is_valid("/mnt/data/x"));
    assert_false(built_path_is_valid("/run/build"));
    assert_false(built_path_is_valid(""));
    memset(path + strlen(BUILT_DIR), 'x', BUILT_PATH_SIZE - strlen(BUILT_DIR));
    path[BUILT_PATH_SIZE] = '\0';
    assert_false(built_path_is_valid(path));
    path[BUILT_PATH_SIZE - 1] = '\0';
    assert_true(built_path_is_valid(path));
}

static void a_bad_path_among_good_ones_is_refused(void **state)
{
    struct buffer bytes = begin(2);

    (void)state;
    put_file(&bytes, BUILT_DIR "code", true, "x", 1);
    put_file(&bytes, BUILT_DIR "../../tmp/x", false, "x", 1);
    assert_int_equal(check_copy(bytes.data, bytes.length), -EBADMSG);
    buffer_deinit(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_come_out_as_they_were_put_in),
        cmocka_unit_test(every_truncation_and_addition_is_refused),
        cmocka_unit_test(counts_and_flags_out_of_range_are_refused),
        cmocka_unit_test(a_path_stays_below_the_build_directory),
        cmocka_unit_test(a_bad_path_among_good_ones_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

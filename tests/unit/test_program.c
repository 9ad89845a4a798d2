/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/built.h"
#include "wire/program.h"

static void pack(struct program_packer *packer)
{
    program_pack_begin(packer, PROGRAM_MIRROR, 3, 2);
    program_pack_file(packer, "/run/build/code.c", "a\0b", 3);
    program_pack_file(packer, "/run/build/empty", NULL, 0);
    program_pack_state(packer, "/run/build/.state.in", "\2s", 2);
    program_pack_env(packer, "PATH=/bin");
    program_pack_env(packer, "EMPTY=");
    program_pack_step(packer, PROGRAM_STEP_COMPILE, "/run/build");
    program_pack_argument(packer, "/usr/bin/cc");
    program_pack_argument(packer, "code.c");
    program_pack_step(packer, 0, "/mnt/data");
    program_pack_argument(packer, "/run/build/a.out");
    program_pack_argument(packer, "");
    program_pack_argument(packer, "\xff");
    assert_int_equal(program_pack_end(packer), 0);
}

static void what_is_packed_comes_out(void **state)
{
    struct program_packer packer;
    struct program program;

    (void)state;
    pack(&packer);
    assert_int_equal(program_unpack(&program, packer.bytes.data, packer.bytes.length), 0);
    assert_int_equal(program.flags, PROGRAM_MIRROR);
    assert_int_equal(program.n_files, 3);
    assert_string_equal(program.files[0].path, "/run/build/code.c");
    assert_int_equal(program.files[0].size, 3);
    assert_memory_equal(program.files[0].data, "a\0b", 3);
    assert_int_equal(program.files[1].size, 0);
    assert_string_equal(program.files[2].path, "/run/build/.state.in");
    assert_int_equal(program.files[2].size, 2);
    assert_string_equal(program.env[0], "PATH=/bin");
    assert_string_equal(program.env[1], "EMPTY=");
    assert_null(program.env[2]);
    assert_int_equal(program.n_steps, 2);
    assert_int_equal(program.steps[0].flags, PROGRAM_STEP_COMPILE);
    assert_string_equal(program.steps[0].cwd, "/run/build");
    assert_string_equal(program.steps[0].argv[1], "code.c");
    assert_null(program.steps[0].argv[2]);
    assert_string_equal(program.steps[1].argv[1], "");
    assert_string_equal(program.steps[1].argv[2], "\xff");
    assert_null(program.steps[1].argv[3]);
    program_deinit(&program);
    program_deinit(&program);
    buffer_deinit(&packer.bytes);
}

static void builds_are_carried_and_asked_for(void **state)
{
    static char *const keep[] = { (char *)"/run/build/code", (char *)"/run/build/classes/", NULL };
    struct program_packer packer;
    struct program program;

    (void)state;
    program_pack_begin(&packer, PROGRAM_BUILT | PROGRAM_KEEP, 0, 0);
    program_pack_built(&packer, "b\0t", 3);
    program_pack_keep(&packer, keep);
    program_pack_step(&packer, 0, "/mnt/data");
    program_pack_argument(&packer, "/run/build/code");
    assert_int_equal(program_pack_end(&packer), 0);
    assert_int_equal(program_unpack(&program, packer.bytes.data, packer.bytes.length), 0);
    assert_int_equal(program.built_size, 3);
    assert_memory_equal(program.built, "b\0t", 3);
    assert_string_equal(program.keep[1], keep[1]);
    assert_null(program.keep[2]);
    program_deinit(&program);
    for (size_t size = 0; size < packer.bytes.length; size++) {
        assert_int_equal(program_unpack(&program, packer.bytes.data, size), -EBADMSG);
        program_deinit(&program);
    }
    buffer_deinit(&packer.bytes);
}

static void too_much_to_keep_is_not_packed(void **state)
{
    char *keep[PROGRAM_KEEP_MAX + 2];
    struct program_packer packer;

    (void)state;
    for (size_t i = 0; i <= PROGRAM_KEEP_MAX; i++)
        keep[i] = (char *)"/run/build/x";
    keep[PROGRAM_KEEP_MAX + 1] = NULL;
    program_pack_begin(&packer, PROGRAM_KEEP, 0, 0);
    program_pack_keep(&packer, keep);
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    program_pack_begin(&packer, PROGRAM_BUILT, 0, 0);
    program_pack_built(&packer, "", (size_t)BUILT_BYTES_MAX + 1);
    assert_int_equal(program_pack_end(&packer), -E2BIG);
}

/* In a copy of the exact size, so that a sanitizer sees a read behind the end. */
static int unpack_copy(const void *bytes, size_t size)
{
    void *copy = malloc(size ? size : 1);
    struct program program;
    int r;

    if (size)
        memcpy(copy, bytes, size);
    r = program_unpack(&program, copy, size);
    program_deinit(&program);
    free(copy);
    return r;
}

static void every_truncation_is_refused(void **state)
{
    struct program_packer packer;

    (void)state;
    pack(&packer);
    for (size_t size = 0; size < packer.bytes.length; size++)
        assert_int_equal(unpack_copy(packer.bytes.data, size), -EBADMSG);
    assert_int_equal(unpack_copy(packer.bytes.data, packer.bytes.length), 0);
    assert_int_equal(unpack_copy(packer.bytes.data, packer.bytes.length + 1), -EBADMSG);
    buffer_deinit(&packer.bytes);
}

static void every_changed_byte_is_survived(void **state)
{
    struct program_packer packer;

    (void)state;
    pack(&packer);
    for (size_t i = 0; i < packer.bytes.length; i++) {
        char was = packer.bytes.data[i];

        for (int value = 0; value < 256; value += 5) {
            packer.bytes.data[i] = (char)value;
            (void)unpack_copy(packer.bytes.data, packer.bytes.length);
        }
        packer.bytes.data[i] = was;
    }
    buffer_deinit(&packer.bytes);
}

/* Header fields in order: magic, flags, files, environment, steps. */
static void counts_and_flags_beyond_their_bounds_are_refused(void **state)
{
    static const struct {
        size_t field;
        uint32_t value;
    } rows[] = {
        { 0, 0 },          { 1, PROGRAM_FLAGS + 1 },     { 1, UINT32_MAX }, { 2, PROGRAM_FILES_MAX + 1 },
        { 2, UINT32_MAX }, { 3, PROGRAM_ENV_MAX + 1 },   { 3, UINT32_MAX }, { 4, 0 },
        { 4, 1 },          { 4, PROGRAM_STEPS_MAX + 1 }, { 4, UINT32_MAX },
    };
    struct program_packer packer;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        pack(&packer);
        memcpy(packer.bytes.data + rows[i].field * 4, &rows[i].value, 4);
        assert_int_equal(unpack_copy(packer.bytes.data, packer.bytes.length), -EBADMSG);
        buffer_deinit(&packer.bytes);
    }
}

static void a_step_without_arguments_is_refused(void **state)
{
    struct program_packer packer;

    (void)state;
    program_pack_begin(&packer, 0, 0, 0);
    program_pack_step(&packer, 0, "/");
    assert_int_equal(program_pack_end(&packer), 0);
    assert_int_equal(unpack_copy(packer.bytes.data, packer.bytes.length), -EBADMSG);
    buffer_deinit(&packer.bytes);
}

static void unknown_step_flags_are_refused(void **state)
{
    struct program_packer packer;

    (void)state;
    program_pack_begin(&packer, 0, 0, 0);
    program_pack_step(&packer, PROGRAM_STEP_FLAGS + 1, "/");
    program_pack_argument(&packer, "/bin/true");
    assert_int_equal(program_pack_end(&packer), 0);
    assert_int_equal(unpack_copy(packer.bytes.data, packer.bytes.length), -EBADMSG);
    buffer_deinit(&packer.bytes);
}

static void all_counts_at_their_bounds_fit(void **state)
{
    struct program_packer packer;
    struct program program;

    (void)state;
    program_pack_begin(&packer, 0, PROGRAM_FILES_MAX, PROGRAM_ENV_MAX);
    for (int i = 0; i < PROGRAM_FILES_MAX; i++)
        program_pack_file(&packer, "/f", "x", 1);
    for (int i = 0; i < PROGRAM_ENV_MAX; i++)
        program_pack_env(&packer, "A=1");
    for (int i = 0; i < PROGRAM_STEPS_MAX; i++) {
        program_pack_step(&packer, 0, "/");
        for (int a = 0; a < PROGRAM_ARGV_MAX; a++)
            program_pack_argument(&packer, "");
    }
    assert_int_equal(program_pack_end(&packer), 0);
    assert_int_equal(program_unpack(&program, packer.bytes.data, packer.bytes.length), 0);
    assert_null(program.env[PROGRAM_ENV_MAX]);
    assert_null(program.steps[PROGRAM_STEPS_MAX - 1].argv[PROGRAM_ARGV_MAX]);
    program_deinit(&program);
    buffer_deinit(&packer.bytes);
}

static void what_does_not_fit_is_not_packed(void **state)
{
    static char block[1 << 20];
    struct program_packer packer;

    (void)state;
    program_pack_begin(&packer, 0, PROGRAM_FILES_MAX + 1, 0);
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    program_pack_begin(&packer, 0, 0, PROGRAM_ENV_MAX + 1);
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    program_pack_begin(&packer, 0, 0, 0);
    for (int i = 0; i <= PROGRAM_STEPS_MAX; i++)
        program_pack_step(&packer, 0, "/");
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    program_pack_begin(&packer, 0, 0, 0);
    program_pack_step(&packer, 0, "/");
    for (int i = 0; i <= PROGRAM_ARGV_MAX; i++)
        program_pack_argument(&packer, "");
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    program_pack_begin(&packer, 0, 1, 0);
    program_pack_file(&packer, "/f", "", (size_t)PROGRAM_BYTES_MAX + 1);
    program_pack_step(&packer, 0, "/");
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    program_pack_begin(&packer, 0, 1, 0);
    program_pack_state(&packer, "/f", "", (size_t)PROGRAM_STATE_MAX + 1);
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    assert_null(packer.bytes.data);
    program_pack_begin(&packer, 0, 0, 0);
    memset(block, 'x', sizeof(block) - 1);
    program_pack_step(&packer, 0, "/");
    for (int i = 0; i < 65; i++)
        program_pack_argument(&packer, block);
    assert_int_equal(program_pack_end(&packer), -E2BIG);
    assert_null(packer.bytes.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_packed_comes_out),
        cmocka_unit_test(builds_are_carried_and_asked_for),
        cmocka_unit_test(too_much_to_keep_is_not_packed),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(every_changed_byte_is_survived),
        cmocka_unit_test(counts_and_flags_beyond_their_bounds_are_refused),
        cmocka_unit_test(a_step_without_arguments_is_refused),
        cmocka_unit_test(unknown_step_flags_are_refused),
        cmocka_unit_test(all_counts_at_their_bounds_fit),
        cmocka_unit_test(what_does_not_fit_is_not_packed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

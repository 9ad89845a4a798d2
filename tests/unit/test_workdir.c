/* SPDX-License-Identifier: Apache-2.0 */
#include "engine_fixture.h"

#include <dirent.h>

#include "engine/workdir.h"

#define NAME "KJ3mJ0m5cUQ5w7l8r0Q2a"

static struct workdir new_workdir(struct bench *bench)
{
    return WORKDIR_INIT(bench->engine.work_dir_fd);
}

static int put(struct bench *bench, struct workdir *workdir, const char *path)
{
    struct file_record record = store_file(bench, bench->session.id, "stored", path);

    return workdir_link(workdir, NAME, bench->engine.blobs, record.blob, path);
}

static void nothing_is_made_without_inputs(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);

    workdir_deinit(&workdir);
    assert_int_equal(faccessat(bench->engine.work_dir_fd, NAME, F_OK, 0), -1);
}

static void files_lie_under_their_paths(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);
    struct stat st;
    char text[8] = "";
    int fd;

    umask(077);
    assert_int_equal(put(bench, &workdir, "a"), 0);
    assert_int_equal(put(bench, &workdir, "d/e/f"), 0);
    umask(022);
    assert_string_equal(workdir.name, NAME);
    fd = openat(workdir.fd, "d/e/f", O_RDONLY | O_CLOEXEC);
    assert_int_equal(read(fd, text, sizeof(text)), 5);
    assert_string_equal(text, "d/e/f");
    close(fd);
    assert_int_equal(fstatat(workdir.fd, "d/e", &st, 0), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    assert_int_equal(fstat(workdir.fd, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0755);
    workdir_deinit(&workdir);
    assert_int_equal(faccessat(bench->engine.work_dir_fd, NAME, F_OK, 0), -1);
}

static void what_comes_first_gets_the_name(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);

    assert_int_equal(put(bench, &workdir, "a"), 0);
    assert_int_equal(put(bench, &workdir, "a"), WORKDIR_E_TAKEN);
    assert_int_equal(put(bench, &workdir, "a/b"), WORKDIR_E_TAKEN);
    assert_int_equal(put(bench, &workdir, "a/b/c"), WORKDIR_E_TAKEN);
    assert_int_equal(put(bench, &workdir, "d/e"), 0);
    assert_int_equal(put(bench, &workdir, "d"), WORKDIR_E_TAKEN);
    assert_int_equal(put(bench, &workdir, "d/f"), 0);
    workdir_deinit(&workdir);
}

static void a_lost_blob_is_told(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);
    char blob[BLOB_KEY_SIZE];

    memset(blob, 'a', sizeof(blob) - 1);
    blob[sizeof(blob) - 1] = '\0';
    assert_int_equal(workdir_link(&workdir, NAME, bench->engine.blobs, blob, "x"), WORKDIR_E_LOST);
    assert_int_equal(put(bench, &workdir, "x"), 0);
    workdir_deinit(&workdir);
}

static void links_are_relative_and_take_no_name(void **state)
{
    static const struct {
        const char *path, *target, *text;
        int result;
    } rows[] = {
        { "my file", "a", "a", 0 },
        { "my file", "a", NULL, WORKDIR_E_TAKEN },
        { "a", "a", NULL, WORKDIR_E_TAKEN },
        { "x/y/z", "a", "../../a", 0 },
        { "x/a", "d/e", "../d/e", 0 },
        { "a/below", "a", NULL, WORKDIR_E_TAKEN },
        { "my file/below", "a", NULL, WORKDIR_E_TAKEN },
    };
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);

    assert_int_equal(put(bench, &workdir, "a"), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        char text[64] = "";

        assert_int_equal(workdir_symlink(&workdir, rows[i].path, rows[i].target), rows[i].result);
        if (rows[i].result == 0) {
            assert_true(readlinkat(workdir.fd, rows[i].path, text, sizeof(text) - 1) > 0);
            assert_string_equal(text, rows[i].text);
        }
    }
    workdir_deinit(&workdir);
}

static void names_too_long_for_the_file_system_are_told(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);
    char segment[300], path[600], deep[3000];

    memset(segment, 'x', 256);
    segment[256] = '\0';
    assert_int_equal(put(bench, &workdir, "a"), 0);
    snprintf(path, sizeof(path), "%s/b", segment);
    assert_int_equal(put(bench, &workdir, path), -ENAMETOOLONG);
    assert_int_equal(workdir_symlink(&workdir, segment, "a"), -ENAMETOOLONG);
    for (size_t i = 0; i + 2 < sizeof(deep); i += 2)
        memcpy(deep + i, "y/", 3);
    deep[2900] = '\0';
    assert_int_equal(workdir_symlink(&workdir, deep, "a"), -ENAMETOOLONG);
    workdir_deinit(&workdir);
}

/* As deep as a stored name allows. */
static void a_deep_tree_is_removed(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);
    char path[1025];

    for (size_t i = 0; i < 1024; i += 2)
        memcpy(path + i, "y/", 3);
    path[1023] = '\0';
    assert_int_equal(put(bench, &workdir, path), 0);
    workdir_deinit(&workdir);
    assert_int_equal(faccessat(bench->engine.work_dir_fd, NAME, F_OK, 0), -1);
}

static void what_an_earlier_server_left_is_removed(void **state)
{
    struct bench *bench = *state;
    struct workdir workdir = new_workdir(bench);
    DIR *dir;

    assert_int_equal(put(bench, &workdir, "a/b/c"), 0);
    assert_int_equal(workdir_symlink(&workdir, "l", "/etc"), 0);
    close(workdir.fd);
    assert_int_equal(symlinkat("/etc", bench->engine.work_dir_fd, "link"), 0);
    close(openat(bench->engine.work_dir_fd, "file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(workdir_clean(bench->engine.work_dir_fd), 0);
    dir = fdopendir(openat(bench->engine.work_dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (struct dirent *entry; (entry = readdir(dir));)
        assert_int_equal(entry->d_name[0], '.');
    closedir(dir);
    assert_int_equal(access("/etc/passwd", F_OK), 0);
}

#define WITH_BENCH(test) cmocka_unit_test_setup_teardown(test, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_BENCH(nothing_is_made_without_inputs),
        WITH_BENCH(files_lie_under_their_paths),
        WITH_BENCH(what_comes_first_gets_the_name),
        WITH_BENCH(a_lost_blob_is_told),
        WITH_BENCH(links_are_relative_and_take_no_name),
        WITH_BENCH(names_too_long_for_the_file_system_are_told),
        WITH_BENCH(a_deep_tree_is_removed),
        WITH_BENCH(what_an_earlier_server_left_is_removed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

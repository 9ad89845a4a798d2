/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include "scratch.h"

#include <errno.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fd.h"

static void reading_ends_at_the_end_of_file(void **state)
{
    char data[8] = "";
    int ends[2];

    (void)state;
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_int_equal(fd_write_full(ends[1], "abc", 3), 0);
    assert_int_equal(fd_write_full(ends[1], "de", 2), 0);
    close(ends[1]);
    assert_int_equal(fd_read_full(ends[0], data, 4), 4);
    assert_memory_equal(data, "abcd", 4);
    assert_int_equal(fd_read_full(ends[0], data, 4), 1);
    assert_int_equal(fd_read_full(ends[0], data, 4), 0);
    close(ends[0]);
    assert_int_equal(fd_read_full(-1, data, 4), -EBADF);
    assert_int_equal(fd_write_full(-1, data, 4), -EBADF);
}

/* A pipe holds 64 KiB, so the writer must go on after a short write. */
static void writing_goes_on_until_all_is_written(void **state)
{
    size_t size = 1 << 20;
    char *data = malloc(size);
    int ends[2];
    pid_t pid;

    (void)state;
    memset(data, 'x', size);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(fd_write_full(ends[1], data, size) == 0 ? 0 : 1);
    close(ends[1]);
    memset(data, 0, size);
    assert_int_equal(fd_read_full(ends[0], data, size), size);
    assert_int_equal(data[size - 1], 'x');
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    close(ends[0]);
    free(data);
}

static void small_files_are_read_and_written_below_a_directory(void **state)
{
    struct scratch *scratch = *state;
    int dir = open(scratch->path, O_PATH | O_DIRECTORY | O_CLOEXEC), file;
    char text[8];

    assert_true(dir >= 0);
    assert_int_equal(fd_write_at(dir, "file", "x"), -ENOENT);
    close(open(scratch_path(scratch, "file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(fd_write_at(dir, "file", "0123456789"), 0);
    file = openat(dir, "file", O_RDONLY | O_CLOEXEC);
    assert_int_equal(fd_pread_full(file, text, 4, 3), 4);
    assert_memory_equal(text, "3456", 4);
    assert_int_equal(fd_pread_full(file, text, 4, 8), 2);
    assert_memory_equal(text, "89", 2);
    assert_int_equal(fd_pread_full(file, text, 4, 10), 0);
    assert_int_equal(fd_pread_full(-1, text, 4, 0), -EBADF);
    close(file);
    assert_int_equal(fd_read_at(dir, "file", text, sizeof(text)), 7);
    assert_string_equal(text, "0123456");
    assert_int_equal(fd_read_at(dir, "none", text, sizeof(text)), -ENOENT);
    close(dir);
}

/* Between two open file descriptions, of one process or two. */
static void a_lock_is_one_descriptions(void **state)
{
    int first = memfd_create("locked", MFD_CLOEXEC), second;
    char path[32];

    (void)state;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", first);
    second = open(path, O_RDWR | O_CLOEXEC);
    assert_true(first >= 0 && second >= 0);
    assert_int_equal(fd_lock(first, 0), 0);
    assert_int_equal(fd_lock(first, 0), 0);
    assert_int_equal(fd_lock(second, 0), FD_E_BUSY);
    assert_int_equal(fd_lock(second, 30), FD_E_BUSY);
    close(first);
    assert_int_equal(fd_lock(second, 0), 0);
    close(second);
    assert_int_equal(fd_lock(-1, 0), -EBADF);
}

static void links_are_not_followed(void **state)
{
    struct scratch *scratch = *state;
    int dir = open(scratch->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char text[8];

    assert_int_equal(symlink("/etc/hostname", scratch_path(scratch, "link")), 0);
    assert_int_equal(fd_read_at(dir, "link", text, sizeof(text)), -ELOOP);
    assert_int_equal(fd_write_at(dir, "link", "x"), -ELOOP);
    close(dir);
}

static void sealed_memory_never_changes(void **state)
{
    char text[4] = "";
    int fd = -1;

    (void)state;
    assert_int_equal(fd_sealed_memory("test", "abc", 3, &fd), 0);
    assert_int_equal(pread(fd, text, sizeof(text), 0), 3);
    assert_string_equal(text, "abc");
    assert_true(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM);
    assert_true(ftruncate(fd, 0) < 0 && errno == EPERM);
    assert_true(ftruncate(fd, 10) < 0 && errno == EPERM);
    assert_true(fcntl(fd, F_ADD_SEALS, 0) < 0 && errno == EPERM);
    assert_ptr_equal(mmap(NULL, 3, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_true(fd_is_sealed(fd));
    close(fd);
}

static void what_may_still_change_is_not_sealed(void **state)
{
    static const int lacking[] = { F_SEAL_SEAL, F_SEAL_SHRINK, F_SEAL_GROW, F_SEAL_WRITE };
    const int all = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

    (void)state;
    assert_false(fd_is_sealed(fd));
    assert_true(fd_seal(fd) < 0);
    close(fd);
    assert_false(fd_is_sealed(-1));
    for (size_t i = 0; i < ARRAY_SIZE(lacking); i++) {
        fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, all & ~lacking[i]), 0);
        assert_false(fd_is_sealed(fd));
        close(fd);
    }
}

/* In a child, since the sanitizers and cmocka have descriptors too. */
static void all_but_the_kept_descriptors_are_closed(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        const int keep[] = { 40, -1, 7, 40, 1 };
        bool right = true;

        for (int fd = 3; fd < 60; fd++)
            dup2(0, fd);
        fd_close_others(keep, ARRAY_SIZE(keep));
        for (int fd = 0; fd < 60; fd++)
            right = right && (fcntl(fd, F_GETFD) >= 0) == (fd <= 2 || fd == 7 || fd == 40);
        _exit(right ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void all_can_be_closed(void **state)
{
    int status;
    pid_t pid = fork();

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        dup2(0, 3);
        dup2(0, 99);
        fd_close_others(NULL, 0);
        _exit(fcntl(3, F_GETFD) < 0 && fcntl(99, F_GETFD) < 0 && fcntl(2, F_GETFD) >= 0 ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading_ends_at_the_end_of_file),
        cmocka_unit_test(writing_goes_on_until_all_is_written),
        cmocka_unit_test_setup_teardown(small_files_are_read_and_written_below_a_directory, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(a_lock_is_one_descriptions),
        cmocka_unit_test_setup_teardown(links_are_not_followed, scratch_setup, scratch_teardown),
        cmocka_unit_test(sealed_memory_never_changes),
        cmocka_unit_test(what_may_still_change_is_not_sealed),
        cmocka_unit_test(all_but_the_kept_descriptors_are_closed),
        cmocka_unit_test(all_can_be_closed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

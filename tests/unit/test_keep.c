/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <errno.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "cell/keep.h"
#include "wire/built.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static bool mounted;

/* A build directory of the test's own: paths in a build are absolute. Skips the test where that is not allowed. */
static void begin(void)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", "/run", "tmpfs", 0, "mode=0755,size=128m") < 0) {
        print_message("skipped: mounting a tmpfs needs root\n");
        skip();
    }
    mounted = true;
    assert_int_equal(mkdir("/run/build", 0755), 0);
}

static int end(void **state)
{
    int r = mounted ? umount2("/run", MNT_DETACH) : 0;

    (void)state;
    mounted = false;
    return r;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_full(fd, text, strlen(text)), 0);
    close(fd);
}

static int collect(const char *path)
{
    char *const paths[] = { (char *)path, NULL };
    int fd = -1, r = keep_collect(paths, &fd);

    assert_true((r == 0) == (fd >= 0));
    cleanup_close_fd(&fd);
    return r;
}

static struct buffer collect_bytes(char *const *paths)
{
    struct buffer bytes = BUFFER_INIT(BUILT_BYTES_MAX);
    struct stat st;
    int fd = -1;

    assert_int_equal(keep_collect(paths, &fd), 0);
    assert_int_equal(fcntl(fd, F_GET_SEALS) & ALL_SEALS, ALL_SEALS);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(buffer_reserve(&bytes, (size_t)st.st_size), 0);
    assert_int_equal(pread(fd, bytes.data, (size_t)st.st_size, 0), st.st_size);
    bytes.length = (size_t)st.st_size;
    close(fd);
    return bytes;
}

static void assert_file(const char *path, const char *text, bool executable)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char contents[64] = "";
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_true(read(fd, contents, sizeof(contents) - 1) >= 0);
    assert_string_equal(contents, text);
    assert_int_equal((st.st_mode & 0100) != 0, executable);
    close(fd);
}

static void what_was_collected_is_put_back(void **state)
{
    char *const paths[] = { (char *)"/run/build/code", (char *)"/run/build/classes/", NULL };
    struct buffer bytes;

    (void)state;
    begin();
    assert_int_equal(mkdir("/run/build/classes", 0755), 0);
    assert_int_equal(mkdir("/run/build/classes/p", 0755), 0);
    write_file("/run/build/code", "program", 0755);
    write_file("/run/build/classes/A.class", "A", 0644);
    write_file("/run/build/classes/p/B.class", "", 0644);
    write_file("/run/build/code.c", "source", 0644);
    bytes = collect_bytes(paths);
    assert_int_equal(built_check(bytes.data, bytes.length), 0);
    assert_int_equal(end(NULL), 0);
    begin();
    assert_int_equal(keep_restore(bytes.data, bytes.length), 0);
    assert_file("/run/build/code", "program", true);
    assert_file("/run/build/classes/A.class", "A", false);
    assert_file("/run/build/classes/p/B.class", "", false);
    assert_int_equal(access("/run/build/code.c", F_OK), -1);
    buffer_deinit(&bytes);
}

static void only_regular_files_are_collected(void **state)
{
    (void)state;
    begin();
    assert_int_equal(collect("/run/build/absent"), -ENOENT);
    assert_int_equal(symlink("/etc/passwd", "/run/build/link"), 0);
    assert_int_equal(collect("/run/build/link"), -ELOOP);
    assert_int_equal(mkfifo("/run/build/fifo", 0644), 0);
    assert_int_equal(collect("/run/build/fifo"), -EINVAL);
    assert_int_equal(mkdir("/run/build/dir", 0755), 0);
    assert_int_equal(collect("/run/build/dir"), -EINVAL);
    assert_int_equal(collect("/run/build/dir/"), -ENOENT); /* nothing in it */
    assert_int_equal(symlink("/etc", "/run/build/tree"), 0);
    assert_true(collect("/run/build/tree/") < 0);
    assert_int_equal(symlink("/etc/passwd", "/run/build/dir/passwd"), 0);
    assert_int_equal(collect("/run/build/dir/"), -ELOOP);
    assert_int_equal(collect("/etc/passwd"), -EINVAL);
}

static void too_much_is_not_collected(void **state)
{
    char path[64] = "/run/build/deep";

    (void)state;
    begin();
    write_file("/run/build/huge", "", 0755);
    assert_int_equal(truncate("/run/build/huge", BUILT_BYTES_MAX), 0);
    assert_int_equal(collect("/run/build/huge"), -EFBIG);
    assert_int_equal(truncate("/run/build/huge", INT64_C(1) << 40), 0);
    assert_int_equal(collect("/run/build/huge"), -EFBIG);
    assert_int_equal(mkdir("/run/build/many", 0755), 0);
    for (int i = 0; i < BUILT_FILES_MAX; i++) {
        snprintf(path, sizeof(path), "/run/build/many/%d", i);
        write_file(path, "", 0644);
    }
    assert_int_equal(collect("/run/build/many/"), 0);
    write_file("/run/build/many/one", "", 0644);
    assert_int_equal(collect("/run/build/many/"), -EFBIG);
    strcpy(path, "/run/build/deep");
    for (int i = 0; i < 20; i++) {
        assert_int_equal(mkdir(path, 0755), 0);
        strcat(path, "/d");
    }
    assert_int_equal(collect("/run/build/deep/"), -ELOOP);
}

static void nothing_is_put_back_over_what_is_there(void **state)
{
    char *const paths[] = { (char *)"/run/build/code", NULL };
    struct buffer bytes;

    (void)state;
    begin();
    write_file("/run/build/code", "program", 0755);
    bytes = collect_bytes(paths);
    assert_int_equal(keep_restore(bytes.data, bytes.length), -EEXIST);
    assert_int_equal(unlink("/run/build/code"), 0);
    assert_int_equal(symlink("/run/elsewhere", "/run/build/code"), 0);
    assert_int_equal(keep_restore(bytes.data, bytes.length), -EEXIST);
    assert_int_equal(access("/run/elsewhere", F_OK), -1);
    bytes.data[0] ^= 1;
    assert_int_equal(keep_restore(bytes.data, bytes.length), -EBADMSG);
    buffer_deinit(&bytes);
}

/* Runs a shell command as a compile step whose output goes to out_fd. */
static bool relay_to(const char *command, int out_fd)
{
    struct keep_relay r = KEEP_RELAY_INIT;
    pid_t child;
    bool silent;

    assert_int_equal(keep_relay_open(&r), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        dup2(r.write_fd, STDOUT_FILENO);
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
        _exit(127);
    }
    silent = keep_relay_run(&r, child, out_fd);
    assert_int_equal(r.read_fd, -1);
    assert_int_equal(r.write_fd, -1);
    assert_int_equal(waitpid(child, NULL, 0), child);
    return silent;
}

/* The same, with what was passed on in text. */
static bool relay(const char *command, char *text, size_t size)
{
    int ends[2];
    bool silent;
    ssize_t n;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    silent = relay_to(command, ends[1]);
    close(ends[1]);
    n = fd_read_full(ends[0], text, size - 1);
    assert_true(n >= 0);
    text[n] = '\0';
    close(ends[0]);
    return silent;
}

static void a_silent_step_is_told_from_one_that_prints(void **state)
{
    char text[256];

    (void)state;
    assert_true(relay(":", text, sizeof(text)));
    assert_string_equal(text, "");
    assert_false(relay("echo warning", text, sizeof(text)));
    assert_string_equal(text, "warning\n");
    assert_false(relay("echo one; sleep 0.1; echo two", text, sizeof(text)));
    assert_string_equal(text, "one\ntwo\n");
}

/* It holds the pipe open, but the step is over. */
static void a_process_that_is_left_behind_does_not_hold_up_the_relay(void **state)
{
    char text[256];

    (void)state;
    assert_true(relay("sleep 1 &", text, sizeof(text)));
    assert_string_equal(text, "");
}

/* It writes faster than anybody reads, until the pipe is closed. */
static void a_flood_does_not_hide_the_end_of_the_step(void **state)
{
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_false(relay_to("yes & sleep 0.1", null_fd));
    close(null_fd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_teardown(name, end)
    const struct CMUnitTest tests[] = {
        CASE(what_was_collected_is_put_back),
        CASE(only_regular_files_are_collected),
        CASE(too_much_is_not_collected),
        CASE(nothing_is_put_back_over_what_is_there),
        cmocka_unit_test(a_silent_step_is_told_from_one_that_prints),
        cmocka_unit_test(a_process_that_is_left_behind_does_not_hold_up_the_relay),
        cmocka_unit_test(a_flood_does_not_hide_the_end_of_the_step),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

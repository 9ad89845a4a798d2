/* SPDX-License-Identifier: Apache-2.0 */
/* scratch.h -- a directory for one test, small or read-only file systems, and a process that dies at a bad moment. */
#pragma once

#include "check.h"

#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct scratch {
    char path[64];
};

static inline int scratch_remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

static inline int scratch_setup(void **state)
{
    struct scratch *scratch = malloc(sizeof(*scratch));

    strcpy(scratch->path, "/tmp/codecell-test-XXXXXX");
    if (!mkdtemp(scratch->path))
        return -1;
    *state = scratch;
    return 0;
}

/* A path below the directory; valid until the fourth call from now. */
static inline const char *scratch_path(const struct scratch *scratch, const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "%s/%s", scratch->path, name);
    return path;
}

static inline int scratch_teardown(void **state)
{
    struct scratch *scratch = *state;

    umount2(scratch_path(scratch, "small"), MNT_DETACH); /* of a test that failed before it came to that */
    umount2(scratch->path, MNT_DETACH);
    nftw(scratch->path, scratch_remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(scratch);
    return 0;
}

/* Covers the directory with a tmpfs of this size, in a mount namespace of the test's own. Skips the test where that is
 * not allowed. */
static inline void scratch_limit(const struct scratch *scratch, const char *options)
{
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("tmpfs", scratch->path, "tmpfs", 0, options) < 0) {
        print_message("skipped: mounting a tmpfs needs root\n");
        skip();
    }
}

static inline void scratch_set_read_only(const struct scratch *scratch, bool read_only)
{
    assert_int_equal(mount(NULL, scratch->path, NULL, MS_REMOUNT | (read_only ? MS_RDONLY : 0), NULL), 0);
}

/* Takes all the space that is left; unlink() gives it back. */
static inline void scratch_fill(const char *path)
{
    static const char zeros[4096];
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    while (write(fd, zeros, sizeof(zeros)) > 0)
        ;
    close(fd);
}

/* Runs work in a child that announces each finished item as a fixed-size record on fd, and kills it a while after the
 * first. Returns how many were announced; they are in records, which the caller frees. */
static inline size_t scratch_kill_during(void (*work)(void *context, int fd), void *context, size_t record_size,
                                         unsigned after_us, char **ret_records)
{
    char *records = NULL;
    size_t used = 0;
    ssize_t n;
    int ends[2];
    pid_t pid;

    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(ends[0]);
        work(context, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    poll(&(struct pollfd){ .fd = ends[0], .events = POLLIN }, 1, 30000);
    usleep(after_us);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    for (;;) {
        records = realloc(records, used + 65536);
        n = read(ends[0], records + used, 65536);
        if (n <= 0)
            break;
        used += (size_t)n;
    }
    close(ends[0]);
    *ret_records = records;
    return used / record_size;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define OPEN_TRIES    1000
#define LOCK_RETRY_MS 10
#define ALL_SEALS     (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

/* From NULL = where the descriptor stands. */
static ssize_t read_full(int fd, void *data, size_t size, const off_t *from)
{
    size_t done = 0;

    while (done < size) {
        char *to = (char *)data + done;
        ssize_t n = from ? pread(fd, to, size - done, *from + (off_t)done) : read(fd, to, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_from_errno();
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ssize_t fd_read_full(int fd, void *data, size_t size)
{
    return read_full(fd, data, size, NULL);
}

ssize_t fd_pread_full(int fd, void *data, size_t size, off_t offset)
{
    return read_full(fd, data, size, &offset);
}

int fd_write_full(int fd, const void *data, size_t size)
{
    size_t done = 0;

    while (done < size) {
        ssize_t n = write(fd, (const char *)data + done, size - done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_from_errno();
        done += (size_t)n;
    }
    return 0;
}

/* A descriptor that waits is asked first; one that does not is not: poll() calls a pipe full whose last page still has
 * room for this. */
static bool would_wait(int fd)
{
    struct pollfd ready = { .fd = fd, .events = POLLOUT };
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && !(flags & O_NONBLOCK) && poll(&ready, 1, 0) == 0;
}

int fd_offer(int fd, const void *data, size_t size)
{
    ssize_t n = send(fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0 && errno == ENOTSOCK) {
        if (would_wait(fd))
            return FD_E_BUSY;
        n = write(fd, data, size);
    }
    if (n < 0)
        return errno == EAGAIN ? FD_E_BUSY : error_from_errno();
    return 0;
}

int fd_lock(int fd, int wait_ms)
{
    for (; flock(fd, LOCK_EX | LOCK_NB) < 0; wait_ms -= LOCK_RETRY_MS) {
        if (errno != EWOULDBLOCK)
            return error_from_errno();
        if (wait_ms <= 0)
            return FD_E_BUSY;
        usleep(LOCK_RETRY_MS * 1000);
    }
    return 0;
}

void fd_stop_waiting(int fd)
{
    char path[32];
    struct stat st;
    CLEANUP_CLOSE int own = -1;

    if (fstat(fd, &st) < 0 || !S_ISFIFO(st.st_mode))
        return;
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    own = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
    if (own >= 0)
        (void)!dup2(own, fd);
}

int fd_write_at(int dir_fd, const char *name, const char *text)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return error_from_errno();
    if (write(fd, text, strlen(text)) < 0)
        return error_from_errno();
    return 0;
}

ssize_t fd_read_at(int dir_fd, const char *name, char *ret_text, size_t size)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n;

    if (fd < 0)
        return error_from_errno();
    n = fd_read_full(fd, ret_text, size - 1);
    if (n < 0)
        return n;
    ret_text[n] = '\0';
    return n;
}

int fd_seal(int fd)
{
    return fcntl(fd, F_ADD_SEALS, ALL_SEALS) < 0 ? error_from_errno() : 0;
}

bool fd_is_sealed(int fd)
{
    int seals = fcntl(fd, F_GET_SEALS);

    return seals >= 0 && (seals & ALL_SEALS) == ALL_SEALS;
}

int fd_sealed_memory(const char *name, const void *data, size_t size, int *ret_fd)
{
    CLEANUP_CLOSE int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    int r;

    if (fd < 0)
        return error_from_errno();
    r = fd_write_full(fd, data, size);
    if (r == 0)
        r = fd_seal(fd);
    if (r < 0)
        return r;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int fd_open_in_root(int root_fd, const char *path)
{
    struct open_how how = { .flags = O_PATH | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT };

    /* While anybody mounts or renames anything, the kernel cannot be sure of a ".." and asks to try again. */
    for (int tries = 0;; tries++) {
        int fd = (int)syscall(SYS_openat2, root_fd, path, &how, sizeof(how));

        if (fd >= 0 || errno != EAGAIN || tries == OPEN_TRIES)
            return fd >= 0 ? fd : error_from_errno();
    }
}

void fd_close_others(const int *keep, size_t n)
{
    unsigned from = 3;

    /* Ascending gaps between the kept ones; n is a handful. */
    for (;;) {
        unsigned next = ~0U;

        for (size_t i = 0; i < n; i++)
            if (keep[i] >= 0 && (unsigned)keep[i] >= from && (unsigned)keep[i] < next)
                next = (unsigned)keep[i];
        if (next == ~0U)
            break;
        if (next > from)
            close_range(from, next - 1, 0);
        from = next + 1;
    }
    close_range(from, ~0U, 0);
}

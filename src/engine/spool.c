/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/spool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/id.h"

void spool_deinit(struct spool *spool)
{
    buffer_deinit(&spool->memory);
    cleanup_close_fd(&spool->fd);
    spool->fd = -1;
    spool->size = 0;
}

static int write_at(int fd, uint64_t offset, const char *data, size_t length)
{
    while (length > 0) {
        ssize_t n = pwrite(fd, data, length, (off_t)offset);

        if (n < 0 && errno != EINTR)
            return error_from_errno();
        if (n > 0) {
            data += n;
            length -= (size_t)n;
            offset += (uint64_t)n;
        }
    }
    return 0;
}

/* Moves everything to a file. Its name lives for a moment only; what a killed server leaves, the next start clears. */
static int move_to_file(struct spool *spool)
{
    char name[ID_SIZE + sizeof("spool-")], id[ID_SIZE];
    CLEANUP_CLOSE int fd = -1;
    int r;

    id_generate(id);
    snprintf(name, sizeof(name), "spool-%s", id);
    fd = openat(spool->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return error_from_errno();
    if (unlinkat(spool->dir_fd, name, 0) < 0)
        return error_from_errno();
    r = write_at(fd, 0, spool->memory.data, spool->memory.length);
    if (r < 0)
        return r;
    buffer_deinit(&spool->memory);
    spool->fd = TAKE_FD(fd);
    return 0;
}

int spool_append(struct spool *spool, const void *data, size_t length)
{
    int r = -E2BIG;

    if (spool->fd < 0)
        r = buffer_append(&spool->memory, data, length);
    if (r == -E2BIG) {
        r = spool->fd < 0 ? move_to_file(spool) : 0;
        if (r == 0)
            r = write_at(spool->fd, spool->size, data, length);
    }
    if (r == 0)
        spool->size += length;
    return r;
}

ssize_t spool_read(const struct spool *spool, uint64_t offset, void *to, size_t max)
{
    uint64_t left = offset < spool->size ? spool->size - offset : 0;
    ssize_t n;

    if (max > left)
        max = left;
    if (max == 0)
        return 0;
    if (spool->fd < 0) {
        memcpy(to, spool->memory.data + offset, max);
        return (ssize_t)max;
    }
    do
        n = pread(spool->fd, to, max, (off_t)offset);
    while (n < 0 && errno == EINTR);
    return n < 0 ? error_from_errno() : n == 0 ? -EIO : n;
}

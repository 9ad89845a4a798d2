/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/keep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "wire/built.h"

/* A full pipe a time: who writes faster than it is read must not hide the end of the step. */
#define RELAY_BYTES 4096
#define RELAY_READS 16
#define DEPTH_MAX   16

int keep_relay_open(struct keep_relay *relay)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_from_errno();
    relay->read_fd = ends[0];
    relay->write_fd = ends[1];
    return fcntl(relay->read_fd, F_SETFL, O_NONBLOCK) < 0 ? error_from_errno() : 0;
}

/* Passes on what is there. Returns false at the end of the pipe. */
static bool relay_pass(int from_fd, int to_fd, bool *silent)
{
    char block[RELAY_BYTES];
    ssize_t n = 1;

    for (int i = 0; i < RELAY_READS && (n = read(from_fd, block, sizeof(block))) > 0; i++) {
        *silent = false;
        (void)fd_write_full(to_fd, block, (size_t)n);
    }
    return n != 0;
}

bool keep_relay_run(struct keep_relay *relay, pid_t child, int out_fd)
{
    CLEANUP_CLOSE int ended_fd = (int)syscall(SYS_pidfd_open, child, 0);
    CLEANUP_CLOSE int read_fd = TAKE_FD(relay->read_fd);
    bool silent = ended_fd >= 0, open = true;

    close(TAKE_FD(relay->write_fd));
    /* Without a descriptor for the child, which must not happen, the pipe's end tells of it. */
    while (open || ended_fd >= 0) {
        struct pollfd polls[] = { { .fd = open ? read_fd : -1, .events = POLLIN },
                                  { .fd = ended_fd, .events = POLLIN } };

        if (poll(polls, ARRAY_SIZE(polls), -1) < 0 && errno != EINTR)
            break;
        if (open)
            open = relay_pass(read_fd, out_fd, &silent);
        if (polls[1].revents)
            break;
    }
    if (open)
        (void)relay_pass(read_fd, out_fd, &silent); /* what was printed last */
    return silent;
}

/* Sealed memory that is being filled. */
struct collection {
    int fd;
    uint32_t n_files;
    size_t bytes;
};

static int put(struct collection *collection, const void *data, size_t size)
{
    collection->bytes += size;
    return collection->bytes > BUILT_BYTES_MAX ? -EFBIG : fd_write_full(collection->fd, data, size);
}

static int put_bytes(struct collection *collection, int fd, size_t size)
{
    collection->bytes += size;
    while (size > 0) {
        ssize_t n = sendfile(collection->fd, fd, NULL, size);

        if (n < 0)
            return error_from_errno();
        if (n == 0)
            return -EIO; /* it shrinks while it is read */
        size -= (size_t)n;
    }
    return 0;
}

/* A FIFO in the file's place must not make the open wait. */
static int collect_file(struct collection *collection, int directory_fd, const char *name, const char *path)
{
    CLEANUP_CLOSE int fd = openat(directory_fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    struct stat st;
    uint32_t fields[2];
    int r;

    if (fd < 0 || fstat(fd, &st) < 0)
        return error_from_errno();
    if (!S_ISREG(st.st_mode) || !built_path_is_valid(path))
        return -EINVAL;
    if (++collection->n_files > BUILT_FILES_MAX || st.st_size > (off_t)(BUILT_BYTES_MAX - collection->bytes))
        return -EFBIG;
    fields[0] = (st.st_mode & 0100) != 0;
    fields[1] = (uint32_t)st.st_size;
    r = put(collection, path, strlen(path) + 1);
    if (r == 0)
        r = put(collection, fields, sizeof(fields));
    if (r == 0 && collection->bytes + (size_t)st.st_size > BUILT_BYTES_MAX)
        r = -EFBIG;
    return r ? r : put_bytes(collection, fd, (size_t)st.st_size);
}

static int collect_below(struct collection *collection, int parent_fd, const char *name, const char *path,
                         unsigned depth);

static int collect_entry(struct collection *collection, DIR *dir, const char *name, const char *directory,
                         unsigned depth)
{
    char path[BUILT_PATH_SIZE];
    struct stat st;

    if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
        return -ENAMETOOLONG;
    if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return error_from_errno();
    if (S_ISDIR(st.st_mode))
        return collect_below(collection, dirfd(dir), name, path, depth + 1);
    return collect_file(collection, dirfd(dir), name, path);
}

static int collect_below(struct collection *collection, int parent_fd, const char *name, const char *path,
                         unsigned depth)
{
    CLEANUP_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct dirent *entry;
    DIR *dir;
    int r = 0;

    if (depth > DEPTH_MAX)
        return -ELOOP;
    dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir)
        return error_from_errno();
    (void)TAKE_FD(fd);
    while (r == 0 && (entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            r = collect_entry(collection, dir, entry->d_name, path, depth);
    closedir(dir);
    return r;
}

static int collect_path(struct collection *collection, const char *path)
{
    char directory[BUILT_PATH_SIZE];
    size_t length = strlen(path);

    if (length == 0 || path[length - 1] != '/')
        return collect_file(collection, AT_FDCWD, path, path);
    if (length >= sizeof(directory))
        return -ENAMETOOLONG;
    memcpy(directory, path, length - 1);
    directory[length - 1] = '\0';
    return collect_below(collection, AT_FDCWD, directory, directory, 0);
}

static int seal(const struct collection *collection)
{
    struct built_header header = { BUILT_MAGIC, collection->n_files };

    if (pwrite(collection->fd, &header, sizeof(header), 0) != sizeof(header))
        return -EIO;
    return fd_seal(collection->fd);
}

int keep_collect(char *const *paths, int *ret_fd)
{
    CLEANUP_CLOSE int fd = memfd_create("built", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    struct collection collection = { .fd = fd };
    struct built_header header = { 0 };
    int r = fd < 0 ? error_from_errno() : put(&collection, &header, sizeof(header));

    for (; r == 0 && *paths; paths++)
        r = collect_path(&collection, *paths);
    if (r == 0)
        r = collection.n_files > 0 ? seal(&collection) : -ENOENT;
    if (r == 0)
        *ret_fd = TAKE_FD(fd);
    return r;
}

static int make_parents(const char *path)
{
    char parent[BUILT_PATH_SIZE];

    for (const char *slash = strchr(path + strlen(BUILT_DIR), '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
        if (mkdir(parent, 0755) < 0 && errno != EEXIST)
            return error_from_errno();
    }
    return 0;
}

static int restore_file(const struct built_file *file)
{
    CLEANUP_CLOSE int fd = -1;
    int r = make_parents(file->path);

    if (r < 0)
        return r;
    fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, file->executable ? 0755 : 0644);
    return fd < 0 ? error_from_errno() : fd_write_full(fd, file->data, file->size);
}

int keep_restore(const void *bytes, size_t size)
{
    struct built_reader reader;
    struct built_file file;
    int r = built_begin(&reader, bytes, size);

    while (r == 0 && (r = built_next(&reader, &file)) > 0)
        r = restore_file(&file);
    return r;
}

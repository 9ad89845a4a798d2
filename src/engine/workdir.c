/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* The mode is what programs see, whatever the server's own umask. */
static int make_directory(int parent_fd, const char *name)
{
    if (mkdirat(parent_fd, name, 0755) < 0)
        return -1;
    return fchmodat(parent_fd, name, 0755, 0);
}

static int ensure_made(struct workdir *workdir, const char *name)
{
    if (workdir->fd >= 0)
        return 0;
    if (make_directory(workdir->parent_fd, name) < 0)
        return error_from_errno();
    memcpy(workdir->name, name, strnlen(name, sizeof(workdir->name) - 1) + 1);
    workdir->name[sizeof(workdir->name) - 1] = '\0';
    workdir->fd = openat(workdir->parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return workdir->fd < 0 ? error_from_errno() : 0;
}

/* Opens the directory that holds path, making what is missing. *ret_base points into path. */
static int open_parent(const struct workdir *workdir, const char *path, int *ret_fd, const char **ret_base)
{
    CLEANUP_CLOSE int fd = fcntl(workdir->fd, F_DUPFD_CLOEXEC, 3);
    const char *slash;

    if (fd < 0)
        return error_from_errno();
    while ((slash = strchr(path, '/'))) {
        char segment[256];
        int next;

        if ((size_t)(slash - path) >= sizeof(segment))
            return -ENAMETOOLONG;
        memcpy(segment, path, (size_t)(slash - path));
        segment[slash - path] = '\0';
        if (make_directory(fd, segment) < 0 && errno != EEXIST)
            return error_from_errno();
        next = openat(fd, segment, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        if (next < 0)
            return errno == ENOTDIR || errno == ELOOP ? WORKDIR_E_TAKEN : error_from_errno();
        close(fd);
        fd = next;
        path = slash + 1;
    }
    *ret_base = path;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int workdir_link(struct workdir *workdir, const char *name, struct blob_store *blobs, const char *blob,
                 const char *path)
{
    CLEANUP_CLOSE int parent = -1;
    const char *base = path;
    int r = ensure_made(workdir, name);

    if (r == 0)
        r = open_parent(workdir, path, &parent, &base);
    if (r != 0)
        return r;
    r = blob_link(blobs, blob, parent, base);
    if (r == -EEXIST)
        return WORKDIR_E_TAKEN;
    return r == BLOB_E_NOT_FOUND ? WORKDIR_E_LOST : r;
}

int workdir_symlink(struct workdir *workdir, const char *path, const char *target)
{
    CLEANUP_CLOSE int parent = -1;
    char relative[4096] = "";
    const char *base = path;
    size_t used = 0;
    int r;

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        if (used + 4 > sizeof(relative))
            return -ENAMETOOLONG;
        memcpy(relative + used, "../", 4);
        used += 3;
    }
    if (strlen(target) >= sizeof(relative) - used)
        return -ENAMETOOLONG;
    memcpy(relative + used, target, strlen(target) + 1);
    r = open_parent(workdir, path, &parent, &base);
    if (r != 0)
        return r;
    if (symlinkat(relative, parent, base) < 0)
        return errno == EEXIST ? WORKDIR_E_TAKEN : error_from_errno();
    return 0;
}

/* Returns NULL with errno set. */
static DIR *open_dir(int parent_fd, const char *name)
{
    CLEANUP_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (dir)
        (void)TAKE_FD(fd);
    return dir;
}

/* Only this program makes names here, so the depth is that of stored names. */
static void remove_tree(int parent_fd, const char *name)
{
    DIR *dir = open_dir(parent_fd, name);
    struct dirent *entry;

    while (dir && (entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) < 0 && (errno == EISDIR || errno == EPERM))
            remove_tree(dirfd(dir), entry->d_name);
    }
    if (dir)
        closedir(dir);
    unlinkat(parent_fd, name, AT_REMOVEDIR);
}

void workdir_deinit(struct workdir *workdir)
{
    cleanup_close_fd(&workdir->fd);
    workdir->fd = -1;
    if (workdir->name[0])
        remove_tree(workdir->parent_fd, workdir->name);
    workdir->name[0] = '\0';
}

int workdir_clean(int work_dir_fd)
{
    DIR *dir = open_dir(work_dir_fd, ".");
    struct dirent *entry;

    if (!dir)
        return error_from_errno();
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            unlinkat(work_dir_fd, entry->d_name, 0) < 0)
            remove_tree(work_dir_fd, entry->d_name);
    closedir(dir);
    return 0;
}

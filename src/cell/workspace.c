/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/workspace.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "cell/mount_api.h"

#define WORKSPACE_INODES_MAX "131072"
#define LAYER_LOWER          "/run/layers/lower" /* in the keepers' root file system, rootfs.c */
#define LAYER_UPPER          "/run/layers/upper"

#define HARVEST_DEPTH_MAX  32
#define HARVEST_PATH_MAX   1024
#define HARVEST_VISITS_MAX 200000

static int make_tmpfs(uint64_t disk_bytes, int *ret_fd)
{
    char size[32];
    struct mount_option options[] = { { "size", size }, { "nr_inodes", WORKSPACE_INODES_MAX }, { "mode", "0755" } };

    snprintf(size, sizeof(size), "%llu", (unsigned long long)disk_bytes);
    return mount_new("tmpfs", options, ARRAY_SIZE(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret_fd);
}

/* Directory of the tmpfs that the cell's user owns. */
static int make_layer(int tmpfs_fd, const char *name, uid_t uid, int *ret_fd)
{
    CLEANUP_CLOSE int fd = -1;

    if (mkdirat(tmpfs_fd, name, 0755) < 0)
        return error_from_errno();
    fd = openat(tmpfs_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchown(fd, uid, uid) < 0)
        return error_from_errno();
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* No redirects, no metadata-only copies, no index: each of them makes the upper layer's contents depend on extended
 * attributes that the harvest would have to interpret. Then a changed file is a whole file, and a moved directory is
 * copied. */
static int mount_overlay(int *ret_fd)
{
    static const struct mount_option options[] = {
        { "lowerdir", LAYER_LOWER },
        { "upperdir", LAYER_UPPER "/upper" },
        { "workdir", LAYER_UPPER "/work" },
        { "redirect_dir", "off" },
        { "metacopy", "off" },
        { "index", "off" },
        { "xino", "off" },
    };

    return mount_new("overlay", options, ARRAY_SIZE(options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret_fd);
}

/* Before Linux 6.15 the layers of an overlay must be attached somewhere in the caller's mount namespace. They are for a
 * moment; the overlay holds them itself afterwards. No cell is cloned meanwhile. */
static int make_overlay(struct workspace *w, int lower_fd, int idmap_fd, uid_t uid)
{
    CLEANUP_CLOSE int work = -1;
    int r = mount_map_ids(lower_fd, idmap_fd);

    if (r == 0)
        r = make_layer(w->tmpfs_fd, "upper", uid, &w->upper_fd);
    if (r == 0)
        r = make_layer(w->tmpfs_fd, "work", uid, &work);
    if (r == 0)
        r = mount_attach(lower_fd, AT_FDCWD, LAYER_LOWER);
    if (r < 0)
        return r;
    r = mount_attach(w->tmpfs_fd, AT_FDCWD, LAYER_UPPER);
    if (r == 0) {
        r = mount_overlay(&w->mount_fd);
        umount2(LAYER_UPPER, MNT_DETACH);
    }
    umount2(LAYER_LOWER, MNT_DETACH);
    return r;
}

int workspace_new(int lower_fd, int idmap_fd, uid_t uid, uint64_t disk_bytes, struct workspace *ret_workspace)
{
    struct workspace w = WORKSPACE_INIT;
    int r = make_tmpfs(disk_bytes, &w.tmpfs_fd);

    w.has_lower = lower_fd >= 0;
    if (r == 0 && w.has_lower)
        r = make_overlay(&w, lower_fd, idmap_fd, uid);
    else if (r == 0) {
        w.mount_fd = fcntl(w.tmpfs_fd, F_DUPFD_CLOEXEC, 3);
        w.upper_fd = openat(w.tmpfs_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (w.mount_fd < 0 || w.upper_fd < 0 || fchown(w.upper_fd, uid, uid) < 0)
            r = error_from_errno();
    }
    if (r < 0)
        workspace_deinit(&w);
    else
        *ret_workspace = w;
    return r;
}

void workspace_deinit(struct workspace *workspace)
{
    cleanup_close_fd(&workspace->mount_fd);
    cleanup_close_fd(&workspace->upper_fd);
    cleanup_close_fd(&workspace->tmpfs_fd);
    *workspace = WORKSPACE_INIT;
}

bool workspace_is_full(const struct workspace *workspace)
{
    return workspace->tmpfs_fd >= 0 && mount_is_full(workspace->tmpfs_fd);
}

struct walk {
    const struct harvest_options *options;
    struct harvest_result *result;
    char path[HARVEST_PATH_MAX + 1];
    unsigned reported, visited;
    bool has_lower;
};

static int report(struct walk *walk, enum harvest_kind kind, int fd, uint64_t size_bytes)
{
    if (walk->reported >= walk->options->entries_max) {
        walk->result->complete = false;
        return 0;
    }
    walk->reported++;
    return walk->options->entry(walk->options->context, kind, walk->path, fd, size_bytes);
}

static int open_beneath(int dir_fd, const char *name, uint64_t flags)
{
    struct open_how how = {
        .flags = flags | O_CLOEXEC | O_NOFOLLOW,
        .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV,
    };

    return (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
}

static int visit_file(struct walk *walk, int dir_fd, const char *name)
{
    CLEANUP_CLOSE int fd = open_beneath(dir_fd, name, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
        walk->result->skipped++;
        return 0;
    }
    if ((uint64_t)st.st_size >= walk->options->file_bytes_max)
        walk->result->file_at_limit = true;
    return report(walk, HARVEST_FILE, fd, (uint64_t)st.st_size);
}

static int walk_directory(struct walk *walk, int fd, size_t path_length, unsigned depth);

static int visit_directory(struct walk *walk, int dir_fd, const char *name, size_t path_length, unsigned depth)
{
    int fd = open_beneath(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NONBLOCK);
    char opaque[4] = "";

    if (fd < 0) {
        walk->result->skipped++;
        return 0;
    }
    if (depth >= HARVEST_DEPTH_MAX) {
        close(fd);
        return report(walk, HARVEST_UNREACHED, -1, 0);
    }
    if (fgetxattr(fd, "trusted.overlay.opaque", opaque, sizeof(opaque)) == 1 && opaque[0] == 'y') {
        int r = report(walk, HARVEST_OPAQUE, -1, 0);

        if (r < 0) {
            close(fd);
            return r;
        }
    }
    return walk_directory(walk, fd, path_length, depth + 1);
}

static int visit(struct walk *walk, int dir_fd, const char *name, size_t path_length, unsigned depth)
{
    struct stat st;

    if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return 0;
    if (S_ISREG(st.st_mode))
        return visit_file(walk, dir_fd, name);
    if (S_ISDIR(st.st_mode))
        return visit_directory(walk, dir_fd, name, path_length, depth);
    /* A deletion is a character device 0:0; a link, socket or FIFO hides what the lower layer has of that name just as
     * well. */
    return walk->has_lower ? report(walk, HARVEST_WHITEOUT, -1, 0) : 0;
}

/* Walks one directory; takes over fd. */
static int walk_directory(struct walk *walk, int fd, size_t path_length, unsigned depth)
{
    size_t at = path_length > 0 ? path_length + 1 : 0; /* where names begin in walk->path */
    DIR *dir = fdopendir(fd);
    struct dirent *entry;
    int r = 0;

    if (!dir) {
        close(fd);
        return -ENOMEM;
    }
    while (r == 0) {
        size_t length;

        errno = 0;
        entry = readdir(dir);
        if (!entry) {
            walk->result->complete = walk->result->complete && errno == 0;
            break;
        }
        length = strlen(entry->d_name);

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (walk->visited++ >= HARVEST_VISITS_MAX) {
            walk->result->complete = false;
            break;
        }
        if (at + length > HARVEST_PATH_MAX) {
            r = report(walk, HARVEST_UNREACHED, -1, 0);
            continue;
        }
        if (at > 0)
            walk->path[at - 1] = '/';
        memcpy(walk->path + at, entry->d_name, length + 1);
        r = visit(walk, dirfd(dir), entry->d_name, at + length, depth);
        walk->path[path_length] = '\0';
    }
    closedir(dir);
    return r;
}

int workspace_harvest(const struct workspace *workspace, const struct harvest_options *options,
                      struct harvest_result *ret_result)
{
    struct walk walk = { .options = options, .result = ret_result, .has_lower = workspace->has_lower };
    int fd = openat(workspace->upper_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    *ret_result = (struct harvest_result){ .complete = true };
    if (fd < 0)
        return error_from_errno();
    return walk_directory(&walk, fd, 0, 0);
}

int harvest_state(int build_fd, uint64_t bytes_max, int *ret_fd, uint64_t *ret_size_bytes)
{
    CLEANUP_CLOSE int fd = open_beneath(build_fd, HARVEST_STATE_NAME, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_nlink != 1)
        return HARVEST_STATE_E_NONE;
    *ret_size_bytes = (uint64_t)st.st_size;
    if (*ret_size_bytes > bytes_max)
        return HARVEST_STATE_E_TOO_LARGE;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cgroup_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/cgroup.h"
#include "cell/cgroup_file.h"

#define GROUP_PREFIX      "codecell."
#define SUPERVISOR        GROUP_PREFIX "supervisor" /* where processes go whose group is divided */
#define LEVELS_BELOW      3                         /* slot, cell, copies */
#define PIDS_TEXT_BYTES   (256 * 1024)
#define OWN_GROUP_TRIES   64
#define SERVER_SHARES_MAX 256 /* full ones, the most that the kernel takes */

/* A server holds a lock on its group as long as it lives; process numbers would not do, since servers in several PID
 * namespaces may share one tree of groups. The descriptor that holds the lock is returned, or a negative errno. */
static int lock_group(int parent_fd, const char *name)
{
    CLEANUP_CLOSE int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0)
        return error_from_errno();
    return TAKE_FD(fd);
}

/* Removes empty groups that a killed server left. */
static void remove_stale(const char *directory)
{
    DIR *dir = opendir(directory);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        CLEANUP_CLOSE int lock = -1;

        if (strncmp(entry->d_name, GROUP_PREFIX, strlen(GROUP_PREFIX)) != 0 || strcmp(entry->d_name, SUPERVISOR) == 0)
            continue;
        lock = lock_group(dirfd(dir), entry->d_name);
        if (lock >= 0)
            (void)cgroup_remove_group(dirfd(dir), entry->d_name, LEVELS_BELOW);
    }
    closedir(dir);
}

/* Makes the server's own group below parent and locks it for the life of the process. The lock's descriptor is left
 * open on purpose; keepers close their copies of it. */
static int make_own_group(const char *parent, char *ret_group, size_t size)
{
    remove_stale(parent);
    for (unsigned i = 0; i < OWN_GROUP_TRIES; i++) {
        int lock, n;

        n = i == 0 ? snprintf(ret_group, size, "%s/" GROUP_PREFIX "%d", parent, (int)getpid())
                   : snprintf(ret_group, size, "%s/" GROUP_PREFIX "%d.%u", parent, (int)getpid(), i);
        if (n < 0 || n >= CGROUP_PATH_SIZE)
            return -ENAMETOOLONG;
        if (mkdir(ret_group, 0755) < 0 && errno != EEXIST)
            return error_from_errno();
        lock = lock_group(AT_FDCWD, ret_group);
        /* Another server may have taken the group for a dead one's in the moment before it was locked. */
        if (lock >= 0 && access(ret_group, F_OK) == 0)
            return 0;
        cleanup_close_fd(&lock);
    }
    return -EBUSY;
}

static int write_path(const char *directory, const char *name, const char *text)
{
    CLEANUP_CLOSE int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

    if (dir_fd < 0)
        return error_from_errno();
    return fd_write_at(dir_fd, name, text);
}

static bool has_controllers(const char *directory, const char *file)
{
    CLEANUP_CLOSE int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    char text[256];

    if (dir_fd < 0 || fd_read_at(dir_fd, file, text, sizeof(text)) < 0)
        return false;
    text[strcspn(text, "\n")] = '\0';
    return cgroup_list_has(text, "memory") && cgroup_list_has(text, "pids") && cgroup_list_has(text, "cpu");
}

/* Moves every process of a group into its child; kernel threads and processes that ended meanwhile refuse and may stay.
 */
static void move_all(const char *directory, const char *child)
{
    CLEANUP_CLOSE int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *pids = malloc(PIDS_TEXT_BYTES);
    char *save = NULL;

    if (dir_fd < 0 || !pids || fd_read_at(dir_fd, "cgroup.procs", pids, PIDS_TEXT_BYTES) < 0)
        return;
    for (char *pid = strtok_r(pids, "\n", &save); pid; pid = strtok_r(NULL, "\n", &save))
        write_path(child, "cgroup.procs", pid);
}

/* Makes controllers available to children of a v2 group. A group other than the real root may not hold processes itself
 * then, so those in it move to a leaf. That is done only for our own group: a container's, or a unit's with
 * Delegate=yes. */
static int enable_controllers(const char *directory)
{
    char leaf[CGROUP_PATH_SIZE * 2];
    int r;

    if (has_controllers(directory, "cgroup.subtree_control"))
        return 0;
    if (!has_controllers(directory, "cgroup.controllers"))
        return -ENOENT;
    r = write_path(directory, "cgroup.subtree_control", "+memory +pids +cpu");
    if (r != -EBUSY)
        return r;
    snprintf(leaf, sizeof(leaf), "%s/" SUPERVISOR, directory);
    if (mkdir(leaf, 0755) < 0 && errno != EEXIST)
        return error_from_errno();
    move_all(directory, leaf);
    return write_path(directory, "cgroup.subtree_control", "+memory +pids +cpu");
}

/* Whoever was moved aside when a server started starts the next one from there; that one divides the same group. */
static void leave_supervisor(char *directory)
{
    char *last;

    while ((last = strrchr(directory, '/')) && strcmp(last + 1, SUPERVISOR) == 0)
        *last = '\0';
}

/* A login session's scope is shared with the shell and must be left alone; there the root of the hierarchy serves. */
static bool is_scope(const char *directory)
{
    return strstr(directory, ".scope") != NULL;
}

bool cgroup_offers_limits(const struct cgroup_layout *layout)
{
    char own[CGROUP_PATH_SIZE];

    if (!layout->pure_v2)
        return true;
    cgroup_copy_path(own, layout->controllers[CGROUP_MEMORY].directory);
    leave_supervisor(own);
    return (!is_scope(own) && has_controllers(own, "cgroup.controllers")) ||
           has_controllers(layout->controllers[CGROUP_MEMORY].mount, "cgroup.controllers");
}

static int prepare_pure_v2(struct cgroup_layout *layout, char *where, size_t where_size)
{
    const char *mount = layout->controllers[CGROUP_MEMORY].mount;
    char own[CGROUP_PATH_SIZE], group[CGROUP_PATH_SIZE * 2];
    int r;

    cgroup_copy_path(own, layout->controllers[CGROUP_MEMORY].directory);
    leave_supervisor(own);
    r = is_scope(own) ? -EBUSY : enable_controllers(own);
    if (r < 0 && strcmp(own, mount) != 0) {
        cgroup_copy_path(own, mount);
        r = enable_controllers(own);
    }
    snprintf(where, where_size, "%s/cgroup.subtree_control", own);
    if (r < 0)
        return r;
    r = make_own_group(own, group, sizeof(group));
    snprintf(where, where_size, "%s", group);
    if (r == 0)
        r = enable_controllers(group);
    if (r < 0)
        return r;
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        cgroup_copy_path(layout->controllers[c].directory, group);
    return 0;
}

/* v1 divides a group's shares by the processors that it runs on, while each thread beside the group has a full share of
 * its own: all cells together would be to this server's other threads what half a thread is on two processors, and
 * nothing on many. */
static void weigh_server(const char *group)
{
    long processors = sysconf(_SC_NPROCESSORS_ONLN);
    char text[32];

    snprintf(text, sizeof(text), "%ld",
             processors > SERVER_SHARES_MAX ? (long)SERVER_SHARES_MAX * CGROUP_SHARES_FULL
                                            : processors * CGROUP_SHARES_FULL);
    if (processors > 0)
        (void)write_path(group, "cpu.shares", text);
}

int cgroup_prepare(struct cgroup_layout *layout, char *where, size_t where_size)
{
    if (layout->pure_v2)
        return prepare_pure_v2(layout, where, where_size);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        char group[CGROUP_PATH_SIZE * 2];
        int r;

        if (!layout->controllers[c].found)
            continue;
        r = make_own_group(layout->controllers[c].directory, group, sizeof(group));
        snprintf(where, where_size, "%s", group);
        if (r < 0)
            return r;
        cgroup_copy_path(layout->controllers[c].directory, group);
        if (c == CGROUP_CPU && !layout->controllers[c].unified)
            weigh_server(group);
    }
    return 0;
}

void cgroup_remove(const struct cgroup_layout *layout)
{
    for (int c = 0; c < CGROUP_CONTROLLERS; c++)
        if (layout->controllers[c].found)
            rmdir(layout->controllers[c].directory);
}

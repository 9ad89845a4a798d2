/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define GROUP_PREFIX    "codecell."
#define CPU_PERIOD_US   100000
#define PROC_TEXT_BYTES (256 * 1024)
#define SUPERVISOR      GROUP_PREFIX "supervisor" /* where processes go whose group is divided */
#define DEPTH_MAX       4                         /* server, slot, cell, copies */
#define KEEPER          "keeper"
#define CELL            "cell"
#define COPIES          "copies"

#define VANISH_TIMEOUT_MS 5000
#define FREEZE_TIMEOUT_MS 2000
#define OWN_GROUP_TRIES   64

#define SERVER_SHARES_MAX 256 /* full ones, the most that the kernel takes */

/* Names of a controller on a v1 hierarchy. */
static const char *const controller_names[CGROUP_CONTROLLERS] = {
    [CGROUP_MEMORY] = "memory",
    [CGROUP_CPU] = "cpu",
    [CGROUP_PIDS] = "pids",
    [CGROUP_ACCOUNTING] = "cpuacct",
};

static bool list_has(const char *list, const char *name)
{
    size_t length = strlen(name);

    for (const char *p = list; (p = strstr(p, name)); p += length)
        if ((p == list || p[-1] == ',' || p[-1] == ' ') && (p[length] == '\0' || p[length] == ',' || p[length] == ' '))
            return true;
    return false;
}

/* For paths that are known to fit. */
static void copy_path(char to[static CGROUP_PATH_SIZE], const char *from)
{
    size_t length = strnlen(from, CGROUP_PATH_SIZE - 1);

    memcpy(to, from, length);
    to[length] = '\0';
}

struct hierarchy {
    bool unified;
    char root[CGROUP_PATH_SIZE]; /* which group the mount shows as its root */
    char mount[CGROUP_PATH_SIZE];
    char options[256];
};

/* Reads one line of mountinfo(5). Returns false for other file systems and for paths that do not fit. */
static bool parse_mount(char *line, struct hierarchy *ret)
{
    char *save = NULL, *fields[6], *type, *options;
    char *separator = strstr(line, " - ");

    if (!separator)
        return false;
    *separator = '\0';
    type = strtok_r(separator + 3, " ", &save);
    if (!type || (strcmp(type, "cgroup") != 0 && strcmp(type, "cgroup2") != 0))
        return false;
    if (!strtok_r(NULL, " ", &save))
        return false;
    options = strtok_r(NULL, " \n", &save);
    save = NULL;
    for (int i = 0; i < 5; i++)
        if (!(fields[i] = strtok_r(i == 0 ? line : NULL, " ", &save)))
            return false;
    if (strlen(fields[3]) >= sizeof(ret->root) || strlen(fields[4]) >= sizeof(ret->mount))
        return false;
    ret->unified = strcmp(type, "cgroup2") == 0;
    copy_path(ret->root, fields[3]);
    copy_path(ret->mount, fields[4]);
    snprintf(ret->options, sizeof(ret->options), "%s", options ? options : "");
    return true;
}

/* Finds "N:list:path" of /proc/self/cgroup for a v1 controller, or "0::path" for unified. */
static bool find_path(const char *self_cgroup, const char *controller, bool unified, char *ret_path)
{
    for (const char *line = self_cgroup; line && *line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        const char *list = strchr(line, ':');
        const char *path = list ? strchr(list + 1, ':') : NULL;
        const char *end = strchrnul(line, '\n');
        char names[128];

        if (!path || path > end || path[1] != '/' || (size_t)(path - list - 1) >= sizeof(names) ||
            end - path - 1 >= CGROUP_PATH_SIZE)
            continue;
        memcpy(names, list + 1, (size_t)(path - list - 1));
        names[path - list - 1] = '\0';
        if (unified ? names[0] != '\0' : !list_has(names, controller))
            continue;
        memcpy(ret_path, path + 1, (size_t)(end - path - 1));
        ret_path[end - path - 1] = '\0';
        return true;
    }
    return false;
}

/* Which part of a group's path lies below the group that the mount shows as its root; "" if the mount's root is all
 * that can be named. A container without a cgroup namespace sees the host's path in /proc/self/cgroup and a mount whose
 * root is that path or one above it; a path outside the caller's namespace starts with "/..". */
static const char *path_below(const char *path, const char *root)
{
    size_t root_length = strcmp(root, "/") == 0 ? 0 : strlen(root);

    if (strncmp(path, root, root_length) != 0 || path[root_length] != '/' || strcmp(path + root_length, "/") == 0)
        return "";
    path += root_length;
    return strncmp(path, "/..", 3) == 0 && (path[3] == '/' || path[3] == '\0') ? "" : path;
}

static void assign(struct cgroup_layout *layout, enum cgroup_controller which, const struct hierarchy *h,
                   const char *self_cgroup)
{
    char path[CGROUP_PATH_SIZE] = "/", directory[CGROUP_PATH_SIZE];
    const char *below;
    int n;

    if (!find_path(self_cgroup, controller_names[which], h->unified, path))
        return;
    below = path_below(path, h->root);
    n = snprintf(directory, sizeof(directory), "%s%s", h->mount, below);
    if (n < 0 || n >= CGROUP_PATH_SIZE)
        return;
    copy_path(layout->controllers[which].directory, directory);
    copy_path(layout->controllers[which].mount, h->mount);
    layout->controllers[which].found = true;
    layout->controllers[which].unified = h->unified;
}

/* Of several mounts the first counts, unless a later one covers it. */
static bool is_better(bool found, const char *mount, const char *other_mount)
{
    return !found || strcmp(mount, other_mount) == 0;
}

int cgroup_parse(const char *self_cgroup, const char *mountinfo, struct cgroup_layout *ret_layout, char *missing,
                 size_t missing_size)
{
    CLEANUP_FREE char *copy = strdup(mountinfo);
    struct hierarchy h, unified = { 0 };
    char *save = NULL;

    memset(ret_layout, 0, sizeof(*ret_layout));
    if (!copy)
        return -ENOMEM;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        if (!parse_mount(line, &h))
            continue;
        if (h.unified) {
            if (is_better(unified.unified, unified.mount, h.mount))
                unified = h;
            continue;
        }
        for (int c = 0; c < CGROUP_CONTROLLERS; c++)
            if (is_better(ret_layout->controllers[c].found, ret_layout->controllers[c].mount, h.mount) &&
                list_has(h.options, controller_names[c]))
                assign(ret_layout, (enum cgroup_controller)c, &h, self_cgroup);
    }
    ret_layout->pure_v2 = unified.unified;
    for (int c = 0; c < CGROUP_ACCOUNTING; c++)
        if (ret_layout->controllers[c].found)
            ret_layout->pure_v2 = false;
    if (unified.unified) {
        assign(ret_layout, CGROUP_ACCOUNTING, &unified, self_cgroup);
        for (int c = 0; c < CGROUP_ACCOUNTING && ret_layout->pure_v2; c++)
            assign(ret_layout, (enum cgroup_controller)c, &unified, self_cgroup);
    }
    for (int c = 0; c < CGROUP_ACCOUNTING; c++) {
        if (!ret_layout->controllers[c].found) {
            snprintf(missing, missing_size, "%s", controller_names[c]);
            return -ENOENT;
        }
    }
    return 0;
}

int cgroup_detect(const char *proc, struct cgroup_layout *ret_layout, char *missing, size_t missing_size)
{
    CLEANUP_CLOSE int proc_fd = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *self_cgroup = malloc(PROC_TEXT_BYTES), *mountinfo = malloc(PROC_TEXT_BYTES);
    char path[64];
    ssize_t n;

    if (!self_cgroup || !mountinfo)
        return -ENOMEM;
    if (proc_fd < 0)
        return error_from_errno();
    /* "self" is a link, which fd_read_at() refuses only as the last component. */
    snprintf(path, sizeof(path), "%d/cgroup", (int)getpid());
    n = fd_read_at(proc_fd, path, self_cgroup, PROC_TEXT_BYTES);
    if (n < 0)
        return (int)n;
    snprintf(path, sizeof(path), "%d/mountinfo", (int)getpid());
    n = fd_read_at(proc_fd, path, mountinfo, PROC_TEXT_BYTES);
    if (n < 0)
        return (int)n;
    return cgroup_parse(self_cgroup, mountinfo, ret_layout, missing, missing_size);
}

/* Removes a group and those below it, all without processes. Returns 0 or a negative errno. */
static int remove_group(int parent_fd, const char *name, int depth)
{
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;

    while (dir && depth < DEPTH_MAX && (entry = readdir(dir)))
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.')
            (void)remove_group(fd, entry->d_name, depth + 1);
    if (dir)
        closedir(dir);
    else
        cleanup_close_fd(&fd);
    return unlinkat(parent_fd, name, AT_REMOVEDIR) < 0 ? error_from_errno() : 0;
}

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
            (void)remove_group(dirfd(dir), entry->d_name, 1);
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
    return list_has(text, "memory") && list_has(text, "pids") && list_has(text, "cpu");
}

/* Moves every process of a group into its child; kernel threads and processes that ended meanwhile refuse and may stay.
 */
static void move_all(const char *directory, const char *child)
{
    CLEANUP_CLOSE int dir_fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    CLEANUP_FREE char *pids = malloc(PROC_TEXT_BYTES);
    char *save = NULL;

    if (dir_fd < 0 || !pids || fd_read_at(dir_fd, "cgroup.procs", pids, PROC_TEXT_BYTES) < 0)
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
    copy_path(own, layout->controllers[CGROUP_MEMORY].directory);
    leave_supervisor(own);
    return (!is_scope(own) && has_controllers(own, "cgroup.controllers")) ||
           has_controllers(layout->controllers[CGROUP_MEMORY].mount, "cgroup.controllers");
}

static int prepare_pure_v2(struct cgroup_layout *layout, char *where, size_t where_size)
{
    const char *mount = layout->controllers[CGROUP_MEMORY].mount;
    char own[CGROUP_PATH_SIZE], group[CGROUP_PATH_SIZE * 2];
    int r;

    copy_path(own, layout->controllers[CGROUP_MEMORY].directory);
    leave_supervisor(own);
    r = is_scope(own) ? -EBUSY : enable_controllers(own);
    if (r < 0 && strcmp(own, mount) != 0) {
        copy_path(own, mount);
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
        copy_path(layout->controllers[c].directory, group);
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
        copy_path(layout->controllers[c].directory, group);
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

static int slot_path(const struct cgroup_layout *layout, int controller, unsigned slot,
                     char ret_path[static CGROUP_PATH_SIZE])
{
    int n = snprintf(ret_path, CGROUP_PATH_SIZE, "%s/slot%u", layout->controllers[controller].directory, slot);

    return n < 0 || n >= CGROUP_PATH_SIZE ? -ENAMETOOLONG : 0;
}

/* Writable where it can be reset, else only readable; absent (-1) before Linux 5.19 on v2. */
static int open_peak(int dir_fd, bool unified)
{
    const char *name = unified ? "memory.peak" : "memory.max_usage_in_bytes";
    int fd = openat(dir_fd, name, O_RDWR | O_CLOEXEC);

    return fd >= 0 ? fd : openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
}

/* v1 tells through an eventfd that is tied to the file of the counter by naming both to a third. */
static int open_oom_v1(int dir_fd)
{
    CLEANUP_CLOSE int control_fd = openat(dir_fd, "memory.oom_control", O_RDONLY | O_CLOEXEC);
    CLEANUP_CLOSE int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char text[32];

    if (control_fd < 0 || event_fd < 0)
        return -1;
    snprintf(text, sizeof(text), "%d %d", event_fd, control_fd);
    return fd_write_at(dir_fd, "cgroup.event_control", text) < 0 ? -1 : TAKE_FD(event_fd);
}

static int open_oom(int dir_fd, bool unified)
{
    return unified ? openat(dir_fd, "memory.events", O_RDONLY | O_CLOEXEC) : open_oom_v1(dir_fd);
}

/* Where the limits are v1's, the unified hierarchy has no figures that a cell could spoil for the next one. The keeper
 * before may have died when its cell was frozen. */
static int open_shared(int dir_fd, const char *name)
{
    int fd;

    if (dir_fd < 0 || (mkdirat(dir_fd, name, 0755) < 0 && errno != EEXIST))
        return -1;
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)fd_write_at(fd, "cgroup.freeze", "0");
    return fd;
}

/* To leave the group of one controller must not be to leave those of others. */
static int open_server(const struct cgroup_layout *layout)
{
    const char *mount = layout->controllers[CGROUP_CPU].mount;

    if (layout->controllers[CGROUP_CPU].unified || strcmp(mount, layout->controllers[CGROUP_MEMORY].mount) == 0 ||
        strcmp(mount, layout->controllers[CGROUP_PIDS].mount) == 0)
        return -1;
    return open(layout->controllers[CGROUP_CPU].directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

int cgroup_slot_open(const struct cgroup_layout *layout, unsigned slot, struct cgroup_slot *ret_slot)
{
    struct cgroup_slot made = CGROUP_SLOT_INIT;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        char path[CGROUP_PATH_SIZE];
        int r;

        if (!layout->controllers[c].found)
            continue;
        r = slot_path(layout, c, slot, path);
        if (r == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
            r = error_from_errno();
        if (r == 0 && (made.dir_fds[c] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            r = error_from_errno();
        if (r < 0) {
            cgroup_slot_close(&made);
            return r;
        }
        made.unified[c] = layout->controllers[c].unified;
    }
    made.per_cell = made.unified[CGROUP_MEMORY] && made.unified[CGROUP_PIDS];
    if (!made.per_cell && made.unified[CGROUP_ACCOUNTING])
        made.shared_fd = open_shared(made.dir_fds[CGROUP_ACCOUNTING], CELL);
    made.server_fd = open_server(layout);
    made.oom_fd = open_oom(made.dir_fds[CGROUP_MEMORY], made.unified[CGROUP_MEMORY]);
    if (!made.per_cell)
        made.peak_fd = open_peak(made.dir_fds[CGROUP_MEMORY], made.unified[CGROUP_MEMORY]);
    *ret_slot = made;
    return 0;
}

static void close_cell(struct cgroup_slot *slot)
{
    cleanup_close_fd(&slot->peak_fd);
    cleanup_close_fd(&slot->cell_fd);
    slot->peak_fd = slot->cell_fd = -1;
}

void cgroup_slot_close(struct cgroup_slot *slot)
{
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        cleanup_close_fd(&slot->dir_fds[c]);
        slot->dir_fds[c] = -1;
    }
    cleanup_close_fd(&slot->oom_fd);
    cleanup_close_fd(&slot->copies_fd);
    cleanup_close_fd(&slot->shared_fd);
    cleanup_close_fd(&slot->server_fd);
    slot->oom_fd = slot->shared_fd = slot->copies_fd = slot->server_fd = -1;
    close_cell(slot);
}

int cgroup_slot_remove(const struct cgroup_layout *layout, unsigned slot)
{
    int result = 0;

    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        char path[CGROUP_PATH_SIZE];
        int r;

        if (!layout->controllers[c].found || slot_path(layout, c, slot, path) < 0)
            continue;
        r = remove_group(AT_FDCWD, path, 2);
        if (r < 0 && r != -ENOENT)
            result = r;
    }
    return result;
}

/* A v2 group whose children have limits or figures of their own holds no processes itself. */
static int enter_beside_cells(struct cgroup_slot *slot)
{
    int dir_fd = slot->dir_fds[CGROUP_MEMORY];
    int r;

    if (mkdirat(dir_fd, KEEPER, 0755) < 0 && errno != EEXIST)
        return error_from_errno();
    r = fd_write_at(dir_fd, KEEPER "/cgroup.procs", "0");
    return r ? r : fd_write_at(dir_fd, "cgroup.subtree_control", "+memory +pids");
}

int cgroup_slot_enter(struct cgroup_slot *slot)
{
    if (slot->per_cell)
        return enter_beside_cells(slot);
    for (int c = 0; c < CGROUP_CONTROLLERS; c++) {
        int r;

        if (slot->dir_fds[c] < 0)
            continue;
        r = fd_write_at(c == CGROUP_ACCOUNTING && slot->shared_fd >= 0 ? slot->shared_fd : slot->dir_fds[c],
                        "cgroup.procs", "0");
        if (r < 0)
            return r;
    }
    return 0;
}

int cgroup_slot_open_doors(const struct cgroup_slot *slot, int *ret_fds, int n_max)
{
    int n = 0;

    for (int c = 0; c < CGROUP_CONTROLLERS && n < n_max; c++) {
        if (slot->dir_fds[c] < 0 || slot->unified[c])
            continue;
        ret_fds[n] = openat(slot->dir_fds[c], "tasks", O_WRONLY | O_CLOEXEC);
        if (ret_fds[n] < 0) {
            int r = error_from_errno();

            while (n > 0)
                close(ret_fds[--n]);
            return r;
        }
        n++;
    }
    return n;
}

int cgroup_slot_birthplace(const struct cgroup_slot *slot)
{
    return slot->per_cell ? slot->cell_fd : slot->copies_fd >= 0 ? slot->copies_fd : slot->shared_fd;
}

int cgroup_slot_let_rest(struct cgroup_slot *slot)
{
    if (slot->per_cell || slot->shared_fd < 0)
        return 0;
    slot->copies_fd = open_shared(slot->shared_fd, COPIES);
    return slot->copies_fd < 0 ? error_from_errno() : 0;
}

bool cgroup_slot_can_rest(const struct cgroup_slot *slot)
{
    return slot->per_cell || slot->copies_fd >= 0;
}

/* A group is busy until the last of its processes, though reaped, is taken apart. */
static int remove_cell(int dir_fd)
{
    int r;

    for (int waited_ms = 0; (r = remove_group(dir_fd, CELL, DEPTH_MAX)) == -EBUSY && waited_ms < VANISH_TIMEOUT_MS;
         waited_ms++)
        usleep(1000);
    return r == -ENOENT ? 0 : r;
}

static int enter_shared(struct cgroup_slot *slot)
{
    int r = slot->outside ? fd_write_at(slot->shared_fd, "cgroup.procs", "0") : 0;

    slot->outside = slot->outside && r < 0;
    return r;
}

/* "tasks", and not "cgroup.procs": a process of one thread moves without any lock. */
int cgroup_slot_step_aside(struct cgroup_slot *slot)
{
    int r = slot->server_fd < 0 ? -ENOTSUP : fd_write_at(slot->server_fd, "tasks", "0");

    slot->aside = slot->aside || r == 0;
    return r;
}

int cgroup_slot_step_in(struct cgroup_slot *slot)
{
    int r = slot->aside ? fd_write_at(slot->dir_fds[CGROUP_CPU], "tasks", "0") : 0;

    slot->aside = slot->aside && r < 0;
    return r;
}

int cgroup_slot_renew(struct cgroup_slot *slot)
{
    int dir_fd = slot->dir_fds[CGROUP_MEMORY];
    int r = cgroup_slot_step_in(slot);

    if (r < 0)
        return r;
    if (!slot->per_cell)
        return enter_shared(slot);
    close_cell(slot);
    r = remove_cell(dir_fd);
    if (r < 0)
        return r;
    if (mkdirat(dir_fd, CELL, 0755) < 0 ||
        (slot->cell_fd = openat(dir_fd, CELL, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return error_from_errno();
    slot->peak_fd = open_peak(slot->cell_fd, true);
    return 0;
}

static int write_number(const struct cgroup_slot *slot, enum cgroup_controller c, const char *name, uint64_t value)
{
    char text[32];

    snprintf(text, sizeof(text), "%" PRIu64, value);
    return fd_write_at(slot->dir_fds[c], name, text);
}

static int64_t read_number(int dir_fd, const char *name)
{
    char text[64];
    ssize_t n;

    if (dir_fd < 0)
        return -ENOENT;
    n = fd_read_at(dir_fd, name, text, sizeof(text));
    return n < 0 ? n : strtoll(text, NULL, 10);
}

/* Reads "name value" from a file of such lines. */
static int64_t read_keyed(int dir_fd, const char *file, const char *key)
{
    char text[2048];
    size_t length = strlen(key);
    ssize_t n;

    if (dir_fd < 0)
        return -ENOENT;
    n = fd_read_at(dir_fd, file, text, sizeof(text));
    if (n < 0)
        return n;
    for (const char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            return strtoll(line + length + 1, NULL, 10);
    return -ENOENT;
}

/* v1 charges the buffers of TCP and UDP to an account of their own, and only once that has a limit; else a cell could
 * fill what the whole host has for them. A kernel without it has v2, where they are memory like any other. */
#define SOCKET_BYTES_MAX (64ull << 20)

/* v1 has two limits, memory alone and memory with swap, and the second may never be the smaller; a kernel without swap
 * accounting lacks it. */
static int limit_memory_v1(struct cgroup_slot *slot, uint64_t bytes)
{
    bool raising = bytes > slot->current.memory_bytes;
    int r;

    if (raising && slot->current.memory_bytes)
        (void)write_number(slot, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", bytes);
    r = write_number(slot, CGROUP_MEMORY, "memory.limit_in_bytes", bytes);
    if (r < 0)
        return r;
    if (slot->current.memory_bytes == 0)
        (void)write_number(slot, CGROUP_MEMORY, "memory.kmem.tcp.limit_in_bytes", SOCKET_BYTES_MAX);
    r = write_number(slot, CGROUP_MEMORY, "memory.memsw.limit_in_bytes", bytes);
    if (r < 0)
        (void)fd_write_at(slot->dir_fds[CGROUP_MEMORY], "memory.swappiness", "0");
    return 0;
}

static int limit_memory(struct cgroup_slot *slot, uint64_t bytes)
{
    int r;

    if (!slot->unified[CGROUP_MEMORY])
        return limit_memory_v1(slot, bytes);
    r = write_number(slot, CGROUP_MEMORY, "memory.max", bytes);
    if (r == 0)
        (void)fd_write_at(slot->dir_fds[CGROUP_MEMORY], "memory.swap.max", "0"); /* absent without swap */
    return r;
}

static int limit_cpu(struct cgroup_slot *slot, uint32_t cpu_millis)
{
    uint64_t quota_us = (uint64_t)cpu_millis * CPU_PERIOD_US / 1000;
    char text[64];

    if (!slot->unified[CGROUP_CPU])
        return write_number(slot, CGROUP_CPU, "cpu.cfs_quota_us", quota_us);
    snprintf(text, sizeof(text), "%" PRIu64 " %d", quota_us, CPU_PERIOD_US);
    return fd_write_at(slot->dir_fds[CGROUP_CPU], "cpu.max", text);
}

int cgroup_slot_weigh(struct cgroup_slot *slot, uint32_t shares)
{
    bool unified = slot->unified[CGROUP_CPU];
    uint64_t value = unified ? (uint64_t)shares * 100 / CGROUP_SHARES_FULL : shares;
    int r = 0;

    if (shares != slot->shares)
        r = write_number(slot, CGROUP_CPU, unified ? "cpu.weight" : "cpu.shares", value ? value : 1);
    if (r == 0)
        slot->shares = shares;
    return r;
}

int cgroup_slot_limit(struct cgroup_slot *slot, const struct cgroup_limits *limits)
{
    int r = 0;

    if (limits->memory_bytes != slot->current.memory_bytes && (r = limit_memory(slot, limits->memory_bytes)) < 0)
        return r;
    slot->current.memory_bytes = limits->memory_bytes;
    if (limits->processes_max != slot->current.processes_max &&
        (r = write_number(slot, CGROUP_PIDS, "pids.max", limits->processes_max)) < 0)
        return r;
    slot->current.processes_max = limits->processes_max;
    if (limits->cpu_millis != slot->current.cpu_millis && (r = limit_cpu(slot, limits->cpu_millis)) < 0)
        return r;
    slot->current.cpu_millis = limits->cpu_millis;
    return 0;
}

static uint64_t or_zero(int64_t value)
{
    return value < 0 ? 0 : (uint64_t)value;
}

/* Where the cell's own processes are counted. */
static int cell_dir(const struct cgroup_slot *slot, enum cgroup_controller c)
{
    return slot->cell_fd >= 0 ? slot->cell_fd : slot->dir_fds[c];
}

static int64_t oom_kills(const struct cgroup_slot *slot)
{
    return read_keyed(cell_dir(slot, CGROUP_MEMORY),
                      slot->unified[CGROUP_MEMORY] ? "memory.events" : "memory.oom_control", "oom_kill");
}

/* A refused fork is counted where the process is, since Linux 6.11 where the limit is instead. */
static int64_t refused_forks(const struct cgroup_slot *slot)
{
    int64_t by_slot = read_keyed(slot->dir_fds[CGROUP_PIDS], "pids.events", "max");
    int64_t by_cell = read_keyed(slot->cell_fd, "pids.events", "max");

    return (int64_t)(or_zero(by_slot) + or_zero(by_cell));
}

static int64_t cpu_us(const struct cgroup_slot *slot)
{
    int64_t ns;

    if (slot->unified[CGROUP_ACCOUNTING])
        return read_keyed(slot->dir_fds[CGROUP_ACCOUNTING], "cpu.stat", "usage_usec");
    ns = read_number(slot->dir_fds[CGROUP_ACCOUNTING], "cpuacct.usage");
    return ns < 0 ? ns : ns / 1000;
}

static int64_t memory_bytes(int dir_fd, const struct cgroup_slot *slot)
{
    return read_number(dir_fd, slot->unified[CGROUP_MEMORY] ? "memory.current" : "memory.usage_in_bytes");
}

int64_t cgroup_slot_memory(const struct cgroup_slot *slot)
{
    return memory_bytes(slot->dir_fds[CGROUP_MEMORY], slot);
}

int64_t cgroup_slot_shared_memory(const struct cgroup_slot *slot)
{
    return read_keyed(slot->dir_fds[CGROUP_MEMORY], "memory.stat", "shmem");
}

int64_t cgroup_slot_processes(const struct cgroup_slot *slot)
{
    return read_number(slot->dir_fds[CGROUP_PIDS], "pids.current");
}

static int64_t peak_bytes(const struct cgroup_slot *slot)
{
    char text[32];
    ssize_t n = slot->peak_fd < 0 ? -1 : pread(slot->peak_fd, text, sizeof(text) - 1, 0);

    if (n <= 0)
        return -ENOENT;
    text[n] = '\0';
    return strtoll(text, NULL, 10);
}

/* How far a counter has moved; a file that cannot be read now (a slot without memory) has not. */
static uint32_t increase(int64_t now, uint64_t base)
{
    uint64_t moved = now < 0 || (uint64_t)now < base ? 0 : (uint64_t)now - base;

    return moved > UINT32_MAX ? UINT32_MAX : (uint32_t)moved;
}

int cgroup_slot_begin(struct cgroup_slot *slot)
{
    slot->base_oom_kills = or_zero(oom_kills(slot));
    slot->base_process_limit = or_zero(refused_forks(slot));
    slot->base_cpu_us = or_zero(cpu_us(slot));
    slot->base_memory_bytes = or_zero(memory_bytes(cell_dir(slot, CGROUP_MEMORY), slot));
    slot->base_peak_bytes = or_zero(peak_bytes(slot));
    slot->peak_is_own = slot->peak_fd >= 0 && (pwrite(slot->peak_fd, "0", 1, 0) == 1 || slot->cell_fd >= 0);
    return 0;
}

struct pollfd cgroup_slot_oom_poll(const struct cgroup_slot *slot)
{
    return (struct pollfd){ .fd = slot->oom_fd, .events = slot->unified[CGROUP_MEMORY] ? POLLPRI : POLLIN };
}

uint32_t cgroup_slot_oom_kills(struct cgroup_slot *slot)
{
    char told[256];
    bool unified = slot->unified[CGROUP_MEMORY];
    /* Reading makes the descriptor wait for the next time. */
    ssize_t n = unified ? pread(slot->oom_fd, told, sizeof(told), 0) : read(slot->oom_fd, told, sizeof(told));

    return n < 0 ? 0 : increase(oom_kills(slot), slot->base_oom_kills);
}

int64_t cgroup_slot_cpu_us(const struct cgroup_slot *slot)
{
    int64_t now = cpu_us(slot);

    return now < 0 ? -1 : now - (int64_t)slot->base_cpu_us;
}

uint32_t cgroup_slot_refused_forks(const struct cgroup_slot *slot)
{
    return increase(refused_forks(slot), slot->base_process_limit);
}

/* A keeper in its cell's group leaves before that is frozen. Cells cloned into a group of their own would take the one
 * lock of all groups for as long as the clone lasts. */
static int leave_shared(struct cgroup_slot *slot)
{
    int r = 0;

    if (!slot->per_cell && !slot->outside)
        r = fd_write_at(slot->dir_fds[CGROUP_ACCOUNTING], "cgroup.procs", "0");
    slot->outside = !slot->per_cell && r == 0;
    return r;
}

int cgroup_slot_freeze(struct cgroup_slot *slot, bool frozen)
{
    int dir_fd = slot->per_cell ? slot->cell_fd : slot->shared_fd;
    int r = dir_fd < 0 ? -ENOTSUP : 0;

    if (r == 0 && frozen)
        r = leave_shared(slot);
    return r ? r : fd_write_at(dir_fd, "cgroup.freeze", frozen ? "1" : "0");
}

/* The file tells of a change to whoever polls it. */
static int await_frozen(int dir_fd)
{
    CLEANUP_CLOSE int events_fd = openat(dir_fd, "cgroup.events", O_RDONLY | O_CLOEXEC);
    struct pollfd p = { .fd = events_fd, .events = POLLPRI };
    char text[256];

    if (events_fd < 0)
        return error_from_errno();
    for (;;) {
        ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

        if (n < 0)
            return error_from_errno();
        text[n] = '\0';
        if (strstr(text, "frozen 1"))
            return 0;
        if (poll(&p, 1, FREEZE_TIMEOUT_MS) == 0)
            return -ETIMEDOUT;
    }
}

int cgroup_slot_rest(struct cgroup_slot *slot, bool resting)
{
    int dir_fd = cgroup_slot_can_rest(slot) ? cgroup_slot_birthplace(slot) : -1;
    int r = dir_fd < 0 ? -ENOTSUP : fd_write_at(dir_fd, "cgroup.freeze", resting ? "1" : "0");

    if (r == 0 && resting && (r = await_frozen(dir_fd)) < 0)
        (void)fd_write_at(dir_fd, "cgroup.freeze", "0");
    return r;
}

int cgroup_slot_resting(const struct cgroup_slot *slot)
{
    char pids[256]; /* what does not fit is more than the few that are asked for */
    int dir_fd = cgroup_slot_birthplace(slot), n = 0;
    ssize_t length = dir_fd < 0 ? -ENOTSUP : fd_read_at(dir_fd, "cgroup.procs", pids, sizeof(pids));

    if (length < 0)
        return (int)length;
    for (const char *at = pids; *at; at++)
        n += *at == '\n';
    return slot->per_cell ? n - 1 : n;
}

/* Counts since the group was made and cannot be reset, so only a group of the cell's own tells. Absent before
 * Linux 6.1. */
static int64_t processes_peak(const struct cgroup_slot *slot)
{
    int64_t peak = read_number(slot->cell_fd, "pids.peak");

    return peak > 1 ? peak - 1 : -1;
}

int cgroup_slot_figures(struct cgroup_slot *slot, struct cgroup_figures *ret_figures)
{
    int64_t peak = peak_bytes(slot);

    ret_figures->oom_kills = increase(oom_kills(slot), slot->base_oom_kills);
    ret_figures->process_limit = cgroup_slot_refused_forks(slot);
    ret_figures->cpu_us = cgroup_slot_cpu_us(slot);
    ret_figures->processes_peak = processes_peak(slot);
    ret_figures->memory_peak_bytes = -1;
    /* What was charged before (the keeper, cached pages of earlier runs) is not this run's. A peak that counts from
     * earlier is this run's only if this run raised it. */
    if ((slot->peak_is_own || peak > (int64_t)slot->base_peak_bytes) && peak >= (int64_t)slot->base_memory_bytes)
        ret_figures->memory_peak_bytes = peak - (int64_t)slot->base_memory_bytes;
    return 0;
}

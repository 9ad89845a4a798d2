/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cgroup_layout.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/cgroup_file.h"

#define PROC_TEXT_BYTES (256 * 1024)

/* Names of a controller on a v1 hierarchy. */
static const char *const controller_names[CGROUP_CONTROLLERS] = {
    [CGROUP_MEMORY] = "memory",
    [CGROUP_CPU] = "cpu",
    [CGROUP_PIDS] = "pids",
    [CGROUP_ACCOUNTING] = "cpuacct",
};

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
    cgroup_copy_path(ret->root, fields[3]);
    cgroup_copy_path(ret->mount, fields[4]);
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
        if (unified ? names[0] != '\0' : !cgroup_list_has(names, controller))
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
    cgroup_copy_path(layout->controllers[which].directory, directory);
    cgroup_copy_path(layout->controllers[which].mount, h->mount);
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
                cgroup_list_has(h.options, controller_names[c]))
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

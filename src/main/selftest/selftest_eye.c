/* SPDX-License-Identifier: Apache-2.0 */
#include "main/selftest/selftest_eye.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/json.h"

#define LOOK_PAUSE_US   10000
#define COMMAND_SIZE    4096
#define STATUS_SIZE     4096
#define GROUPS_SIZE     4096
#define EVENTS_SIZE     128
#define TREE_FDS        16
#define HIERARCHIES_MAX 32

static ssize_t read_of(pid_t pid, const char *file, char *text, size_t size)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/%d/%s", pid, file);
    return fd_read_at(AT_FDCWD, path, text, size);
}

bool selftest_eye_status(pid_t pid, const char *field, char *ret_text, size_t size)
{
    char text[STATUS_SIZE], *rest = text, *line;
    size_t length = strlen(field);

    if (read_of(pid, "status", text, sizeof(text)) <= 0)
        return false;
    while ((line = strsep(&rest, "\n"))) {
        if (strncmp(line, field, length) != 0 || line[length] != ':')
            continue;
        line += length + 1;
        line += strspn(line, " \t");
        snprintf(ret_text, size, "%s", line);
        return true;
    }
    return false;
}

static bool has_mark(pid_t pid, const char *mark)
{
    char text[COMMAND_SIZE], state[16];
    ssize_t n = read_of(pid, "comm", text, sizeof(text));

    if (n <= 0 || !strstr(text, mark)) {
        n = read_of(pid, "cmdline", text, sizeof(text));
        if (n <= 0 || !memmem(text, (size_t)n, mark, strlen(mark)))
            return false;
    }
    return selftest_eye_status(pid, "State", state, sizeof(state)) && *state != 'Z' && *state != 'X';
}

static void cleanup_closedir(DIR **directory)
{
    if (*directory)
        closedir(*directory);
}

/* Calls for each process until it says true. */
static void each_process(bool (*call)(pid_t pid, void *data), void *data)
{
    CLEANUP(cleanup_closedir) DIR *directory = opendir("/proc");

    for (struct dirent *entry; directory && (entry = readdir(directory));)
        if (isdigit((unsigned char)entry->d_name[0]) && call((pid_t)strtol(entry->d_name, NULL, 10), data))
            return;
}

struct search {
    const char *mark;
    pid_t *pids;
    size_t n, max;
};

static bool collect_marked(pid_t pid, void *data)
{
    struct search *search = data;

    if (pid != getpid() && has_mark(pid, search->mark))
        search->pids[search->n++] = pid;
    return search->n >= search->max;
}

size_t selftest_eye_find(const char *mark, pid_t *ret_pids, size_t max)
{
    struct search search = { .mark = mark, .pids = ret_pids, .max = max };

    each_process(collect_marked, &search);
    return search.n;
}

pid_t selftest_eye_await(const char *mark, unsigned within_ms)
{
    int64_t end_us = clock_monotonic_us() + within_ms * 1000LL;
    pid_t pid;

    do {
        if (selftest_eye_find(mark, &pid, 1) > 0)
            return pid;
        usleep(LOOK_PAUSE_US);
    } while (clock_monotonic_us() < end_us);
    return 0;
}

size_t selftest_eye_gone(const char *mark, unsigned within_ms)
{
    int64_t end_us = clock_monotonic_us() + within_ms * 1000LL;
    pid_t pids[EYE_PIDS_MAX];
    size_t n;

    while ((n = selftest_eye_find(mark, pids, EYE_PIDS_MAX)) > 0 && clock_monotonic_us() < end_us)
        usleep(LOOK_PAUSE_US);
    return n;
}

/* Where a hierarchy is mounted: by one of its controllers, "" for the unified one. */
struct hierarchy {
    char controllers[64];
    char path[PATH_MAX];
};

static size_t list_hierarchies(struct hierarchy *list, size_t max)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    struct mntent *entry;
    size_t n = 0;

    while (mounts && n < max && (entry = getmntent(mounts))) {
        bool unified = strcmp(entry->mnt_type, "cgroup2") == 0;

        if (!unified && strcmp(entry->mnt_type, "cgroup") != 0)
            continue;
        snprintf(list[n].controllers, sizeof(list[n].controllers), "%s", unified ? "" : entry->mnt_opts);
        snprintf(list[n].path, sizeof(list[n].path), "%s", entry->mnt_dir);
        n++;
    }
    if (mounts)
        endmntent(mounts);
    return n;
}

static bool is_hierarchy(const struct hierarchy *hierarchy, const char *controllers)
{
    size_t length = strcspn(controllers, ",");

    if (!*controllers || !*hierarchy->controllers)
        return *controllers == *hierarchy->controllers;
    for (const char *at = hierarchy->controllers; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && strncmp(at, controllers, length) == 0)
            return true;
    return false;
}

json_t *selftest_eye_groups(pid_t pid)
{
    CLEANUP_FREE struct hierarchy *list = calloc(HIERARCHIES_MAX, sizeof(*list));
    char text[GROUPS_SIZE], *rest = text, *line;
    json_t *found = json_array();
    size_t n = list ? list_hierarchies(list, HIERARCHIES_MAX) : 0;

    if (read_of(pid, "cgroup", text, sizeof(text)) <= 0)
        return found;
    while ((line = strsep(&rest, "\n"))) {
        char *names = strchr(line, ':'), *path = names ? strchr(names + 1, ':') : NULL;

        if (!path)
            continue;
        *path++ = '\0';
        for (size_t i = 0; i < n; i++)
            if (is_hierarchy(&list[i], names + 1))
                json_array_append_new(found, json_sprintf("%s%s", list[i].path, strcmp(path, "/") == 0 ? "" : path));
    }
    return found;
}

/* nftw() passes no data on. */
static json_t *walked;

static int add_directory(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)walk;
    return type == FTW_D ? json_array_append_new(walked, json_string(path)) : 0;
}

/* As the keeper of a program that rests does with it, on the unified hierarchy. */
static bool is_stopped(pid_t pid)
{
    CLEANUP_JSON json_t *groups = selftest_eye_groups(pid);
    const json_t *group;
    char path[PATH_MAX], text[EVENTS_SIZE];
    size_t i;

    json_array_foreach(groups, i, group)
    {
        snprintf(path, sizeof(path), "%s/cgroup.events", json_string_value(group));
        if (fd_read_at(AT_FDCWD, path, text, sizeof(text)) > 0 && strstr(text, "frozen 1"))
            return true;
    }
    return false;
}

size_t selftest_eye_still(const char *mark, unsigned within_ms, size_t *ret_stopped)
{
    int64_t end_us = clock_monotonic_us() + within_ms * 1000LL;
    pid_t pids[EYE_PIDS_MAX];
    size_t n, stopped;

    for (;;) {
        n = selftest_eye_find(mark, pids, EYE_PIDS_MAX);
        stopped = 0;
        for (size_t i = 0; i < n; i++)
            stopped += is_stopped(pids[i]);
        if (stopped == n || clock_monotonic_us() >= end_us)
            break;
        usleep(LOOK_PAUSE_US);
    }
    *ret_stopped = stopped;
    return n - stopped;
}

json_t *selftest_eye_all_groups(void)
{
    CLEANUP_FREE struct hierarchy *list = calloc(HIERARCHIES_MAX, sizeof(*list));
    size_t n = list ? list_hierarchies(list, HIERARCHIES_MAX) : 0;
    json_t *found = json_array();

    walked = found;
    for (size_t i = 0; i < n; i++)
        nftw(list[i].path, add_directory, TREE_FDS, FTW_PHYS | FTW_MOUNT);
    walked = NULL;
    return found;
}

json_t *selftest_eye_mounts(void)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    json_t *found = json_array();

    for (struct mntent *entry; mounts && (entry = getmntent(mounts));)
        json_array_append_new(found, json_sprintf("%s %s", entry->mnt_dir, entry->mnt_type));
    if (mounts)
        endmntent(mounts);
    return found;
}

static bool collect_child(pid_t pid, void *data)
{
    struct search *search = data;
    char text[16];
    pid_t parent;

    if (!selftest_eye_status(pid, "PPid", text, sizeof(text)))
        return false;
    parent = (pid_t)strtol(text, NULL, 10);
    for (size_t i = 0; i < search->n; i++)
        if (search->pids[i] == pid)
            return false;
    for (size_t i = 0; i < search->n; i++)
        if (search->pids[i] == parent) {
            search->pids[search->n++] = pid;
            break;
        }
    return search->n >= search->max;
}

size_t selftest_eye_family(pid_t pid, pid_t *ret_pids, size_t max)
{
    struct search search = { .pids = ret_pids, .n = 1, .max = max };
    size_t before = 0;

    ret_pids[0] = pid;
    while (before < search.n && search.n < max) { /* a child may have a smaller number than its parent */
        before = search.n;
        each_process(collect_child, &search);
    }
    return search.n;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/bench/bench_memory.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/number.h"

#define STAT_SIZE    1024
#define ROLLUP_SIZE  4096
#define TABLE_MAX    65536 /* processes of a host; the rest is not looked at */
#define TABLE_FIRST  256
#define KIB_PER_MIB  1024.0
#define PARENT_STEP  2  /* fields of /proc/PID/stat from the name to the parent */
#define STARTED_STEP 18 /* and from behind the parent to the start */

struct process {
    pid_t pid, parent;
    uint64_t started;    /* clock ticks since boot */
    ino_t pid_namespace; /* 0 = unknown */
    bool below, python, zygote;
};

struct table {
    struct process *rows;
    size_t n, capacity;
};

static void table_deinit(struct table *table)
{
    free(table->rows);
}

static void cleanup_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

/* The number that is so many fields further on. */
static bool take_field(const char **at, int step, uint64_t *ret_number)
{
    while (*at && step-- > 0)
        *at = strchr(*at + 1, ' ');
    return *at && number_take(at, ret_number);
}

/* The name in parentheses may hold anything; what follows the last one is numbers. */
static bool read_stat(int proc_fd, struct process *process)
{
    char path[64], text[STAT_SIZE];
    const char *at;
    uint64_t number;

    snprintf(path, sizeof(path), "%d/stat", process->pid);
    if (fd_read_at(proc_fd, path, text, sizeof(text)) <= 0 || !(at = strrchr(text, ')')))
        return false;
    if (!take_field(&at, PARENT_STEP, &number))
        return false;
    process->parent = (pid_t)number;
    return take_field(&at, STARTED_STEP, &process->started);
}

static void read_links(int proc_fd, struct process *process)
{
    char path[64], target[256];
    struct stat status;
    ssize_t n;
    const char *name;

    snprintf(path, sizeof(path), "%d/ns/pid", process->pid);
    process->pid_namespace = fstatat(proc_fd, path, &status, 0) == 0 ? status.st_ino : 0;
    snprintf(path, sizeof(path), "%d/exe", process->pid);
    n = readlinkat(proc_fd, path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    name = strrchr(target, '/');
    process->python = name && strncmp(name, "/python3", strlen("/python3")) == 0;
}

static int table_add(struct table *table, const struct process *process)
{
    if (table->n == table->capacity) {
        size_t capacity = table->capacity ? table->capacity * 2 : TABLE_FIRST;
        struct process *rows = reallocarray(table->rows, capacity, sizeof(*rows));

        if (!rows)
            return -ENOMEM;
        table->rows = rows;
        table->capacity = capacity;
    }
    table->rows[table->n++] = *process;
    return 0;
}

static int table_read(DIR *proc, struct table *table)
{
    struct dirent *entry;
    int r = 0;

    while (r == 0 && table->n < TABLE_MAX && (entry = readdir(proc))) {
        struct process process = { .pid = atoi(entry->d_name) }; /* NOLINT(cert-err34-c): 0 for words */

        if (process.pid > 0 && read_stat(dirfd(proc), &process)) {
            read_links(dirfd(proc), &process);
            r = table_add(table, &process);
        }
    }
    return r;
}

/* A parent may stand behind its child, so it takes a pass for each generation. */
static void mark_below(struct table *table, pid_t root)
{
    for (bool changed = true; changed;) {
        changed = false;
        for (size_t i = 0; i < table->n; i++) {
            struct process *process = &table->rows[i];

            for (size_t k = 0; k < table->n && !process->below; k++)
                if (table->rows[k].pid == process->parent && (process->parent == root || table->rows[k].below))
                    changed = process->below = true;
        }
    }
}

static double private_mib(int proc_fd, pid_t pid)
{
    char path[64], text[ROLLUP_SIZE];
    double kib = 0;

    snprintf(path, sizeof(path), "%d/smaps_rollup", pid);
    if (fd_read_at(proc_fd, path, text, sizeof(text)) <= 0)
        return 0;
    for (const char *at = text; (at = strstr(at, "\nPrivate_"));) {
        uint64_t number;

        at = strchr(at, ':');
        if (!at)
            break;
        at++;
        if (number_take(&at, &number))
            kib += (double)number;
    }
    return kib / KIB_PER_MIB;
}

static double namespace_mib(int proc_fd, const struct table *table, ino_t pid_namespace)
{
    double sum = 0;

    for (size_t i = 0; i < table->n; i++)
        if (table->rows[i].below && table->rows[i].pid_namespace == pid_namespace)
            sum += private_mib(proc_fd, table->rows[i].pid);
    return sum;
}

static struct process *find(struct table *table, pid_t pid)
{
    for (size_t i = 0; i < table->n; i++)
        if (table->rows[i].pid == pid)
            return &table->rows[i];
    return NULL;
}

/* A Python below which another PID namespace has one is what that was forked from. */
static bool mark_ancestors(struct table *table, const struct process *process)
{
    bool any = false;

    for (struct process *at = find(table, process->parent); at && at->below; at = find(table, at->parent))
        if (at->python && at->pid_namespace != process->pid_namespace)
            any = at->zygote = true;
    return any;
}

static void mark_oldest(struct table *table)
{
    struct process *oldest = NULL;

    for (size_t i = 0; i < table->n; i++) {
        struct process *process = &table->rows[i];

        if (process->below && process->python && (!oldest || process->started < oldest->started))
            oldest = process;
    }
    if (oldest)
        oldest->zygote = true;
}

static void mark_zygotes(struct table *table, ino_t host)
{
    bool any = false;

    for (size_t i = 0; i < table->n; i++)
        if (table->rows[i].below && table->rows[i].python)
            any |= mark_ancestors(table, &table->rows[i]) || table->rows[i].pid_namespace == host;
    if (!any)
        mark_oldest(table);
}

/* True for one Python of each cell: the first of its namespace in the table, if that is neither the host's nor a
 * zygote's. */
static bool stands_for_cell(const struct table *table, size_t at, ino_t host)
{
    const struct process *process = &table->rows[at];

    if (!process->below || !process->python || process->pid_namespace == 0 || process->pid_namespace == host)
        return false;
    for (size_t i = 0; i < table->n; i++) {
        const struct process *other = &table->rows[i];

        if (other->pid_namespace == process->pid_namespace &&
            (other->zygote || (i < at && other->below && other->python)))
            return false;
    }
    return true;
}

int bench_memory_python_cells(pid_t warden, struct bench_samples *samples)
{
    CLEANUP(table_deinit) struct table table = { 0 };
    CLEANUP(cleanup_dir) DIR *proc = opendir("/proc");
    struct stat host;
    int r;

    if (!proc || fstatat(dirfd(proc), "self/ns/pid", &host, 0) < 0)
        return error_from_errno();
    r = table_read(proc, &table);
    mark_below(&table, warden);
    mark_zygotes(&table, host.st_ino);
    for (size_t i = 0; i < table.n && r == 0; i++)
        if (stands_for_cell(&table, i, host.st_ino))
            r = bench_samples_add(samples, namespace_mib(dirfd(proc), &table, table.rows[i].pid_namespace));
    return r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/cgroup_file.h"

#define CPU_PERIOD_US     100000
#define VANISH_TIMEOUT_MS 5000
#define LEVELS_BELOW      2 /* cell, copies */
#define KEEPER            "keeper"
#define CELL              "cell"

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
static int open_oom_v1(int dir_fd, int control_fd)
{
    CLEANUP_CLOSE int event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    char text[32];

    if (control_fd < 0 || event_fd < 0)
        return -1;
    snprintf(text, sizeof(text), "%d %d", event_fd, control_fd);
    return fd_write_at(dir_fd, "cgroup.event_control", text) < 0 ? -1 : TAKE_FD(event_fd);
}

/* v2 has one file for both; what a descriptor of it has read it does not tell again. */
static void open_oom(struct cgroup_slot *slot)
{
    int dir_fd = slot->dir_fds[CGROUP_MEMORY];

    slot->oom_fd = slot->unified[CGROUP_MEMORY] ? openat(dir_fd, "memory.events", O_RDONLY | O_CLOEXEC)
                                                : open_oom_v1(dir_fd, slot->kept_fds[CGROUP_KEPT_KILLS]);
}

static const struct {
    enum cgroup_controller controller;
    const char *v1, *v2;
} kept_files[CGROUP_KEPT_FILES] = {
    [CGROUP_KEPT_KILLS] = { CGROUP_MEMORY, "memory.oom_control", "memory.events" },
    [CGROUP_KEPT_MEMORY] = { CGROUP_MEMORY, "memory.usage_in_bytes", "memory.current" },
    [CGROUP_KEPT_FORKS] = { CGROUP_PIDS, "pids.events", "pids.events" },
    [CGROUP_KEPT_CPU] = { CGROUP_ACCOUNTING, "cpuacct.usage", "cpu.stat" },
};

int cgroup_slot_keep_files(struct cgroup_slot *slot)
{
    for (int i = 0; i < CGROUP_KEPT_FILES; i++) {
        enum cgroup_controller c = kept_files[i].controller;
        const char *name = slot->unified[c] ? kept_files[i].v2 : kept_files[i].v1;

        if (slot->dir_fds[c] < 0)
            continue;
        slot->kept_fds[i] = openat(slot->dir_fds[c], name, O_RDONLY | O_CLOEXEC);
        if (slot->kept_fds[i] < 0 && errno != ENOENT)
            return error_from_errno();
    }
    return 0;
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
    int r = 0;

    for (int c = 0; c < CGROUP_CONTROLLERS && r == 0; c++) {
        char path[CGROUP_PATH_SIZE];

        if (!layout->controllers[c].found)
            continue;
        made.unified[c] = layout->controllers[c].unified;
        r = slot_path(layout, c, slot, path);
        if (r == 0 && mkdir(path, 0755) < 0 && errno != EEXIST)
            r = error_from_errno();
        if (r == 0 && (made.dir_fds[c] = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
            r = error_from_errno();
    }
    if (r == 0)
        r = cgroup_slot_keep_files(&made);
    if (r < 0) {
        cgroup_slot_close(&made);
        return r;
    }
    made.per_cell = made.unified[CGROUP_MEMORY] && made.unified[CGROUP_PIDS];
    /* Where the limits are v1's, the unified hierarchy has no figures that a cell could spoil for the next one. */
    if (!made.per_cell && made.unified[CGROUP_ACCOUNTING])
        made.shared_fd = cgroup_open_below(made.dir_fds[CGROUP_ACCOUNTING], CELL);
    made.server_fd = open_server(layout);
    open_oom(&made);
    if (!made.per_cell)
        made.peak_fd = open_peak(made.dir_fds[CGROUP_MEMORY], made.unified[CGROUP_MEMORY]);
    *ret_slot = made;
    return 0;
}

static void close_all(int *fds, int n)
{
    for (int i = 0; i < n; i++) {
        cleanup_close_fd(&fds[i]);
        fds[i] = -1;
    }
}

static void close_cell(struct cgroup_slot *slot)
{
    close_all(slot->rest_fds, CGROUP_REST_FILES);
    cleanup_close_fd(&slot->peak_fd);
    cleanup_close_fd(&slot->cell_fd);
    slot->peak_fd = slot->cell_fd = -1;
}

void cgroup_slot_close(struct cgroup_slot *slot)
{
    close_all(slot->dir_fds, CGROUP_CONTROLLERS);
    close_all(slot->kept_fds, CGROUP_KEPT_FILES);
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
        r = cgroup_remove_group(AT_FDCWD, path, LEVELS_BELOW);
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

/* A group is busy until the last of its processes, though reaped, is taken apart. */
static int remove_cell(int dir_fd)
{
    int r;

    for (int waited_ms = 0; (r = cgroup_remove_group(dir_fd, CELL, 0)) == -EBUSY && waited_ms < VANISH_TIMEOUT_MS;
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

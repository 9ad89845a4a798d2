/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_figures.c -- what a slot's groups count. */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "cell/cgroup.h"
#include "cell/cgroup_file.h"

static uint64_t or_zero(int64_t value)
{
    return value < 0 ? 0 : (uint64_t)value;
}

/* Of the slot's group, and so of all below it. Asked for the moment after a kill, when its memory is not back yet: a
 * keeper that needed any then would have the kernel kill one more. */
static int64_t kills_below(const struct cgroup_slot *slot)
{
    return cgroup_reread_keyed(slot->kept_fds[CGROUP_KEPT_KILLS], "oom_kill");
}

/* v2 can be mounted so that a group counts none of those below it (memory_localevents). */
static int64_t oom_kills(const struct cgroup_slot *slot)
{
    return slot->cell_fd >= 0 ? cgroup_read_keyed(slot->cell_fd, "memory.events", "oom_kill") : kills_below(slot);
}

/* A refused fork is counted where the process is, since Linux 6.11 where the limit is instead. */
static int64_t refused_forks(const struct cgroup_slot *slot)
{
    int64_t by_slot = cgroup_reread_keyed(slot->kept_fds[CGROUP_KEPT_FORKS], "max");
    int64_t by_cell = cgroup_read_keyed(slot->cell_fd, "pids.events", "max");

    return (int64_t)(or_zero(by_slot) + or_zero(by_cell));
}

static int64_t cpu_us(const struct cgroup_slot *slot)
{
    int fd = slot->kept_fds[CGROUP_KEPT_CPU];
    int64_t ns;

    if (slot->unified[CGROUP_ACCOUNTING])
        return cgroup_reread_keyed(fd, "usage_usec");
    ns = cgroup_reread_number(fd);
    return ns < 0 ? ns : ns / 1000;
}

int64_t cgroup_slot_memory(const struct cgroup_slot *slot)
{
    return cgroup_reread_number(slot->kept_fds[CGROUP_KEPT_MEMORY]);
}

/* Of the cell's own processes, where they are counted apart. */
static int64_t cell_memory(const struct cgroup_slot *slot)
{
    return slot->cell_fd >= 0 ? cgroup_read_number(slot->cell_fd, "memory.current") : cgroup_slot_memory(slot);
}

int64_t cgroup_slot_shared_memory(const struct cgroup_slot *slot)
{
    return cgroup_read_keyed(slot->dir_fds[CGROUP_MEMORY], "memory.stat", "shmem");
}

int64_t cgroup_slot_processes(const struct cgroup_slot *slot)
{
    return cgroup_read_number(slot->dir_fds[CGROUP_PIDS], "pids.current");
}

static int64_t peak_bytes(const struct cgroup_slot *slot)
{
    return cgroup_reread_number(slot->peak_fd);
}

/* How far a counter has moved; a file that cannot be read now (a slot without memory) has not. */
static uint32_t increase(int64_t now, uint64_t base)
{
    uint64_t moved = now < 0 || (uint64_t)now < base ? 0 : (uint64_t)now - base;

    return moved > UINT32_MAX ? UINT32_MAX : (uint32_t)moved;
}

void cgroup_slot_note_empty(struct cgroup_slot *slot)
{
    uint64_t now = or_zero(cell_memory(slot));

    /* An earlier run's memory goes a while after its last process. */
    if (slot->empty_memory_bytes == 0 || now < slot->empty_memory_bytes)
        slot->empty_memory_bytes = now;
}

/* What others left in the slot may have gone since it was noted. */
static uint64_t base_memory_bytes(const struct cgroup_slot *slot)
{
    uint64_t now = or_zero(cell_memory(slot));

    return slot->empty_memory_bytes < now ? slot->empty_memory_bytes : now;
}

int cgroup_slot_begin(struct cgroup_slot *slot)
{
    slot->base_oom_kills = or_zero(oom_kills(slot));
    slot->base_kills_below = or_zero(kills_below(slot));
    slot->base_process_limit = or_zero(refused_forks(slot));
    slot->base_cpu_us = or_zero(cpu_us(slot));
    slot->base_memory_bytes = base_memory_bytes(slot);
    slot->base_peak_bytes = or_zero(peak_bytes(slot));
    slot->peak_is_own = slot->peak_fd >= 0 && (pwrite(slot->peak_fd, "0", 1, 0) == 1 || slot->cell_fd >= 0);
    return 0;
}

struct pollfd cgroup_slot_oom_poll(const struct cgroup_slot *slot)
{
    return (struct pollfd){ .fd = slot->oom_fd, .events = slot->unified[CGROUP_MEMORY] ? POLLPRI : POLLIN };
}

uint32_t cgroup_slot_kills(const struct cgroup_slot *slot)
{
    return increase(kills_below(slot), slot->base_kills_below);
}

uint32_t cgroup_slot_oom_kills(struct cgroup_slot *slot)
{
    char told[256];
    bool unified = slot->unified[CGROUP_MEMORY];
    /* Reading makes the descriptor wait for the next time. */
    ssize_t n = unified ? pread(slot->oom_fd, told, sizeof(told), 0) : read(slot->oom_fd, told, sizeof(told));

    return n < 0 ? 0 : cgroup_slot_kills(slot);
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

/* Counts since the group was made and cannot be reset, so only a group of the cell's own tells. Absent before
 * Linux 6.1. */
static int64_t processes_peak(const struct cgroup_slot *slot)
{
    int64_t peak = cgroup_read_number(slot->cell_fd, "pids.peak");

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

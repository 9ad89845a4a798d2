/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup.h -- limits and figures of a slot, on cgroup v1, v2 and hosts that mix them.
 *
 * A process enters a slot's groups once, when the slot's keeper starts; cells inherit them by fork. Moving a process
 * into a v1 group waits for an RCU grace period (10 ms and more), a fork inside costs nothing. On v2 a process can be
 * cloned into a group; there each cell gets a fresh one below its slot's, because peaks count from a group's making and
 * kernels before 6.12 cannot reset them. The limits stay on the slot's.
 *
 * cgroup.c makes the groups and sets limits, cgroup_figures.c reads them, cgroup_freeze.c stops what is in them. */
#pragma once

#include <poll.h>
#include <stdbool.h>
#include <stdint.h>

#include "cell/cgroup_layout.h"

struct cgroup_limits {
    uint64_t memory_bytes; /* swap included */
    uint32_t processes_max;
    uint32_t cpu_millis; /* 1000 = one core */
};

#define CGROUP_SHARES_FULL 1024

/* Files of a slot's groups that are open as long as the slot: each run reads them, to open one takes longer than to
 * read it, and it takes memory of the keeper's group. */
enum cgroup_kept_file {
    CGROUP_KEPT_KILLS, /* who was killed for memory */
    CGROUP_KEPT_MEMORY,
    CGROUP_KEPT_FORKS, /* that were refused */
    CGROUP_KEPT_CPU,
    CGROUP_KEPT_FILES,
};

/* The same of the group in which copies of a zygote are born. Where that is the cell's own, they are open from the
 * first copy that rests there to the group's end. */
enum cgroup_rest_file {
    CGROUP_REST_FREEZE,
    CGROUP_REST_EVENTS,
    CGROUP_REST_FILES,
};

/* The groups of one slot. */
struct cgroup_slot {
    int dir_fds[CGROUP_CONTROLLERS]; /* -1 = not used, or the same directory as another's */
    bool unified[CGROUP_CONTROLLERS];
    bool per_cell; /* cells have groups of their own */
    int shared_fd; /* else, where there are v2 groups: one for the keeper and its cells, which it can leave; or -1 */
    bool outside;  /* the keeper has left it */
    int copies_fd; /* below that: the group that copies of a zygote are born in, which holds nobody else; or -1 */
    int server_fd; /* v1: the server's group for the processor, where a keeper can live beside its cell; -1 = it cannot
                    */
    bool aside;    /* it does */
    int cell_fd;   /* the group to clone the next cell into; -1 = cells share their keeper's */
    struct cgroup_limits current; /* what was written last */
    uint32_t shares;              /* the same */
    /* figures at the last cgroup_slot_begin() */
    uint64_t base_oom_kills, base_kills_below, base_process_limit, base_memory_bytes, base_cpu_us, base_peak_bytes;
    uint64_t empty_memory_bytes; /* the least that was charged at a cgroup_slot_note_empty(); 0 = never noted */
    int oom_fd; /* tells when the memory is used up: v1 an eventfd, v2 memory.events; -1 = this host cannot */
    int kept_fds[CGROUP_KEPT_FILES]; /* -1 = this host has no such file */
    int rest_fds[CGROUP_REST_FILES]; /* -1 = not open yet */
    int peak_fd;      /* the memory peak's file, open as long as its group: v2 resets it for one open file only */
    bool peak_is_own; /* it counts one cell alone, or could be reset: v1, and v2 since Linux 6.12 */
};

#define CGROUP_SLOT_INIT                                                                                               \
    ((struct cgroup_slot){ .dir_fds = { -1, -1, -1, -1 },                                                              \
                           .shared_fd = -1,                                                                            \
                           .copies_fd = -1,                                                                            \
                           .server_fd = -1,                                                                            \
                           .cell_fd = -1,                                                                              \
                           .oom_fd = -1,                                                                               \
                           .kept_fds = { -1, -1, -1, -1 },                                                             \
                           .rest_fds = { -1, -1 },                                                                     \
                           .peak_fd = -1 })

struct cgroup_figures { /* -1 = this host cannot tell */
    uint32_t oom_kills;
    uint32_t process_limit; /* forks refused */
    int64_t cpu_us;
    int64_t memory_peak_bytes;
    int64_t processes_peak; /* without the cell's init */
};

/* Makes the slot's groups (or takes over existing ones) and opens them. Returns 0 or a negative errno. */
int cgroup_slot_open(const struct cgroup_layout *layout, unsigned slot, struct cgroup_slot *ret_slot);
void cgroup_slot_close(struct cgroup_slot *slot);

/* Opens the files that stay open, of groups that are there; the above does that. One that this host does not have is no
 * error. Returns 0 or a negative errno. */
int cgroup_slot_keep_files(struct cgroup_slot *slot);

/* Removes the groups of a slot; every process in them must be gone. Returns 0 or a negative errno. */
int cgroup_slot_remove(const struct cgroup_layout *layout, unsigned slot);

/* Moves the calling process, the keeper, in. */
int cgroup_slot_enter(struct cgroup_slot *slot);

/* Opens what a process that is no child of the keeper must write "0" to, to be in the slot's v1 groups; the descriptors
 * carry the keeper's rights. At most n_max descriptors, which become the caller's. Returns their number or a negative
 * errno. */
int cgroup_slot_open_doors(const struct cgroup_slot *slot, int *ret_fds, int n_max);

/* The v2 group that such a process must be cloned into; -1 = none. It stays the slot's. */
int cgroup_slot_birthplace(const struct cgroup_slot *slot);

/* Replaces the group of the last cell, all of whose processes must be dead or dying, by a fresh one in slot->cell_fd;
 * does nothing where cells have none. Returns 0 or a negative errno, -EBUSY if the last cell does not vanish. */
int cgroup_slot_renew(struct cgroup_slot *slot);

/* Sets limits; writes only what differs from the last call. */
int cgroup_slot_limit(struct cgroup_slot *slot, const struct cgroup_limits *limits);

/* The share of the processors against other slots when all are busy: shares as on v1, 1024 = a full one. Returns 0 or a
 * negative errno. */
int cgroup_slot_weigh(struct cgroup_slot *slot, uint32_t shares);

/* Lets the calling process, the keeper, live on the server's share of the processors instead of its cell's, so that it
 * is in time however little the cell gets; what it clones meanwhile would not be in the slot's group.
 * cgroup_slot_step_in() ends that, and so does cgroup_slot_renew(). Return 0 or a negative errno, -ENOTSUP where a host
 * has no v1 group for the processor alone. */
int cgroup_slot_step_aside(struct cgroup_slot *slot);
int cgroup_slot_step_in(struct cgroup_slot *slot);

/* Notes what is charged while nothing of the next program is in the slot: what waits there later to be that program is
 * part of what its run takes. */
void cgroup_slot_note_empty(struct cgroup_slot *slot);

/* Notes the counters before a run. */
int cgroup_slot_begin(struct cgroup_slot *slot);

/* What happened since cgroup_slot_begin(). */
int cgroup_slot_figures(struct cgroup_slot *slot, struct cgroup_figures *ret_figures);

/* What poll(2) should wait for to learn that the slot's memory was used up; fd -1 = this host cannot tell. */
struct pollfd cgroup_slot_oom_poll(const struct cgroup_slot *slot);

/* To be called when that happened. Returns how many processes the kernel has killed for memory since
 * cgroup_slot_begin(), perhaps not yet the one it is about to. */
uint32_t cgroup_slot_oom_kills(struct cgroup_slot *slot);

/* The same number at any time. Takes no memory, so it may be asked for when the slot has none. */
uint32_t cgroup_slot_kills(const struct cgroup_slot *slot);

/* Processor time since cgroup_slot_begin() in microseconds, -1 = this host cannot tell. */
int64_t cgroup_slot_cpu_us(const struct cgroup_slot *slot);

/* Forks that the process limit refused since cgroup_slot_begin(). */
uint32_t cgroup_slot_refused_forks(const struct cgroup_slot *slot);

/* Stops every process of the cell on its way back to its own code, so that none is stopped with a lock of the kernel's
 * in its hand, or lets them go on. A kill ends them all the same. To be called by the keeper. Returns 0 or a negative
 * errno, -ENOTSUP on a host without v2 groups. */
int cgroup_slot_freeze(struct cgroup_slot *slot, bool frozen);

/* Prepares an open slot for cgroup_slot_rest(), if the host can do that: copies are born in a group of their own then.
 * Returns 0 or a negative errno. */
int cgroup_slot_let_rest(struct cgroup_slot *slot);
bool cgroup_slot_can_rest(const struct cgroup_slot *slot);

/* Stops a program that is a copy of a zygote, with all processes that it has made, and returns when the last of them
 * stands still; or lets them go on. Returns 0 or a negative errno: -ENOTSUP on a host without v2 groups, -ETIMEDOUT if
 * one does not stop (then all go on). */
int cgroup_slot_rest(struct cgroup_slot *slot, bool resting);

/* How many processes those are, the cell's init not counted, or a negative errno. */
int cgroup_slot_resting(const struct cgroup_slot *slot);

/* Processes in the slot now, or a negative errno. */
int64_t cgroup_slot_processes(const struct cgroup_slot *slot);

/* Bytes charged to the slot now, or a negative errno. */
int64_t cgroup_slot_memory(const struct cgroup_slot *slot);

/* Bytes of files in memory file systems that are charged to the slot, or a negative errno. */
int64_t cgroup_slot_shared_memory(const struct cgroup_slot *slot);

/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_freeze.c -- cells that stand still: those that fork in vain, and programs that rest between two runs. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/cgroup.h"
#include "cell/cgroup_file.h"

#define COPIES            "copies"
#define FREEZE_TIMEOUT_MS 2000
#define FREEZE_LOOK_US    1000
#define SLACK_NS          1000UL /* the kernel's own choice makes ten microseconds sixty */

bool cgroup_slot_can_rest(const struct cgroup_slot *slot)
{
    return slot->per_cell || slot->copies_fd >= 0;
}

static const struct {
    const char *name;
    int flags;
} rest_files[CGROUP_REST_FILES] = {
    [CGROUP_REST_FREEZE] = { "cgroup.freeze", O_WRONLY | O_CLOEXEC },
    [CGROUP_REST_EVENTS] = { "cgroup.events", O_RDONLY | O_CLOEXEC },
};

/* Returns a file of the group in which copies are born, the slot's, or a negative errno. */
static int rest_file(struct cgroup_slot *slot, enum cgroup_rest_file which)
{
    int dir_fd = cgroup_slot_can_rest(slot) ? cgroup_slot_birthplace(slot) : -1;
    int *fd = &slot->rest_fds[which];

    if (dir_fd < 0)
        return -ENOTSUP;
    if (*fd < 0)
        *fd = openat(dir_fd, rest_files[which].name, rest_files[which].flags);
    return *fd < 0 ? error_from_errno() : *fd;
}

int cgroup_slot_let_rest(struct cgroup_slot *slot)
{
    int fd = 0;

    if (slot->per_cell || slot->shared_fd < 0)
        return 0;
    slot->copies_fd = cgroup_open_below(slot->shared_fd, COPIES);
    if (slot->copies_fd < 0)
        return error_from_errno();
    for (int i = 0; i < CGROUP_REST_FILES && fd >= 0; i++)
        fd = rest_file(slot, (enum cgroup_rest_file)i);
    return fd < 0 ? fd : 0;
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

/* The kernel tells whoever polls the file of two changes within 10 ms (CGROUP_FILE_NOTIFY_MIN_INTV) only when these are
 * over, and what waits in a system call stands still after some microseconds: so it is looked at, ever less often. */
static int look_until_frozen(int events_fd)
{
    int64_t until_us = clock_monotonic_us() + FREEZE_TIMEOUT_MS * 1000;
    char text[256];

    for (useconds_t pause_us = 10; clock_monotonic_us() < until_us;
         pause_us += pause_us < FREEZE_LOOK_US ? pause_us : 0) {
        ssize_t n = pread(events_fd, text, sizeof(text) - 1, 0);

        if (n < 0)
            return error_from_errno();
        text[n] = '\0';
        if (strstr(text, "frozen 1"))
            return 0;
        usleep(pause_us);
    }
    return -ETIMEDOUT;
}

/* The slack is the keeper's own again afterwards: the programs of the cells that it makes inherit it. */
static int await_frozen(struct cgroup_slot *slot)
{
    int events_fd = rest_file(slot, CGROUP_REST_EVENTS), r;

    if (events_fd < 0)
        return events_fd;
    (void)prctl(PR_SET_TIMERSLACK, SLACK_NS, 0UL, 0UL, 0UL);
    r = look_until_frozen(events_fd);
    (void)prctl(PR_SET_TIMERSLACK, 0UL, 0UL, 0UL, 0UL);
    return r;
}

int cgroup_slot_rest(struct cgroup_slot *slot, bool resting)
{
    int freeze_fd = rest_file(slot, CGROUP_REST_FREEZE), r = 0;

    if (freeze_fd < 0)
        return freeze_fd;
    if (pwrite(freeze_fd, resting ? "1" : "0", 1, 0) < 0)
        return error_from_errno();
    if (resting && (r = await_frozen(slot)) < 0 && pwrite(freeze_fd, "0", 1, 0) < 0)
        return error_from_errno();
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot_cell.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "warden/rest.h"

#define ARM_TIMEOUT_MS 10000

static bool fd_readable(int fd, int timeout_ms)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };

    return poll(&p, 1, timeout_ms) > 0;
}

static struct cell_options cell_options(const struct slot *slot)
{
    const struct warden_options *o = slot->context->options;

    return (struct cell_options){
        .filter = slot->context->filter,
        .hostname = o->hostname,
        .host_uid = slot->uid,
        .inside_uid = (uid_t)o->sandbox_uid,
        .tmp_bytes = o->tmp_mb << 20,
        .cgroup_fd = slot->cgroup.cell_fd,
    };
}

/* Most programs have no inputs, and then the workspace can be there before they are. */
static void lay_workspace(struct slot *slot)
{
    if (slot->laid_bytes == 0 || workspace_new(-1, slot->idmap_fd, slot->uid, slot->laid_bytes, &slot->laid) < 0)
        return;
    if (slot_attach(slot, slot->laid.mount_fd) < 0)
        workspace_deinit(&slot->laid);
}

int slot_arm(struct slot *slot)
{
    struct cell_options options;
    struct cell_report report;
    CLEANUP_CLOSE int report_fd = -1;
    int r = cgroup_slot_renew(&slot->cgroup);

    options = cell_options(slot);
    if (r == 0)
        r = cell_arm(&options, &slot->cell);
    if (r < 0)
        return r;
    r = fd_readable(slot->cell.control_fd, ARM_TIMEOUT_MS) ? cell_report(&slot->cell, &report, &report_fd) : -ETIMEDOUT;
    if (r < 0)
        return r;
    if (report.type != CELL_ARMED) {
        log_error("slot %u: cell step %s: %s", slot->index, report.name, strerror(report.error));
        return -report.error;
    }
    slot->armed = true;
    lay_workspace(slot);
    stock_new_cell(&slot->stock);
    cgroup_slot_note_empty(&slot->cgroup);
    return 0;
}

void slot_end_cell(struct slot *slot)
{
    stock_release(&slot->stock);
    rest_end(&slot->rest_fd);
    workspace_deinit(&slot->laid);
    cell_kill(&slot->cell);
    cell_reap(&slot->cell);
}

void slot_discard_cell(struct slot *slot)
{
    slot_end_cell(slot);
    cell_close(&slot->cell);
    slot->armed = false;
}

static int came_back(const struct slot *slot, int r)
{
    if (r == -ENOTRECOVERABLE) {
        log_error("slot %u: the way back from a cell's mounts is gone", slot->index);
        _exit(1);
    }
    return r;
}

int slot_attach(struct slot *slot, int mount_fd)
{
    return came_back(slot, cell_attach(&slot->cell, slot->home_fd, mount_fd));
}

int slot_replace_mounts(struct slot *slot, int mount_fd)
{
    struct cell_options options = cell_options(slot);

    return came_back(slot, cell_replace_mounts(&slot->cell, &options, slot->home_fd, mount_fd));
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot_place.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "cell/listener.h"
#include "cell/namespaces.h"
#include "cell/rootfs.h"

#define EMPTY_TIMEOUT_MS 5000

#define RELEASE_TIMEOUT_MS 30000
#define RELEASE_LOOK_MS    2
#define RELEASED_BYTES     (32 << 20) /* the kernel's figure lags by some pages a CPU */

#define KEEPER_NICE (-20)

static int open_host_proc(struct slot *slot)
{
    char self[16];

    slot->proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(self, sizeof(self), "%d", (int)getpid());
    if (slot->proc_fd < 0 || (slot->proc_self_fd = openat(slot->proc_fd, self, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return error_from_errno();
    return namespaces_idmap(slot->proc_fd, (uid_t)slot->context->options->api_uid, slot->uid, &slot->idmap_fd);
}

static int enter_cgroup(struct slot *slot)
{
    int r = cgroup_slot_open(slot->context->cgroups, slot->index, &slot->cgroup);

    if (r == 0 && slot->context->options->hot)
        r = cgroup_slot_let_rest(&slot->cgroup);
    return r ? r : cgroup_slot_enter(&slot->cgroup);
}

static int enter_root(struct slot *slot)
{
    int root_fd = slot->context->root_fd;

    if (fchdir(root_fd) < 0 || unshare(CLONE_NEWNS) < 0 || close(root_fd) < 0)
        return error_from_errno();
    slot->home_fd = openat(slot->proc_self_fd, "ns/mnt", O_RDONLY | O_CLOEXEC);
    return slot->home_fd < 0 ? error_from_errno() : rootfs_enter();
}

static int open_port(struct slot *slot)
{
    return slot->context->wan ? wan_port_open(slot->context->wan, slot->index, &slot->port) : 0;
}

static int listen_for_proxy(struct slot *slot)
{
    cleanup_close_fd(&slot->listener_fd);
    slot->listener_fd = -1;
    slot->listener_told = false;
    return listener_open((uint16_t)slot->context->options->proxy_port, &slot->listener_fd);
}

static int new_network(struct slot *slot)
{
    int r = namespaces_new_network();

    if (r == 0 && slot->context->wan)
        r = wan_port_connect(&slot->port);
    if (r == 0 && slot->context->options->proxy_hosts)
        r = listen_for_proxy(slot);
    cleanup_close_fd(&slot->stock.place.network_fd);
    slot->stock.place.network_fd = openat(slot->proc_self_fd, "ns/net", O_RDONLY | O_CLOEXEC);
    slot->network_print = namespaces_network_print(slot->proc_self_fd);
    return r;
}

static bool network_is_fresh(const struct slot *slot)
{
    uint64_t print = namespaces_network_print(slot->proc_self_fd);

    return print != 0 && print == slot->network_print;
}

/* A keeper shares the processors' share of its cell: among hundreds of busy processes it must still see that their time
 * is over. */
static int prefer_attention(struct slot *slot)
{
    (void)slot;
    (void)setpriority(PRIO_PROCESS, 0, KEEPER_NICE);
    return 0;
}

/* The kernel should sooner kill anything in the cell than its keeper. Not every host grants the right to say so. */
static int prefer_survival(struct slot *slot)
{
    (void)fd_write_at(slot->proc_self_fd, "oom_score_adj", "-999");
    return 0;
}

static const struct {
    const char *name;
    int (*run)(struct slot *slot);
} setup_steps[] = {
    { "host proc", open_host_proc },      { "cgroup", enter_cgroup },
    { "place on the switch", open_port }, { "network namespace", new_network },
    { "root file system", enter_root },   { "out-of-memory score", prefer_survival },
    { "priority", prefer_attention },
};

int slot_place_enter(struct slot *slot)
{
    for (size_t i = 0; i < ARRAY_SIZE(setup_steps); i++) {
        int r = setup_steps[i].run(slot);

        if (r < 0) {
            log_error("slot %u: %s: %s", slot->index, setup_steps[i].name, strerror(-r));
            return r;
        }
    }
    return 0;
}

/* The slot may be used again when the kernel says that nobody but the keeper is in it. */
static int wait_until_empty(struct slot *slot)
{
    for (int waited_ms = 0; cgroup_slot_processes(&slot->cgroup) > 1; waited_ms++) {
        if (waited_ms >= EMPTY_TIMEOUT_MS)
            return -EBUSY;
        usleep(1000);
    }
    return 0;
}

/* The api reads a cell's files for a while after the answer, and one open file keeps the whole workspace in memory that
 * the slot's limit counts: the next cell would have to live with what is left. An api that never lets go harms but
 * itself. */
static void wait_until_released(const struct slot *slot)
{
    for (int waited_ms = 0; waited_ms < RELEASE_TIMEOUT_MS; waited_ms += RELEASE_LOOK_MS) {
        if (cgroup_slot_shared_memory(&slot->cgroup) <= RELEASED_BYTES)
            return;
        usleep(RELEASE_LOOK_MS * 1000);
    }
    log_warning("slot %u: files of an earlier execution are still open", slot->index);
}

int slot_place_renew(struct slot *slot)
{
    int r = wait_until_empty(slot);

    wait_until_released(slot);
    if (r == 0 && !network_is_fresh(slot))
        r = new_network(slot);
    return r;
}

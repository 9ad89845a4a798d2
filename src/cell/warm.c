/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/warm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "wire/packet.h"
#include "wire/zygote.h"

static int send_order(int zygote_fd, const struct warm_place *place, const struct cell *cell, int socket_fd)
{
    int fds[ZYGOTE_ORDER_FDS + ZYGOTE_DOORS_MAX + 1], n_fds = ZYGOTE_ORDER_FDS;
    int group_fd = cgroup_slot_birthplace(place->cgroup);
    int n = cgroup_slot_open_doors(place->cgroup, fds + ZYGOTE_ORDER_FDS, ZYGOTE_DOORS_MAX), r;
    struct zygote_order order = {
        .inside_uid = place->inside_uid,
        .n_doors = (uint32_t)n,
        .clone_into = group_fd >= 0,
    };

    if (n < 0)
        return n;
    n_fds += n;
    fds[ZYGOTE_ORDER_SOCKET] = socket_fd;
    fds[ZYGOTE_ORDER_PID] = cell->namespace_fds[CELL_NS_PID];
    fds[ZYGOTE_ORDER_MOUNT] = cell->namespace_fds[CELL_NS_MOUNT];
    fds[ZYGOTE_ORDER_NETWORK] = place->network_fd;
    fds[ZYGOTE_ORDER_IPC] = cell->namespace_fds[CELL_NS_IPC];
    fds[ZYGOTE_ORDER_UTS] = cell->namespace_fds[CELL_NS_UTS];
    fds[ZYGOTE_ORDER_USER] = cell->namespace_fds[CELL_NS_USER];
    if (order.clone_into)
        fds[n_fds++] = group_fd;
    r = packet_send(zygote_fd, &order, sizeof(order), fds, (size_t)n_fds);
    for (int i = 0; i < n; i++)
        close(fds[ZYGOTE_ORDER_FDS + i]);
    return r;
}

static int open_socket(struct warm *ret_warm, int sockets[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_from_errno();
    packet_refuse_fds(sockets[0]); /* the far end may be a program's, later (wire/zygote.h) */
    *ret_warm = WARM_INIT;
    ret_warm->socket_fd = sockets[0];
    return 0;
}

/* The far end must not stay open here, or the death of who has it would not be seen. */
static int ordered(struct warm *warm, int far_fd, int r)
{
    close(far_fd);
    if (r < 0)
        warm_drop(warm);
    return r;
}

int warm_order(enum warm_kind kind, const struct warm_place *place, const struct cell *cell, struct warm *ret_warm)
{
    int sockets[2], r = open_socket(ret_warm, sockets);

    return r ? r : ordered(ret_warm, sockets[1], send_order(place->zygote_fds[kind], place, cell, sockets[1]));
}

int warm_order_runtime(const struct runtime_order *order, const struct cell *cell, struct warm *ret_warm)
{
    int sockets[2], source[2] = { -1, -1 }, r = open_socket(ret_warm, sockets);

    if (r < 0)
        return r;
    if (warm_traits((enum warm_kind)order->kind)->has_transpiler && pipe2(source, O_CLOEXEC) < 0)
        r = error_from_errno();
    ret_warm->source_fd = source[1];
    r = ordered(ret_warm, sockets[1], r ? r : cell_start_runtime(cell, order, sockets[1], source[0]));
    cleanup_close_fd(&source[0]);
    return r;
}

int warm_await(struct warm *warm, int timeout_ms)
{
    struct pollfd p = { .fd = warm->socket_fd, .events = POLLIN };
    struct zygote_copy_ready ready;
    int fds[PACKET_FDS_MAX];
    size_t n_fds;
    ssize_t n;

    if (poll(&p, 1, timeout_ms) <= 0)
        return -ETIMEDOUT;
    n = packet_receive(warm->socket_fd, &ready, sizeof(ready), MSG_DONTWAIT, fds, &n_fds);
    for (size_t i = 0; n > 0 && i < n_fds; i++)
        close(fds[i]);
    if (n != sizeof(ready) || ready.pid <= 1)
        return n < 0 && n != -ECONNRESET ? (int)n : -EPIPE;
    warm->pid = ready.pid;
    return 0;
}

void warm_drop(struct warm *warm)
{
    cleanup_close_fd(&warm->socket_fd);
    cleanup_close_fd(&warm->source_fd);
    *warm = WARM_INIT;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/wan_port.h"

#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/netlink.h"

/* Indexes in namespaces that are ours alone, above what the kernel makes by itself. */
#define CELL_INDEX 100
#define PORT_INDEX 200 /* + slot */

#define SLOTS 1024u /* addresses of one turn */
#define TURNS ((1u << (32 - WAN_CELLS_BITS)) / SLOTS)

/* What holds in a cell's network. A kernel without IPv6 has no such files. */
static const char *const settings[] = {
    "sys/net/ipv6/conf/all/disable_ipv6",
    "sys/net/ipv6/conf/default/disable_ipv6",
};

static int open_network(const struct wan *wan, int *ret_fd)
{
    int fd = openat(wan->proc_fd, "thread-self/ns/net", O_RDONLY | O_CLOEXEC);

    if (fd < 0)
        return error_from_errno();
    *ret_fd = fd;
    return 0;
}

/* Every odd step visits all turns; which one comes next is not for a cell to count from. */
static int choose_turns(struct wan_port *port)
{
    uint32_t random[2];

    if (getrandom(random, sizeof(random), 0) != sizeof(random))
        return error_from_errno();
    port->turn = random[0];
    port->step = random[1] | 1;
    return 0;
}

int wan_port_open(const struct wan *wan, unsigned slot, struct wan_port *ret_port)
{
    struct wan_port port = { .wan = wan, .slot = slot, .netlink_fd = -1 };
    CLEANUP_CLOSE int home = -1;
    int r = choose_turns(&port);

    if (r == 0)
        r = open_network(wan, &home);
    if (r == 0 && setns(wan->switch_fd, CLONE_NEWNET) < 0)
        r = error_from_errno();
    if (r == 0)
        r = netlink_open(&port.netlink_fd);
    if (home >= 0 && setns(home, CLONE_NEWNET) < 0)
        r = error_from_errno();
    if (r == 0)
        *ret_port = port;
    else
        cleanup_close_fd(&port.netlink_fd);
    return r;
}

static uint32_t next_address(struct wan_port *port)
{
    port->turn += port->step;
    return WAN_CELLS_FIRST + (port->turn % TURNS) * SLOTS + port->slot;
}

static int close_ipv6(const struct wan *wan)
{
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(settings) && (r == 0 || r == -ENOENT); i++)
        r = fd_write_at(wan->proc_fd, settings[i], "1");
    return r == -ENOENT ? 0 : r;
}

static int plug_in(struct wan_port *port, uint32_t address)
{
    int index = PORT_INDEX + (int)port->slot, r;
    CLEANUP_CLOSE int ns_fd = -1;
    char name[IF_NAMESIZE];

    snprintf(name, sizeof(name), "cell%u", port->slot);
    r = open_network(port->wan, &ns_fd);
    if (r == 0)
        r = netlink_link_delete(port->netlink_fd, index);
    if (r == 0 || r == -ENODEV)
        r = netlink_pair_new(port->netlink_fd, &(struct netlink_end){ name, index, -1 },
                             &(struct netlink_end){ "eth0", CELL_INDEX, ns_fd });
    if (r == 0)
        r = netlink_link_up(port->netlink_fd, index);
    return r ? r : netlink_route_add(port->netlink_fd, index, address);
}

int wan_port_connect(struct wan_port *port)
{
    uint32_t address = next_address(port);
    CLEANUP_CLOSE int fd = -1;
    int r = close_ipv6(port->wan);

    if (r == 0)
        r = plug_in(port, address);
    if (r == 0)
        r = netlink_open(&fd);
    if (r == 0)
        r = netlink_link_up(fd, CELL_INDEX);
    if (r == 0)
        r = netlink_address_add(fd, CELL_INDEX, address);
    return r ? r : netlink_default_route_add(fd, CELL_INDEX, WAN_NOBODY);
}

int wan_port_disconnect(struct wan_port *port)
{
    int r = netlink_link_delete(port->netlink_fd, PORT_INDEX + (int)port->slot);

    return r == -ENODEV ? 0 : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* netlink.h -- the few requests to the kernel's routing netlink that networks of cells are made with.
 *
 * A socket acts in the network namespace in which it was opened, wherever its process is later. Links, addresses and
 * routes are named by index; those of networks that are ours alone have fixed ones. Each function waits for the
 * kernel's answer and returns 0 or the negative errno in it. */
#pragma once

#include <stdint.h>

/* One end of a pair. */
struct netlink_end {
    const char *name;
    int index; /* 0 = the kernel's choice */
    int ns_fd; /* network namespace it is made in; -1 = the socket's */
};

/* Opens a socket in the calling thread's network namespace. The caller owns *ret_fd. */
int netlink_open(int *ret_fd);

/* Makes a veth pair, down. Both ends have the same hardware address and speak no ARP: whatever goes in at one end comes
 * out at the other, and there is no table that anybody could spoof. -EEXIST: a name or index is taken. */
int netlink_pair_new(int fd, const struct netlink_end *here, const struct netlink_end *there);

/* Removes a link, and with it the other end; at once, not when its namespace has been taken down. */
int netlink_link_delete(int fd, int index);
int netlink_link_up(int fd, int index);

/* Gives a link a single address (host order). */
int netlink_address_add(int fd, int index, uint32_t address);

/* Routes one address over a link. -EEXIST: there is such a route. */
int netlink_route_add(int fd, int index, uint32_t address);

/* Routes everything over a link. gateway is an address that nobody has: without one, every destination would take a
 * place in the kernel's one table of neighbours. */
int netlink_default_route_add(int fd, int index, uint32_t gateway);

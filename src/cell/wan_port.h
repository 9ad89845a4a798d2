/* SPDX-License-Identifier: Apache-2.0 */
/* wan_port.h -- a slot's place on the switch of wan.h; its keeper's part. */
#pragma once

#include "cell/wan.h"

struct wan_port {
    const struct wan *wan;
    unsigned slot;
    int netlink_fd;      /* acts in the switch; -1 = no place there */
    uint32_t turn, step; /* which address is next */
};

#define WAN_PORT_INIT ((struct wan_port){ .netlink_fd = -1 })

/* Leaves the calling process, which is single-threaded, in the network namespace it was in. Returns 0 or a negative
 * errno. */
int wan_port_open(const struct wan *wan, unsigned slot, struct wan_port *ret_port);

/* Gives the fresh network namespace that the calling process is in a way to the switch, in place of the slot's last
 * one, under an address that no cell had for long: packets that come late for another's are nobody's. IPv6 is off in
 * it. Returns 0 or a negative errno. */
int wan_port_connect(struct wan_port *port);

/* Takes the way to the switch away from the network that was connected last, before a program comes that may not have
 * it. Returns 0 or a negative errno. */
int wan_port_disconnect(struct wan_port *port);

/* SPDX-License-Identifier: Apache-2.0 */
/* wan_rules.h -- what the packet filter is told, as text for nft(8).
 *
 * Two tables: one in the switch, the network namespace in which all cells' links end, which decides what a cell may
 * reach; and one on the host, which keeps what comes from the switch away from the host itself and translates its one
 * address. wan.h has the whole picture. */
#pragma once

#include <stdint.h>

#include "base/buffer.h"

#define WAN_RULES_MAX_BYTES 16384

/* Addresses inside, host order. Each new network of a cell gets one of WAN_CELLS_FIRST and up; the host sees but the
 * switch's own. Neither is routed on any network: RFC 6598, RFC 7335, RFC 7600. */
#define WAN_CELLS_FIRST   0x64400000u /* 100.64.0.0/10 */
#define WAN_CELLS_BITS    10u
#define WAN_UPLINK_FIRST  0xc0000000u /* 192.0.0.0 + number */
#define WAN_NOBODY        0xc0000008u /* 192.0.0.8 */
#define WAN_UPLINK_PREFIX "codecell-wan"
#define WAN_NUMBERS       6 /* servers with a network on one host: 1 and up */

struct wan_options {
    const char *name;         /* of the network; names the tables */
    const char *name_servers; /* comma list of IPv4 addresses: the only ones that answer on port 53 */
    const char *closed_ports; /* comma list of TCP ports; may be empty */
    uint64_t connections_per_second, connections_max, mbit_per_second; /* of one cell */
};

/* Appends the switch's table. Returns 0 or a negative errno. */
int wan_rules_switch(const struct wan_options *options, struct buffer *text);

/* Appends the host's table for the network of this number; replaces what an earlier server left. */
int wan_rules_host(const struct wan_options *options, unsigned number, struct buffer *text);

/* Appends the command that removes it. */
int wan_rules_host_gone(const struct wan_options *options, unsigned number, struct buffer *text);

/* Appends a command that fails if it is not there. */
int wan_rules_host_there(const struct wan_options *options, unsigned number, struct buffer *text);

/* Append a table that forwards nothing but what belongs to networks of cells, for a host that forwarded nothing before;
 * a command that fails if it is not there; one that removes it. */
int wan_rules_forward_only(struct buffer *text);
int wan_rules_forward_only_there(struct buffer *text);
int wan_rules_forward_only_gone(struct buffer *text);

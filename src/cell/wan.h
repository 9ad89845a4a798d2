/* SPDX-License-Identifier: Apache-2.0 */
/* wan.h -- networks of cells that reach public addresses (security.md S4.2).
 *
 *     cell ── eth0 │ cell<slot> ── switch ── uplink │ codecell-wan<number> ── host ── the world
 *
 * The switch is a network namespace of the server's own. Every cell's network is one pair with one end in it, so that
 * its rules (wan_rules.h) see each packet: cells speak through it to public addresses only, never to each other, and
 * nobody speaks to them first. It translates all cells to one address; the host forwards and translates that one, and
 * lets nothing from there in. No link of a cell ever appears among the host's.
 *
 * Nothing of it outlives the server but, if it is killed, rules on the host about a link that is gone; the next start
 * replaces them, or takes them back. Whoever is in a cell owns none of these namespaces and can change nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cell/nft.h"
#include "cell/wan_rules.h"

/* The warden's part. */
struct wan {
    struct wan_options options; /* texts are borrowed */
    int switch_fd;              /* the network namespace; -1 = none. Like proc_fd not among the low numbers (slot.c) */
    int proc_fd;                /* a writable /proc, detached */
    unsigned number;            /* of the network on this host; 0 = none */
    char redirects[8];          /* the host's setting before it was made to forward; "" = it was not, or not by this */
};

#define WAN_INIT ((struct wan){ .switch_fd = -1, .proc_fd = -1 })

/* Makes the switch, loads all rules, and lets the host forward, if it did not: then nothing else but this. Leaves the
 * calling process, which must be single-threaded, in the network namespace it was in. Returns 0 or a negative errno;
 * then reason says what was refused. */
int wan_open(const struct wan_options *options, struct wan *ret_wan, char reason[static NFT_REASON_SIZE]);

/* Takes everything back. Accepts what was never opened. */
void wan_close(struct wan *wan);

/* For a server without such a network: takes back what one of that name that was killed left, the host's forwarding
 * above all, if no other has one. Asks nft only on a host that forwards and follows connections. Returns whether there
 * was anything. */
bool wan_forget(const char *name);

/* Tries in the calling process's (throw-away) network namespace whether rules as these can be loaded and links be made.
 * Returns as wan_open(). */
int wan_try(const struct wan_options *options, char reason[static NFT_REASON_SIZE]);

/* SPDX-License-Identifier: Apache-2.0 */
/* proxy.h -- the process that cells with an allow-list speak to (security.md S4.3).
 *
 * Its listening sockets are made in the cells' own network namespaces, at 127.0.0.1, and handed to it: a cell has no
 * link, no route and no other way out, and the proxy no way in. One thread a connection, bounded for each slot. */
#pragma once

#include <stdint.h>

#include "egress/allowlist.h"

#define PROXY_SLOTS_MAX            1024
#define PROXY_CONNECTIONS_MAX      512
#define PROXY_CONNECTIONS_SLOT_MAX 32
#define PROXY_TICK_MS              100
#define PROXY_CONNECTIONS_TICK_MAX 20 /* of one slot; what comes faster waits for the next tick */

#define PROXY_LOG UINT32_MAX /* for a slot: what comes with it is the log now */

/* What comes over the feed, each with one listening socket, which replaces the slot's last one: connections that were
 * taken from that one end, because the network that they come from is gone. */
struct proxy_listener {
    uint32_t slot;
};

/* Serves until the feed ends. Returns 0 or a negative errno. */
int proxy_run(const struct allowlist *list, int feed_fd);

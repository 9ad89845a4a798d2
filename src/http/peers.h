/* SPDX-License-Identifier: Apache-2.0 */
/* peers.h -- how many connections each peer holds, so that one cannot take all there are. Peers in exempt
 * blocks (trusted proxies, behind which many clients are) are not counted. Memory is bounded by the connections that
 * live. Thread-safe. Internal. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "http/address.h"

struct peers;

/* limit 0 = none; exempt is borrowed. Returns 0 or -ENOMEM. */
int peers_new(unsigned limit, const struct address_block *exempt, size_t n_exempt, struct peers **ret_peers);
struct peers *peers_free(struct peers *peers); /* returns NULL, accepts NULL */

/* Whether one more connection of this peer is welcome. Nothing is counted yet: connections that are accepted at the
 * same moment may pass the limit by a few. */
bool peers_admit(struct peers *peers, const struct address *peer);

/* Bracket the life of a connection. Out of memory it is not counted. */
void peers_enter(struct peers *peers, const struct address *peer);
void peers_leave(struct peers *peers, const struct address *peer);

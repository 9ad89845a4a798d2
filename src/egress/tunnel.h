/* SPDX-License-Identifier: Apache-2.0 */
/* tunnel.h -- one connection of a program to the proxy, from its request to its end (security.md S4.3). */
#pragma once

#include <stdint.h>

#include "egress/allowlist.h"

/* Serves the connection, which stays the caller's and is non-blocking: reads a CONNECT, looks whether its host is
 * listed, dials it, answers, and lets bytes through once they have turned out to begin with a TLS hello for the same
 * host. Lines of the log name slot and host. Waits, for each step a bounded time. */
void tunnel_serve(const struct allowlist *list, unsigned slot, int client_fd);

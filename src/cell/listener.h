/* SPDX-License-Identifier: Apache-2.0 */
/* listener.h -- a cell's one window, if it has an allow-list: a listening socket at 127.0.0.1 in its own network, held
 * by the proxy outside. */
#pragma once

#include <stdint.h>

/* Listens in the network namespace of the calling process. Programs in it can neither take the port over nor share it.
 * Returns 0 and a non-blocking socket that the caller owns, or a negative errno. */
int listener_open(uint16_t port, int *ret_fd);

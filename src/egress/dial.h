/* SPDX-License-Identifier: Apache-2.0 */
/* dial.h -- from a host's name to a connection. */
#pragma once

#include <stdint.h>

enum dial_outcome {
    DIAL_E_PRIVATE = 1, /* the name leads, also, to an address that programs may not reach */
    DIAL_E_FAILED = 2,  /* unknown, or nobody answers */
};

/* Looks the name up, once and as it is, whatever domains the resolver would search, and connects to one of the
 * addresses that were found and judged, each of which has its share of the time. IPv4 only. Gives up when the monotonic
 * clock says deadline_us; the lookup keeps to the resolver's own time. Returns 0 and a non-blocking socket that the
 * caller owns, or an outcome. */
int dial(const char *host, uint16_t port, int64_t deadline_us, int *ret_fd);

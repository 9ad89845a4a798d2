/* SPDX-License-Identifier: Apache-2.0 */
/* public_address.h -- which IPv4 addresses programs may never reach, whatever lets them out: one table for the packet
 * filter of public networks, for the proxy, and for what the audit log says of both. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct address_range {
    const char *text; /* "10.0.0.0/8" */
    uint32_t first;   /* host order */
    unsigned bits;
};

#define PRIVATE_RANGES 13
extern const struct address_range private_ranges[PRIVATE_RANGES];

/* address: host order. True if it lies in none of the ranges. */
bool address_is_public(uint32_t address);

/* True if packets for it end in this network namespace; also if that cannot be found out. */
bool address_is_own(uint32_t address);

/* Steps through a comma list of IPv4 addresses; blanks around an entry are skipped. *cursor starts at the list. Returns
 * 1 and the next address in host order, 0 at the end, -EINVAL for what is no address. */
int address_list_next(const char **cursor, uint32_t *ret_address);

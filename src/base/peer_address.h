/* SPDX-License-Identifier: Apache-2.0 */
/* peer_address.h -- by which address a peer is counted, wherever peers are. Addresses of one IPv6 /64 are one peer,
 * because a single host owns them all. */
#pragma once

#include <stdint.h>

#define PEER_ADDRESS_SIZE 16 /* IPv6; IPv4 as mapped into it */

/* Of a /64 the first. */
void peer_address_normalise(const uint8_t address[static PEER_ADDRESS_SIZE],
                            uint8_t ret_address[static PEER_ADDRESS_SIZE]);

/* For tables: whoever does not know the seed, which is drawn once for each, cannot aim at one place. */
void peer_address_seed(uint64_t ret_seed[static 2]);
uint64_t peer_address_hash(const uint8_t address[static PEER_ADDRESS_SIZE], const uint64_t seed[static 2]);

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/peer_address.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void peer_address_normalise(const uint8_t address[static PEER_ADDRESS_SIZE],
                            uint8_t ret_address[static PEER_ADDRESS_SIZE])
{
    static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

    memcpy(ret_address, address, PEER_ADDRESS_SIZE);
    if (memcmp(address, mapped, sizeof(mapped)) != 0)
        memset(ret_address + 8, 0, 8);
}

void peer_address_seed(uint64_t ret_seed[static 2])
{
    const size_t size = 2 * sizeof(*ret_seed);

    if (getrandom(ret_seed, size, 0) != (ssize_t)size)
        abort(); /* never short nor interrupted up to 256 bytes (random(4)) */
}

static uint64_t mix(uint64_t x)
{
    x ^= x >> 33;
    x *= UINT64_C(0xff51afd7ed558ccd);
    x ^= x >> 33;
    x *= UINT64_C(0xc4ceb9fe1a85ec53);
    return x ^ x >> 33;
}

uint64_t peer_address_hash(const uint8_t address[static PEER_ADDRESS_SIZE], const uint64_t seed[static 2])
{
    uint64_t halves[2];

    memcpy(halves, address, sizeof(halves));
    return mix(mix(halves[0] ^ seed[0]) + halves[1] + seed[1]);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/public_address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"

#define RANGE(a, b, c, d, bits)                                                                                        \
    {                                                                                                                  \
#a "." #b "." #c "." #d "/" #bits, (a##u << 24 | b##u << 16 | c##u << 8 | d##u), bits                          \
    }

/* Beside what is private, local or reserved: shared addresses of providers, where cloud services answer too, the one
 * public address at which a cloud's machines find its platform, and the two ranges that carry IPv6 or benchmarks. The
 * ranges for documentation are routed nowhere and need no rule. */
const struct address_range private_ranges[PRIVATE_RANGES] = {
    RANGE(0, 0, 0, 0, 8),        RANGE(10, 0, 0, 0, 8),     RANGE(100, 64, 0, 0, 10), RANGE(127, 0, 0, 0, 8),
    RANGE(168, 63, 129, 16, 32), RANGE(169, 254, 0, 0, 16), RANGE(172, 16, 0, 0, 12), RANGE(192, 0, 0, 0, 24),
    RANGE(192, 88, 99, 0, 24),   RANGE(192, 168, 0, 0, 16), RANGE(198, 18, 0, 0, 15), RANGE(224, 0, 0, 0, 4),
    RANGE(240, 0, 0, 0, 4),
};

bool address_is_public(uint32_t address)
{
    for (size_t i = 0; i < PRIVATE_RANGES; i++)
        if ((address ^ private_ranges[i].first) >> (32 - private_ranges[i].bits) == 0)
            return false;
    return true;
}

/* Multicast leaves by an address of the machine's own only. bind() asks the same, but is told yes for every address
 * where net.ipv4.ip_nonlocal_bind is set; what connect() takes for the sender's address is the first of a network's. */
bool address_is_own(uint32_t address)
{
    const struct in_addr own = { htonl(address) };
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    return fd < 0 || setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &own, sizeof(own)) == 0 || errno != EADDRNOTAVAIL;
}

int address_list_next(const char **cursor, uint32_t *ret_address)
{
    const char *start = *cursor + strspn(*cursor, " \t,");
    size_t length = strcspn(start, " \t,");
    char text[INET_ADDRSTRLEN];
    struct in_addr address;

    *cursor = start + length;
    if (length == 0)
        return 0;
    if (length >= sizeof(text))
        return -EINVAL;
    memcpy(text, start, length);
    text[length] = '\0';
    if (inet_pton(AF_INET, text, &address) != 1)
        return -EINVAL;
    *ret_address = ntohl(address.s_addr);
    return 1;
}

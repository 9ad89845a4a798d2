/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/dial.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <resolv.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/public_address.h"

#define SHARE_MIN_US 1000000 /* for one address, while there is time */

/* A public address may be this machine's own, where services listen that nobody outside is meant to reach. */
static bool may_be_reached(const struct addrinfo *info)
{
    const struct sockaddr_in *address = (const struct sockaddr_in *)info->ai_addr;

    return info->ai_family == AF_INET && address_is_public(ntohl(address->sin_addr.s_addr)) &&
           !address_is_own(ntohl(address->sin_addr.s_addr));
}

static bool becomes_connected(int fd, int64_t deadline_us)
{
    struct pollfd p = { .fd = fd, .events = POLLOUT };
    int64_t left_us = deadline_us - clock_monotonic_us();
    int error = 0;
    socklen_t size = sizeof(error);

    return left_us > 0 && poll(&p, 1, (int)(left_us / 1000) + 1) == 1 &&
           getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

static int connect_one(const struct addrinfo *info, int64_t deadline_us)
{
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -1;
    if (connect(fd, info->ai_addr, info->ai_addrlen) < 0 &&
        (errno != EINPROGRESS || !becomes_connected(fd, deadline_us)))
        return -1;
    return TAKE_FD(fd);
}

/* Until when one address may take: its share of what is left, so that a dead one leaves time for those behind it. */
static int64_t share_until(int64_t deadline_us, unsigned n_left)
{
    int64_t now_us = clock_monotonic_us(), share_us = (deadline_us - now_us) / n_left;
    int64_t until_us = now_us + (share_us > SHARE_MIN_US ? share_us : SHARE_MIN_US);

    return until_us < deadline_us ? until_us : deadline_us;
}

static int connect_any(const struct addrinfo *found, int64_t deadline_us)
{
    unsigned n_left = 0;
    int fd = -1;

    for (const struct addrinfo *info = found; info; info = info->ai_next)
        n_left++;
    for (const struct addrinfo *info = found; info && fd < 0; info = info->ai_next)
        fd = connect_one(info, share_until(deadline_us, n_left--));
    return fd;
}

/* A name is the whole name, also where the resolver would try it with domains of its own behind. A dot at its end would
 * say so too, but /etc/hosts knows no such names. For the calling thread. */
static bool search_nothing(void)
{
    if (res_init() != 0)
        return false;
    _res.options &= ~(unsigned long)(RES_DEFNAMES | RES_DNSRCH);
    return true;
}

int dial(const char *host, uint16_t port, int64_t deadline_us, int *ret_fd)
{
    const struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *found = NULL;
    char service[8];
    int fd = -1, r = DIAL_E_FAILED;

    snprintf(service, sizeof(service), "%u", port);
    if (!search_nothing() || getaddrinfo(host, service, &hints, &found) != 0)
        return DIAL_E_FAILED;
    for (const struct addrinfo *info = found; info; info = info->ai_next)
        if (!may_be_reached(info))
            r = DIAL_E_PRIVATE;
    if (r != DIAL_E_PRIVATE)
        fd = connect_any(found, deadline_us);
    freeaddrinfo(found);
    if (fd < 0)
        return r;
    *ret_fd = fd;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* check_network.c -- the address the server is to listen on. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "main/check/check.h"

#define PATIENCE_MS 2000
#define PAUSE_MS    50

static int try_bind(const char *address, uint16_t port)
{
    struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
    struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
    bool is_six = inet_pton(AF_INET6, address, &six.sin6_addr) == 1;
    CLEANUP_CLOSE int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;

    if (fd < 0)
        return error_from_errno();
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (!is_six && inet_pton(AF_INET, address, &four.sin_addr) != 1)
        four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four, is_six ? sizeof(six) : sizeof(four)) <
            0 ||
        listen(fd, 1) < 0)
        return error_from_errno();
    return 0;
}

/* A server that was just killed may hold the port for a moment. */
static int try_bind_patiently(const char *address, uint16_t port)
{
    int r = try_bind(address, port);

    for (int tries = 0; r == -EADDRINUSE && tries < PATIENCE_MS / PAUSE_MS; tries++) {
        usleep(PAUSE_MS * 1000);
        r = try_bind(address, port);
    }
    return r;
}

/* The api has no right to low ports unless the machine gives it to everybody. */
static bool is_low_port(int64_t port)
{
    char text[16];

    if (fd_read_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_unprivileged_port_start", text, sizeof(text)) <= 0)
        return port < 1024;
    return port < strtol(text, NULL, 10);
}

void check_port(const struct check_context *context, struct check_report *report)
{
    const struct config *config = context->config;
    int r = context->starting ? try_bind_patiently(config->api_host, (uint16_t)config->api_port)
                              : try_bind(config->api_host, (uint16_t)config->api_port);
    char mend[160];

    report->may_pass = error_may_pass(r); /* an address of a bridge or a VPN is not there before its link is */
    snprintf(mend, sizeof(mend), "sysctl -w net.ipv4.ip_unprivileged_port_start=%lld, or set API_PORT to 1024 or more",
             (long long)config->api_port);
    if (r == 0 && is_low_port(config->api_port))
        check_say(report, CHECK_FAIL, mend, "API_PORT=%lld is for root only, and the api is not root",
                  (long long)config->api_port);
    else if (r == -EADDRINUSE)
        check_say(report, context->starting ? CHECK_FAIL : CHECK_WARN,
                  "stop what listens there (ss -ltnp shows it), or set API_PORT", "%s port %lld is in use",
                  config->api_host, (long long)config->api_port);
    else if (r < 0)
        check_say(report, CHECK_FAIL, "set API_HOST to an address of this machine (ip addr shows them) or 0.0.0.0",
                  "cannot listen on API_HOST=%s: %s", config->api_host, strerror(-r));
    else
        check_ok(report, "%s port %lld is free", config->api_host, (long long)config->api_port);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/tunnel.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "egress/client_hello.h"
#include "egress/connect_head.h"
#include "egress/dial.h"

#define HEAD_US  10000000
#define DIAL_US  10000000
#define HELLO_US 10000000
#define IDLE_MS  300000

/* A whole head and, behind it, a whole hello with the heads of many small records. */
#define BUFFER_BYTES (CONNECT_HEAD_MAX_BYTES + 2 * CLIENT_HELLO_MAX_BYTES)

struct tunnel {
    const struct allowlist *list;
    unsigned slot;
    int client_fd, server_fd;
    struct connect_target target;
    size_t length; /* of the buffer's bytes */
    char buffer[BUFFER_BYTES];
};

/* Reads some more. Returns false at the end, on an error, when time or room is over. */
static bool read_more(struct tunnel *tunnel, int64_t deadline_us)
{
    struct pollfd p = { .fd = tunnel->client_fd, .events = POLLIN };
    int64_t left_us = deadline_us - clock_monotonic_us();
    ssize_t n;

    if (left_us <= 0 || tunnel->length == sizeof(tunnel->buffer) || poll(&p, 1, (int)(left_us / 1000) + 1) != 1)
        return false;
    n = recv(tunnel->client_fd, tunnel->buffer + tunnel->length, sizeof(tunnel->buffer) - tunnel->length, MSG_DONTWAIT);
    if (n <= 0)
        return n < 0 && errno == EAGAIN;
    tunnel->length += (size_t)n;
    return true;
}

static bool send_all(int fd, const char *data, size_t length)
{
    while (length > 0) {
        struct pollfd p = { .fd = fd, .events = POLLOUT };
        ssize_t n = send(fd, data, length, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EAGAIN && poll(&p, 1, IDLE_MS) == 1)
            continue;
        if (n <= 0)
            return false;
        data += n;
        length -= (size_t)n;
    }
    return true;
}

/* The words of each answer. What is not listed here ends without one. */
static const struct answer {
    int status;
    const char *words;
} answers[] = {
    { 200, "200 Connection established" },
    { 400, "400 Bad Request" },
    { 403, "403 Forbidden" },
    { 405, "405 Method Not Allowed\r\nAllow: CONNECT" },
    { 408, "408 Request Timeout" },
    { 502, "502 Bad Gateway" },
};

static bool answer(struct tunnel *tunnel, int status)
{
    char text[160];

    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        if (answers[i].status != status)
            continue;
        snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%s\r\n", answers[i].words,
                 status == 200 ? "" : "Content-Length: 0\r\nConnection: close\r\n");
        return send_all(tunnel->client_fd, text, strlen(text));
    }
    return false;
}

/* Returns 0 with the head taken out of the buffer, or the status to answer. */
static int read_head(struct tunnel *tunnel)
{
    int64_t deadline_us = clock_monotonic_us() + HEAD_US;
    size_t head_length = 0;
    int r;

    while ((r = connect_head_parse(tunnel->buffer, tunnel->length, &tunnel->target, &head_length)) == CONNECT_E_MORE)
        if (!read_more(tunnel, deadline_us))
            return 408;
    if (r != 0)
        return r == CONNECT_E_METHOD ? 405 : 400;
    tunnel->length -= head_length;
    memmove(tunnel->buffer, tunnel->buffer + head_length, tunnel->length);
    return 0;
}

static int open_server(struct tunnel *tunnel)
{
    const struct connect_target *target = &tunnel->target;
    int r;

    if (!allowlist_has(tunnel->list, target->host, target->port))
        return 403;
    r = dial(target->host, target->port, clock_monotonic_us() + DIAL_US, &tunnel->server_fd);
    return r == 0 ? 0 : r == DIAL_E_PRIVATE ? 403 : 502;
}

/* Many hosts share an address: only the name in the hello says which of them answers. */
static bool hello_is_for_target(struct tunnel *tunnel)
{
    int64_t deadline_us = clock_monotonic_us() + HELLO_US;
    char name[HOST_NAME_SIZE];
    int r;

    while ((r = client_hello_parse((const uint8_t *)tunnel->buffer, tunnel->length, name)) == CLIENT_HELLO_E_MORE)
        if (!read_more(tunnel, deadline_us))
            return false;
    return r == 0 && strcmp(name, tunnel->target.host) == 0;
}

/* Passes on what one side has to say. Returns false when it has said all, and tells the other. */
static bool pass_on(struct tunnel *tunnel, int from, int to)
{
    ssize_t n = recv(from, tunnel->buffer, sizeof(tunnel->buffer), MSG_DONTWAIT);

    if (n > 0)
        return send_all(to, tunnel->buffer, (size_t)n);
    if (n < 0 && errno == EAGAIN)
        return true;
    (void)shutdown(to, SHUT_WR);
    return false;
}

static void relay(struct tunnel *tunnel)
{
    struct pollfd polls[] = { { .fd = tunnel->client_fd, .events = POLLIN },
                              { .fd = tunnel->server_fd, .events = POLLIN } };

    while ((polls[0].fd >= 0 || polls[1].fd >= 0) && poll(polls, 2, IDLE_MS) > 0) {
        if (polls[0].revents && !pass_on(tunnel, tunnel->client_fd, tunnel->server_fd))
            polls[0].fd = -1;
        if (polls[1].revents && !pass_on(tunnel, tunnel->server_fd, tunnel->client_fd))
            polls[1].fd = -1;
        if ((polls[0].revents | polls[1].revents) & (POLLERR | POLLNVAL))
            break;
    }
}

static void serve(struct tunnel *tunnel)
{
    const struct connect_target *target = &tunnel->target;
    int status = read_head(tunnel);

    if (status == 0)
        status = open_server(tunnel);
    if (status != 0) {
        log_info("slot %u: %s:%u: %d", tunnel->slot, target->host, target->port, status);
        (void)answer(tunnel, status);
        return;
    }
    if (!answer(tunnel, 200))
        return;
    if (!hello_is_for_target(tunnel)) {
        log_info("slot %u: %s:%u: no TLS for this host", tunnel->slot, target->host, target->port);
        return;
    }
    log_info("slot %u: %s:%u: 200", tunnel->slot, target->host, target->port);
    if (send_all(tunnel->server_fd, tunnel->buffer, tunnel->length))
        relay(tunnel);
}

void tunnel_serve(const struct allowlist *list, unsigned slot, int client_fd)
{
    struct tunnel *tunnel = malloc(sizeof(*tunnel));

    if (tunnel) {
        *tunnel = (struct tunnel){ .list = list, .slot = slot, .client_fd = client_fd, .server_fd = -1 };
        serve(tunnel);
        cleanup_close_fd(&tunnel->server_fd);
    }
    free(tunnel);
    close(client_fd);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/tunnel.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
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
#include "egress/relay.h"

#define HEAD_US  10000000
#define DIAL_US  10000000
#define HELLO_US 10000000
#define IDLE_MS  300000

#define READS_MAX 512

#define NOTES_PER_SECOND 20

/* A whole head and, behind it, a whole hello with the heads of many small records. */
#define BUFFER_BYTES (CONNECT_HEAD_MAX_BYTES + 2 * CLIENT_HELLO_MAX_BYTES)

struct tunnel {
    const struct allowlist *list;
    unsigned slot;
    int client_fd, server_fd;
    struct connect_target target;
    size_t length;  /* of the buffer's bytes */
    unsigned reads; /* each has the whole buffer looked at anew */
    char buffer[BUFFER_BYTES];
};

/* Reads some more. Returns false at the end, on an error, when time, room or patience is over. */
static bool read_more(struct tunnel *tunnel, int64_t deadline_us)
{
    struct pollfd p = { .fd = tunnel->client_fd, .events = POLLIN };
    int64_t left_us = deadline_us - clock_monotonic_us();
    ssize_t n;

    if (left_us <= 0 || tunnel->reads++ == READS_MAX || tunnel->length == sizeof(tunnel->buffer) ||
        poll(&p, 1, (int)(left_us / 1000) + 1) != 1)
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

/* The words of each answer, and what else belongs into its head. */
static const struct answer {
    int status;
    const char *words, *fields;
} answers[] = {
    { 200, "200 Connection established", "" },
    { 400, "400 Bad Request", "" },
    { 403, "403 Forbidden", "" },
    { 405, "405 Method Not Allowed", "Allow: CONNECT\r\n" },
    { 408, "408 Request Timeout", "" },
    { 502, "502 Bad Gateway", "" },
};

static const struct answer *answer_of(int status)
{
    size_t i = 0;

    while (i + 1 < ARRAY_SIZE(answers) && answers[i].status != status)
        i++;
    return &answers[i];
}

static bool send_answer(const struct tunnel *tunnel, int status)
{
    const struct answer *answer = answer_of(status);
    char text[160];

    snprintf(text, sizeof(text), "HTTP/1.1 %s\r\n%s%s\r\n", answer->words, answer->fields,
             status == 200 ? "" : "Content-Length: 0\r\nConnection: close\r\n");
    return send_all(tunnel->client_fd, text, strlen(text));
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

/* Programs can cause as many lines as they like: no more than these are written, and how many were not. */
static bool may_note(void)
{
    static atomic_uint_fast64_t second, notes;
    uint64_t now = (uint64_t)(clock_monotonic_us() / 1000000), before = atomic_load(&second);

    if (now != before && atomic_compare_exchange_strong(&second, &before, now)) {
        uint64_t n = atomic_exchange(&notes, 0);

        if (n > NOTES_PER_SECOND)
            log_info("%llu lines like these were left out", (unsigned long long)(n - NOTES_PER_SECOND));
    }
    return atomic_fetch_add(&notes, 1) < NOTES_PER_SECOND;
}

static void note(const struct tunnel *tunnel, const char *what)
{
    if (may_note())
        log_info("slot %u: %s:%u: %s", tunnel->slot, tunnel->target.host, tunnel->target.port, what);
}

static void serve(struct tunnel *tunnel)
{
    int status = read_head(tunnel);

    if (status == 0)
        status = open_server(tunnel);
    if (status != 0) {
        note(tunnel, answer_of(status)->words);
        (void)send_answer(tunnel, status);
        return;
    }
    if (!send_answer(tunnel, 200))
        return;
    if (!hello_is_for_target(tunnel)) {
        note(tunnel, "no TLS for this host");
        return;
    }
    note(tunnel, answer_of(200)->words);
    if (send_all(tunnel->server_fd, tunnel->buffer, tunnel->length))
        relay(tunnel->client_fd, tunnel->server_fd, IDLE_MS);
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
}

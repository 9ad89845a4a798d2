/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/relay.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

#define FLOW_BYTES 16384

/* One direction. A side that does not read holds up what comes for it, and nothing else. */
struct flow {
    int from, to;
    bool ended; /* nothing more will come */
    size_t start, end;
    char buffer[FLOW_BYTES];
};

struct pair {
    struct flow flows[2];
};

static bool is_over(const struct flow *flow)
{
    return flow->ended && flow->start == flow->end;
}

static short wants(const struct flow *flow)
{
    return flow->start < flow->end ? POLLOUT : flow->ended ? 0 : POLLIN;
}

/* Returns false if the connection is broken. */
static bool fill(struct flow *flow)
{
    ssize_t n = recv(flow->from, flow->buffer, sizeof(flow->buffer), MSG_DONTWAIT);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    flow->start = 0;
    flow->end = (size_t)n;
    flow->ended = n == 0;
    return true;
}

static bool drain(struct flow *flow)
{
    ssize_t n = send(flow->to, flow->buffer + flow->start, flow->end - flow->start, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    flow->start += (size_t)n;
    return true;
}

static bool move(struct flow *flow)
{
    bool was_over = is_over(flow), good = flow->start < flow->end ? drain(flow) : flow->ended || fill(flow);

    if (good && flow->start < flow->end)
        good = drain(flow); /* mostly there is room */
    if (good && is_over(flow) && !was_over)
        (void)shutdown(flow->to, SHUT_WR);
    return good;
}

static struct pollfd what_to_wait_for(const struct flow *flow)
{
    short events = wants(flow);

    return (struct pollfd){ events == 0 ? -1 : events == POLLIN ? flow->from : flow->to, events, 0 };
}

/* Each flow waits for one of the two sockets; that nobody can be told any more is heard whoever is waited for. Returns
 * false when nothing happens, or needs to happen, any more. */
static bool wait_for(const struct pair *pair, int idle_ms)
{
    struct pollfd polls[] = {
        what_to_wait_for(&pair->flows[0]),
        what_to_wait_for(&pair->flows[1]),
        { is_over(&pair->flows[1]) ? -1 : pair->flows[1].to, 0, 0 },
    };

    return poll(polls, ARRAY_SIZE(polls), idle_ms) > 0 && polls[2].revents == 0;
}

void relay(int a_fd, int b_fd, int idle_ms)
{
    CLEANUP_FREE struct pair *pair = calloc(1, sizeof(*pair));

    if (!pair)
        return;
    pair->flows[0].from = pair->flows[1].to = a_fd;
    pair->flows[0].to = pair->flows[1].from = b_fd;
    while (!is_over(&pair->flows[0]) || !is_over(&pair->flows[1]))
        if (!wait_for(pair, idle_ms) || !move(&pair->flows[0]) || !move(&pair->flows[1]))
            return;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/proxy.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log_file.h"
#include "egress/tunnel.h"
#include "wire/packet.h"

#define STACK_BYTES (512 << 10) /* the resolver and a hello have large buffers there */
#define PAUSE_US    10000

/* A connection that is served. */
struct place {
    int fd;   /* -1 = free */
    int slot; /* -1 = of a network that is gone: it is on its way out, and counts for no slot */
};

struct proxy {
    const struct allowlist *list;
    struct pollfd polls[1 + PROXY_SLOTS_MAX]; /* the feed, then a listener a slot; fd -1 = none */
    size_t n_polls;
    unsigned accepted[PROXY_SLOTS_MAX]; /* since the last tick */
    int64_t tick_us;                    /* when that was */
    pthread_attr_t attributes;
    pthread_mutex_t lock; /* of the places: what is in one is open */
    struct place places[PROXY_CONNECTIONS_MAX];
};

struct connection {
    struct proxy *proxy;
    struct place *place;
    unsigned slot;
    int fd;
};

/* Returns NULL if the slot, or all of them together, have as many as they may. */
static struct place *take_place(struct proxy *proxy, unsigned slot, int fd)
{
    struct place *found = NULL;
    unsigned n = 0;

    pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; i < ARRAY_SIZE(proxy->places); i++) {
        if (proxy->places[i].fd < 0)
            found = &proxy->places[i];
        else if (proxy->places[i].slot == (int)slot)
            n++;
    }
    if (n >= PROXY_CONNECTIONS_SLOT_MAX)
        found = NULL;
    if (found)
        *found = (struct place){ fd, (int)slot };
    pthread_mutex_unlock(&proxy->lock);
    return found;
}

static void leave_place(struct proxy *proxy, struct place *place)
{
    int fd = place->fd;

    pthread_mutex_lock(&proxy->lock);
    place->fd = -1;
    pthread_mutex_unlock(&proxy->lock);
    close(fd);
}

/* The programs at the other ends are gone; what they left open must not be at the cost of the next one. */
static void hang_up(struct proxy *proxy, unsigned slot)
{
    pthread_mutex_lock(&proxy->lock);
    for (size_t i = 0; i < ARRAY_SIZE(proxy->places); i++) {
        if (proxy->places[i].fd < 0 || proxy->places[i].slot != (int)slot)
            continue;
        (void)shutdown(proxy->places[i].fd, SHUT_RDWR);
        proxy->places[i].slot = -1;
    }
    pthread_mutex_unlock(&proxy->lock);
}

static void *serve(void *argument)
{
    struct connection connection = *(struct connection *)argument;

    free(argument);
    tunnel_serve(connection.proxy->list, connection.slot, connection.fd);
    leave_place(connection.proxy, connection.place);
    return NULL;
}

/* Takes the descriptor over in every case. */
static void start(struct proxy *proxy, unsigned slot, int fd)
{
    struct connection *connection = malloc(sizeof(*connection));
    struct place *place = connection ? take_place(proxy, slot, fd) : NULL;
    pthread_t thread;

    if (!place) {
        free(connection);
        close(fd);
        return;
    }
    *connection = (struct connection){ proxy, place, slot, fd };
    if (pthread_create(&thread, &proxy->attributes, serve, connection) == 0)
        return;
    leave_place(proxy, place);
    free(connection);
}

/* A slot that has had its share rests until the next tick, so that no program keeps the host's processors busy with
 * what is charged to nobody. */
static void take_connection(struct proxy *proxy, unsigned slot)
{
    struct pollfd *place = &proxy->polls[1 + slot];
    int fd = accept4(place->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (++proxy->accepted[slot] >= PROXY_CONNECTIONS_TICK_MAX)
        place->events = 0;
    if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS))
        usleep(PAUSE_US); /* what is at work gives some back */
    if (fd >= 0)
        start(proxy, slot, fd);
}

/* A socket that was closed for a program without a network never listens again. */
static void on_listener(struct proxy *proxy, unsigned slot)
{
    struct pollfd *place = &proxy->polls[1 + slot];

    if (place->revents & POLLIN)
        take_connection(proxy, slot);
    if (place->revents & (POLLHUP | POLLERR | POLLNVAL)) {
        cleanup_close_fd(&place->fd);
        place->fd = -1;
    }
}

/* Returns 0, or a negative errno: -EPIPE when nobody feeds any more. */
static int take_listener(struct proxy *proxy)
{
    struct proxy_listener message;
    int fds[PACKET_FDS_MAX];
    size_t n_fds = 0;
    ssize_t n = packet_receive(proxy->polls[0].fd, &message, sizeof(message), MSG_DONTWAIT, fds, &n_fds);
    struct pollfd *place;

    if (n <= 0)
        return n == -EAGAIN ? 0 : n == 0 ? -EPIPE : (int)n;
    if (n == sizeof(message) && message.slot == PROXY_LOG && n_fds == 1) {
        (void)log_file_use(fds[0]);
        close(fds[0]);
        return 0;
    }
    if (n != sizeof(message) || message.slot >= PROXY_SLOTS_MAX || n_fds != 1) {
        for (size_t i = 0; i < n_fds; i++)
            close(fds[i]);
        return -EPROTO;
    }
    place = &proxy->polls[1 + message.slot];
    hang_up(proxy, message.slot);
    cleanup_close_fd(&place->fd);
    *place = (struct pollfd){ .fd = fds[0], .events = POLLIN };
    if (proxy->n_polls < message.slot + 2)
        proxy->n_polls = message.slot + 2;
    return 0;
}

/* Begins a tick when it is time. Returns how long poll() may wait: for ever if nobody rests. */
static int tick(struct proxy *proxy)
{
    int64_t now_us = clock_monotonic_us();
    bool is_due = now_us - proxy->tick_us >= PROXY_TICK_MS * 1000, resting = false;

    for (size_t i = 1; i < proxy->n_polls; i++) {
        if (is_due) {
            proxy->accepted[i - 1] = 0;
            proxy->polls[i].events = POLLIN;
        }
        resting |= proxy->polls[i].events == 0;
    }
    if (is_due)
        proxy->tick_us = now_us;
    return resting ? PROXY_TICK_MS : -1;
}

static int loop(struct proxy *proxy)
{
    for (;;) {
        if (poll(proxy->polls, proxy->n_polls, tick(proxy)) < 0 && errno != EINTR)
            return error_from_errno();
        for (size_t i = 1; i < proxy->n_polls; i++)
            if (proxy->polls[i].fd >= 0 && proxy->polls[i].revents)
                on_listener(proxy, (unsigned)(i - 1));
        if (proxy->polls[0].revents) {
            int r = take_listener(proxy);

            if (r < 0)
                return r == -EPIPE || r == -ECONNRESET ? 0 : r;
        }
    }
}

int proxy_run(const struct allowlist *list, int feed_fd)
{
    static struct proxy proxy = { .lock = PTHREAD_MUTEX_INITIALIZER }; /* outlives the loop: threads still use it */

    proxy.list = list;
    for (size_t i = 0; i < ARRAY_SIZE(proxy.places); i++)
        proxy.places[i].fd = -1;
    proxy.n_polls = 1;
    for (size_t i = 0; i < ARRAY_SIZE(proxy.polls); i++)
        proxy.polls[i] = (struct pollfd){ .fd = i ? -1 : feed_fd, .events = POLLIN };
    if (pthread_attr_init(&proxy.attributes) != 0 ||
        pthread_attr_setdetachstate(&proxy.attributes, PTHREAD_CREATE_DETACHED) != 0 ||
        pthread_attr_setstacksize(&proxy.attributes, STACK_BYTES) != 0)
        return -ENOMEM;
    return loop(&proxy);
}

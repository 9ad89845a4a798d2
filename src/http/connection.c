/* SPDX-License-Identifier: Apache-2.0 */
#include "http/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"

#define TICK_US            1000000
#define TICK_RECEIVING_US  100000  /* while a body arrives: it may hold much memory */
#define LINGER_MAX         64      /* sockets at once; a further one is closed at once */
#define LINGER_US          5000000 /* each */
#define BODY_GRACE_US      30000000
#define BODY_BYTES_PER_SEC 4096 /* on average, once the grace is over */

struct lingering {
    int fd;
    int64_t until_us;
};

struct connection_guard {
    struct connection_limits limits;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    struct connection *first;
    struct lingering lingering[LINGER_MAX];
    unsigned n_lingering;
    bool stopping;
    int wake_fd;
};

static bool is_overdue(const struct connection_guard *guard, const struct connection *connection, int64_t now_us)
{
    int64_t elapsed_us = now_us - atomic_load(&connection->since_us);
    int64_t allowed_us = guard->limits.header_us;

    switch (atomic_load(&connection->phase)) {
    case CONNECTION_WAITING:
        if (atomic_load(&connection->served))
            allowed_us += guard->limits.idle_us;
        return elapsed_us > allowed_us;
    case CONNECTION_BODY:
        allowed_us = BODY_GRACE_US + (int64_t)(atomic_load(&connection->body_bytes) / BODY_BYTES_PER_SEC) * 1000000;
        return elapsed_us > allowed_us;
    case CONNECTION_BUSY:
        break;
    }
    return false;
}

static bool has_ended(int fd)
{
    char byte;

    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* The owner sees the end of the stream and closes. It can miss the end when that comes together with the last bytes:
 * its edge-triggered wait fires once for both, and it reads the bytes only; the shutdown wakes it again. Returns true
 * if a body is arriving somewhere. */
static bool cut_connections(struct connection_guard *guard, int64_t now_us)
{
    bool receiving = false;

    for (struct connection *c = guard->first; c; c = c->next) {
        if (is_overdue(guard, c, now_us))
            shutdown(c->fd, SHUT_RDWR);
        else if (atomic_load(&c->phase) != CONNECTION_BUSY && has_ended(c->fd))
            shutdown(c->fd, SHUT_RD);
        receiving |= atomic_load(&c->phase) == CONNECTION_BODY;
    }
    return receiving;
}

/* Reads what is there. Returns false once the client is done. */
static bool drain(int fd)
{
    static const int rounds = 64; /* others wait too */
    char scrap[16384];

    for (int i = 0; i < rounds; i++) {
        ssize_t n = recv(fd, scrap, sizeof(scrap), MSG_DONTWAIT);

        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0)
            return false;
    }
    return true;
}

/* Drains the sockets that poll() reported (in the order of the table) and closes those that are done or out of time. */
static void tend_lingering(struct connection_guard *guard, const struct pollfd *polled, unsigned n_polled,
                           int64_t now_us)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < guard->n_lingering; i++) {
        struct lingering *entry = &guard->lingering[i];
        bool ready = i < n_polled && polled[i].revents;

        if ((ready && !drain(entry->fd)) || now_us > entry->until_us)
            close(entry->fd);
        else
            guard->lingering[kept++] = *entry;
    }
    guard->n_lingering = kept;
}

static void *guard_main(void *argument)
{
    struct connection_guard *guard = argument;
    struct pollfd polled[1 + LINGER_MAX] = { { .fd = guard->wake_fd, .events = POLLIN } };
    int64_t tick_us = TICK_US, next_tick_us = clock_monotonic_us() + tick_us;
    bool stopping = false;

    while (!stopping) {
        unsigned n_polled;
        int64_t now_us;
        eventfd_t count;

        pthread_mutex_lock(&guard->lock);
        n_polled = guard->n_lingering;
        for (unsigned i = 0; i < n_polled; i++)
            polled[1 + i] = (struct pollfd){ .fd = guard->lingering[i].fd, .events = POLLIN };
        pthread_mutex_unlock(&guard->lock);

        poll(polled, 1 + n_polled, (int)(tick_us / 1000));
        eventfd_read(guard->wake_fd, &count);
        now_us = clock_monotonic_us();

        pthread_mutex_lock(&guard->lock);
        tend_lingering(guard, polled + 1, n_polled, now_us);
        if (now_us >= next_tick_us) {
            tick_us = cut_connections(guard, now_us) ? TICK_RECEIVING_US : TICK_US;
            next_tick_us = now_us + tick_us;
        }
        stopping = guard->stopping;
        pthread_mutex_unlock(&guard->lock);
    }
    return NULL;
}

int connection_guard_new(const struct connection_limits *limits, struct connection_guard **ret_guard)
{
    struct connection_guard *guard = calloc(1, sizeof(*guard));
    sigset_t all, old;
    int r;

    if (!guard)
        return -ENOMEM;
    guard->limits = *limits;
    guard->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (guard->wake_fd < 0) {
        r = error_from_errno();
        free(guard);
        return r;
    }
    pthread_mutex_init(&guard->lock, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = -pthread_create(&guard->thread, NULL, guard_main, guard);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (r < 0) {
        close(guard->wake_fd);
        pthread_mutex_destroy(&guard->lock);
        free(guard);
        return r;
    }
    *ret_guard = guard;
    return 0;
}

struct connection_guard *connection_guard_free(struct connection_guard *guard)
{
    if (!guard)
        return NULL;
    pthread_mutex_lock(&guard->lock);
    guard->stopping = true;
    pthread_mutex_unlock(&guard->lock);
    eventfd_write(guard->wake_fd, 1);
    pthread_join(guard->thread, NULL);
    for (unsigned i = 0; i < guard->n_lingering; i++)
        close(guard->lingering[i].fd);
    close(guard->wake_fd);
    pthread_mutex_destroy(&guard->lock);
    free(guard);
    return NULL;
}

struct connection *connection_open(struct connection_guard *guard, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (!connection)
        return NULL;
    connection->fd = fd;
    connection_enter(connection, CONNECTION_WAITING);
    pthread_mutex_lock(&guard->lock);
    connection->next = guard->first;
    if (guard->first)
        guard->first->prev = connection;
    guard->first = connection;
    pthread_mutex_unlock(&guard->lock);
    return connection;
}

static void linger(struct connection_guard *guard, int fd)
{
    pthread_mutex_lock(&guard->lock);
    if (guard->n_lingering < LINGER_MAX && !guard->stopping) {
        guard->lingering[guard->n_lingering++] =
            (struct lingering){ .fd = fd, .until_us = clock_monotonic_us() + LINGER_US };
        fd = -1;
    }
    pthread_mutex_unlock(&guard->lock);
    if (fd >= 0)
        close(fd);
    else
        eventfd_write(guard->wake_fd, 1);
}

static bool has_unread(const struct connection *connection)
{
    int n = 0;

    return connection->unread || (ioctl(connection->fd, FIONREAD, &n) == 0 && n > 0);
}

void connection_close(struct connection_guard *guard, struct connection *connection)
{
    if (!connection)
        return;
    pthread_mutex_lock(&guard->lock);
    if (connection->prev)
        connection->prev->next = connection->next;
    else
        guard->first = connection->next;
    if (connection->next)
        connection->next->prev = connection->prev;
    pthread_mutex_unlock(&guard->lock);
    if (has_unread(connection)) {
        int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 3);

        if (fd >= 0)
            linger(guard, fd);
    }
    free(connection);
}

void connection_enter(struct connection *connection, enum connection_phase phase)
{
    if (!connection)
        return;
    if (phase == CONNECTION_BODY)
        atomic_store(&connection->body_bytes, 0);
    if (phase != CONNECTION_WAITING)
        atomic_store(&connection->served, true);
    atomic_store(&connection->since_us, clock_monotonic_us());
    atomic_store(&connection->phase, phase);
}

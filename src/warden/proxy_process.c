/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/proxy_process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "warden/unprivileged.h"
#include "wire/packet.h"

#define FEED_BYTES 2048 /* what the kernel counts for one message, generously */

#define FEED_LOG UINT32_MAX

/* As egress/proxy.h has it. */
struct feed {
    uint32_t slot;
};

_Noreturn static void become_proxy(const struct proxy_process *proxy, int feed_fd)
{
    char level[16];
    char *const argv[] = { (char *)proxy->program,
                           "proxy",
                           "--feed-fd",
                           "3",
                           "--hosts",
                           (char *)proxy->hosts,
                           "--log-level",
                           level,
                           "--log-format",
                           (char *)proxy->log_format,
                           NULL };

    snprintf(level, sizeof(level), "%llu", (unsigned long long)proxy->log_level);
    unprivileged_become(proxy->program_fd, proxy->uid, argv, &feed_fd, 1);
}

/* A new proxy is sent all sockets before it has read the first. */
static void make_room(int feed_fd, unsigned slots)
{
    int bytes = (int)slots * FEED_BYTES;

    if (setsockopt(feed_fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
        (void)setsockopt(feed_fd, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

/* The proxy is not trusted: it must not hold the warden up. */
static void send_descriptor(const struct proxy_process *proxy, unsigned slot, int fd)
{
    const struct feed feed = { .slot = slot };

    if (proxy->feed_fd >= 0 && packet_send(proxy->feed_fd, &feed, sizeof(feed), &fd, 1) < 0 && proxy->pid > 0)
        kill(proxy->pid, SIGKILL);
}

static void send_listener(struct proxy_process *proxy, unsigned slot)
{
    send_descriptor(proxy, slot, proxy->listener_fds[slot]);
}

static int make_place(struct proxy_process *proxy)
{
    if (proxy->listener_fds)
        return 0;
    proxy->listener_fds = malloc(proxy->slots * sizeof(*proxy->listener_fds));
    if (!proxy->listener_fds)
        return -ENOMEM;
    for (unsigned i = 0; i < proxy->slots; i++)
        proxy->listener_fds[i] = -1;
    return 0;
}

int proxy_process_start(struct proxy_process *proxy)
{
    int sockets[2], r = make_place(proxy);

    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_from_errno();
    proxy->pid = fork();
    if (proxy->pid == 0)
        become_proxy(proxy, sockets[1]);
    r = proxy->pid < 0 ? error_from_errno() : 0;
    close(sockets[1]);
    cleanup_close_fd(&proxy->feed_fd);
    proxy->feed_fd = sockets[0];
    (void)fcntl(proxy->feed_fd, F_SETFL, O_NONBLOCK);
    make_room(proxy->feed_fd, proxy->slots);
    proxy->started_us = clock_monotonic_us();
    for (unsigned i = 0; i < proxy->slots && r == 0; i++)
        if (proxy->listener_fds[i] >= 0)
            send_listener(proxy, i);
    return r;
}

void proxy_process_feed(struct proxy_process *proxy, unsigned slot, int listener_fd)
{
    cleanup_close_fd(&proxy->listener_fds[slot]);
    proxy->listener_fds[slot] = listener_fd;
    send_listener(proxy, slot);
}

void proxy_process_log(struct proxy_process *proxy, int log_fd)
{
    if (proxy->pid > 0)
        send_descriptor(proxy, FEED_LOG, log_fd);
}

void proxy_process_forget(struct proxy_process *proxy, unsigned slot)
{
    if (!proxy->listener_fds || proxy->listener_fds[slot] < 0)
        return;
    (void)shutdown(proxy->listener_fds[slot], SHUT_RDWR);
    cleanup_close_fd(&proxy->listener_fds[slot]);
    proxy->listener_fds[slot] = -1;
}

void proxy_process_end(struct proxy_process *proxy)
{
    if (proxy->pid > 0) {
        kill(proxy->pid, SIGKILL);
        waitpid(proxy->pid, NULL, 0);
    }
    cleanup_close_fd(&proxy->feed_fd);
    for (unsigned i = 0; proxy->listener_fds && i < proxy->slots; i++)
        cleanup_close_fd(&proxy->listener_fds[i]);
    free(proxy->listener_fds);
    *proxy = PROXY_PROCESS_INIT;
}

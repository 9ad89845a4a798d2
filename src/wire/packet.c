/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/packet.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"

static int send_packet(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds, int flags)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
    } control = { 0 };
    struct iovec part = { .iov_base = (void *)data, .iov_len = size };
    struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
    ssize_t n;

    if (n_fds > PACKET_FDS_MAX)
        return -EMSGSIZE;
    if (n_fds > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
        memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
    }
    do
        n = sendmsg(socket_fd, &message, flags | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_from_errno();
    return (size_t)n == size ? 0 : -EIO;
}

int packet_send(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
    return send_packet(socket_fd, data, size, fds, n_fds, 0);
}

int packet_offer(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds)
{
    return send_packet(socket_fd, data, size, fds, n_fds, MSG_DONTWAIT);
}

void packet_refuse_fds(int socket_fd)
{
    (void)setsockopt(socket_fd, SOL_SOCKET, SO_PASSRIGHTS, &(int){ 0 }, sizeof(int));
}

static size_t take_fds(struct msghdr *message, int ret_fds[static PACKET_FDS_MAX])
{
    size_t n_fds = 0;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
            int fd;

            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (n_fds < PACKET_FDS_MAX)
                ret_fds[n_fds++] = fd;
            else
                close(fd);
        }
    }
    return n_fds;
}

ssize_t packet_receive(int socket_fd, void *data, size_t size, int flags, int ret_fds[static PACKET_FDS_MAX],
                       size_t *ret_n_fds)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int) * PACKET_FDS_MAX)];
    } control;
    struct iovec part = { .iov_base = data, .iov_len = size };
    struct msghdr message = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control)
    };
    bool reset = false;
    ssize_t n;

    for (;;) {
        n = recvmsg(socket_fd, &message, flags | MSG_CMSG_CLOEXEC);
        if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
            break;
        /* A peer that closed without reading all it was sent gives this error once, in front of what it had sent
         * itself, which is still there. */
        reset = reset || errno == ECONNRESET;
    }
    *ret_n_fds = 0;
    if (n < 0)
        return error_from_errno();
    *ret_n_fds = take_fds(&message, ret_fds);
    /* An empty packet reads like the end, but may carry descriptors. */
    if (n == 0 || message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) {
        for (size_t i = 0; i < *ret_n_fds; i++)
            close(ret_fds[i]);
        *ret_n_fds = 0;
    }
    return message.msg_flags & (MSG_TRUNC | MSG_CTRUNC) ? -EMSGSIZE : n;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* packet.h -- one SOCK_SEQPACKET datagram with descriptors; knows nothing of what it means. */
#pragma once

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

#define PACKET_FDS_MAX 16

#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS 83 /* Linux 6.16 */
#endif

/* Sends size bytes and n_fds descriptors. Returns 0 or a negative errno (-EPIPE, -ECONNRESET: the peer is gone). */
int packet_send(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds);

/* The same without ever waiting, whatever the flags of the socket, which its peer's side may share: -EAGAIN if it is
 * full. */
int packet_offer(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds);

/* Lets nobody send descriptors to this socket, of whatever type, where the kernel can (Linux 6.16): to close what a
 * stranger has opened is work of the stranger's choice. */
void packet_refuse_fds(int socket_fd);

/* Receives one packet. Descriptors are close-on-exec and the caller's; *ret_n_fds counts them. A packet that is longer
 * than size or carries more than PACKET_FDS_MAX descriptors gives -EMSGSIZE with everything closed. Returns the bytes
 * (0 = the peer is gone) or a negative errno. flags as recvmsg(2). */
ssize_t packet_receive(int socket_fd, void *data, size_t size, int flags, int ret_fds[static PACKET_FDS_MAX],
                       size_t *ret_n_fds);

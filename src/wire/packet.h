/* SPDX-License-Identifier: Apache-2.0 */
/* packet.h -- one SOCK_SEQPACKET datagram with descriptors; knows nothing of what it means. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

#define PACKET_FDS_MAX 16

/* Sends size bytes and n_fds descriptors. Returns 0 or a negative errno (-EPIPE, -ECONNRESET: the peer is gone). */
int packet_send(int socket_fd, const void *data, size_t size, const int *fds, size_t n_fds);

/* Receives one packet. Descriptors are close-on-exec and the caller's; *ret_n_fds counts them. A packet that is longer
 * than size or carries more than PACKET_FDS_MAX descriptors gives -EMSGSIZE with everything closed. Returns the bytes
 * (0 = the peer is gone) or a negative errno. flags as recvmsg(2). */
ssize_t packet_receive(int socket_fd, void *data, size_t size, int flags, int ret_fds[static PACKET_FDS_MAX],
                       size_t *ret_n_fds);

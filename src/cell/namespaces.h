/* SPDX-License-Identifier: Apache-2.0 */
/* namespaces.h -- what a cell is cut off with, and by whom.
 *
 * A slot's keeper owns the network namespace (costly to make, reused while nothing used it); each cell gets fresh PID,
 * mount, IPC, UTS and cgroup namespaces by clone, and its user namespace as the last step before its privileges go. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* clone flags of a cell's init, without the user, network and cgroup namespaces. */
int namespaces_clone_flags(void);

/* Names the calling process's own UTS namespace: nothing of the host's name is left. Returns 0 or a negative errno. */
int namespaces_name(const char *hostname);

/* Gives the calling process a new network namespace whose only interface is a working loopback. Returns 0 or a negative
 * errno. */
int namespaces_new_network(void);

/* Condenses all counters of the calling process's network namespace. Another value than that of the fresh namespace
 * says that somebody tried to use it: then counters and lingering connections could speak to the next cell. 0 = cannot
 * be told. proc_self_fd: /proc/self of the calling process in the host's proc. */
uint64_t namespaces_network_print(int proc_self_fd);

/* Makes a user namespace, which no process stays in, that maps the on-disk user from to the user to, for idmapped
 * mounts. proc_fd: the host's /proc. Returns 0 and its descriptor, or a negative errno. */
int namespaces_idmap(int proc_fd, uid_t from, uid_t to, int *ret_fd);

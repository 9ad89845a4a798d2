/* SPDX-License-Identifier: Apache-2.0 */
/* credentials.h -- from root to nobody in particular: user, user namespace, capabilities, no_new_privs. */
#pragma once

#include <stdint.h>
#include <sys/types.h>

/* Becomes host_uid (user and group, no others), enters a new user namespace in which that is inside_uid and nothing
 * else exists. proc_fd: a writable proc mount of the caller's PID namespace. The caller keeps capabilities over the new
 * namespace only, which owns nothing. Returns 0 or a negative errno. */
int credentials_become(int proc_fd, uid_t host_uid, uid_t inside_uid);

/* Drops every capability, empties the bounding and ambient sets, locks the secure bits, sets no_new_privs, makes the
 * process undumpable so that nothing of it can be read through /proc, and reads all of it back. Returns 0, -EPERM if
 * something is still held, or another negative errno. */
int credentials_drop(void);

/* Takes every capability that the kernel knows out of the bounding set of the calling thread, but for those of kept, a
 * bit 1 << CAP_... each. Returns 0 or a negative errno. */
int credentials_drop_bounding(uint64_t kept);

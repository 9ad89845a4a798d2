/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_server.h -- the server's own groups, below which those of its slots are. */
#pragma once

#include "cell/cgroup_layout.h"

/* True if the groups that cgroup_prepare() makes can have limits: on v2 a container or unit may be given none of the
 * controllers that its host has. */
bool cgroup_offers_limits(const struct cgroup_layout *layout);

/* Makes the server's own group below the detected one on every hierarchy and moves layout->controllers[].directory
 * there. On v2 turns the controllers on, moving the caller into a leaf if the kernel demands it. Empty groups of
 * servers that are dead are removed. Returns 0 or a negative errno with the path that refused in where. */
int cgroup_prepare(struct cgroup_layout *layout, char *where, size_t where_size);

/* Removes what cgroup_prepare() made. The groups of slots must be gone. */
void cgroup_remove(const struct cgroup_layout *layout);

/* SPDX-License-Identifier: Apache-2.0 */
/* hold.h -- what a program may hold of the machine's memory while it waits for its client.
 *
 * Many wait at the same time, and not each of them can have a whole limit of its own behind it. */
#pragma once

#include <stdint.h>

#include "cell/cgroup.h"

/* Lowers the slot's memory limit to what is used now and a little more. Returns the limit that holds then: the old one
 * if there is no lowering it, as when the program grows at this moment. */
uint64_t hold_small(struct cgroup_slot *cgroup);

/* Gives it back. */
void hold_whole(struct cgroup_slot *cgroup, uint64_t limit_bytes);

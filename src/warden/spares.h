/* SPDX-License-Identifier: Apache-2.0 */
/* spares.h -- when a slot is given back.
 *
 * Each program that waits and each session that is parked holds a slot, and another is started in its place. When they
 * are gone there are more slots than ever run at the same time, and each costs a keeper, a cell and a network. They are
 * given back one by one, so that a crowd that comes again finds most of them, down to a few that the next to wait find
 * ready. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define SPARES_KEPT 2

struct spares {
    int64_t due_us; /* of clock_monotonic_us(), when one may go; 0 = there are not too many */
};

/* n_spare: slots that hold nothing, beyond as many as may run. True if one is to be given back now; then the next is
 * due after pause_us, as is the first since there were too many. */
bool spares_due(struct spares *spares, unsigned n_spare, int64_t now_us, int64_t pause_us);

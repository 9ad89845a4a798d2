/* SPDX-License-Identifier: Apache-2.0 */
/* warm_counts.h -- how many of each kind wait for a program: what the warden shows the api, in memory that comes with
 * WIRE_HELLO. The warden writes it and reads nothing from it; the api can only read it. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "wire/warm_kind.h"

struct warm_counts {
    _Atomic uint32_t waiting[WARM_KINDS];
};

/* For the warden: zeros, and a descriptor that is to be sent. Nobody can write through that, nor change the size. Both
 * are the caller's. Returns 0 or a negative errno. */
int warm_counts_new(struct warm_counts **ret_counts, int *ret_fd);

/* For the api: what came with the message. The descriptor stays the caller's. Returns 0 or a negative errno. */
int warm_counts_open(int fd, const struct warm_counts **ret_counts);

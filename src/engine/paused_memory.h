/* SPDX-License-Identifier: Apache-2.0 */
/* paused_memory.h -- the memory that programs may have while they wait for their clients, all of them together. */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

struct paused_memory {
    int64_t budget_bytes; /* half of it is for those that keep their whole limit */
    _Atomic int64_t held_bytes;
};

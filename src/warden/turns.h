/* SPDX-License-Identifier: Apache-2.0 */
/* turns.h -- slots that wait for an execution, first in, first out; each at most once. */
#pragma once

#include <stdbool.h>

struct turns {
    unsigned *ring;
    unsigned size, head, count;
};

/* Makes room for slots 0 to size - 1. Returns 0 or -ENOMEM. */
int turns_init(struct turns *turns, unsigned size);
void turns_deinit(struct turns *turns);

/* Puts a slot at the end; one that has its turn already keeps its place. */
void turns_add(struct turns *turns, unsigned slot);

/* Takes a slot out, wherever it stands. */
void turns_remove(struct turns *turns, unsigned slot);

/* True if a slot waits; *ret_slot is the first. */
bool turns_first(const struct turns *turns, unsigned *ret_slot);

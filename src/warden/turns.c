/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/turns.h"

#include <errno.h>
#include <stdlib.h>

int turns_init(struct turns *turns, unsigned size)
{
    *turns = (struct turns){ .ring = calloc(size, sizeof(*turns->ring)), .size = size };
    return turns->ring ? 0 : -ENOMEM;
}

void turns_deinit(struct turns *turns)
{
    free(turns->ring);
    *turns = (struct turns){ 0 };
}

static unsigned *place(const struct turns *turns, unsigned i)
{
    return &turns->ring[(turns->head + i) % turns->size];
}

static unsigned find(const struct turns *turns, unsigned slot)
{
    unsigned i = 0;

    while (i < turns->count && *place(turns, i) != slot)
        i++;
    return i;
}

void turns_add(struct turns *turns, unsigned slot)
{
    if (find(turns, slot) == turns->count && turns->count < turns->size)
        *place(turns, turns->count++) = slot;
}

void turns_remove(struct turns *turns, unsigned slot)
{
    unsigned i = find(turns, slot);

    if (i == turns->count)
        return;
    if (i == 0) {
        turns->head = (turns->head + 1) % turns->size;
        turns->count--;
        return;
    }
    for (turns->count--; i < turns->count; i++)
        *place(turns, i) = *place(turns, i + 1);
}

bool turns_first(const struct turns *turns, unsigned *ret_slot)
{
    if (turns->count == 0)
        return false;
    *ret_slot = *place(turns, 0);
    return true;
}

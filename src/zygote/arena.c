/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/arena.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE  ((size_t)2 << 20)
#define SLOT_BYTES ((size_t)1 << 20) /* an arena of Python 3.10 and later; smaller ones fit too */
#define SLOTS      1024

/* PyObjectArenaAllocator of Python's stable interface, which is looked up instead of linked. */
struct allocator {
    void *context;
    void *(*alloc)(void *context, size_t size);
    void (*free)(void *context, void *at, size_t size);
};

static struct {
    char *base;
    size_t used;                 /* slots that were ever given out: all below */
    unsigned short spare[SLOTS]; /* of those, the ones that came back */
    size_t n_spare;
} arenas;

static void *take(void *context, size_t size)
{
    void *other;

    (void)context;
    if (size <= SLOT_BYTES && arenas.n_spare > 0)
        return arenas.base + arenas.spare[--arenas.n_spare] * SLOT_BYTES;
    if (size <= SLOT_BYTES && arenas.used < SLOTS)
        return arenas.base + arenas.used++ * SLOT_BYTES;
    other = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return other == MAP_FAILED ? NULL : other;
}

static void give_back(void *context, void *at, size_t size)
{
    uintptr_t offset = (uintptr_t)at - (uintptr_t)arenas.base;

    (void)context;
    if (offset >= SLOTS * SLOT_BYTES) {
        munmap(at, size);
        return;
    }
    (void)madvise(at, SLOT_BYTES, MADV_DONTNEED);
    arenas.spare[arenas.n_spare++] = (unsigned short)(offset / SLOT_BYTES);
}

void arena_install(void)
{
    struct allocator allocator = { .alloc = take, .free = give_back };
    void (*set)(struct allocator *) = NULL;
    uintptr_t at;
    void *found;

    /* A function pointer may not be converted from what dlsym() returns, but be filled with it. */
    found = dlsym(RTLD_DEFAULT, "PyObject_SetArenaAllocator");
    memcpy(&set, &found, sizeof(set));
    if (!set || arenas.base)
        return;
    found = mmap(NULL, SLOTS * SLOT_BYTES + HUGE_PAGE, PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (found == MAP_FAILED)
        return;
    at = ((uintptr_t)found + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);
    arenas.base = (char *)at;
    (void)madvise(arenas.base, SLOTS * SLOT_BYTES, MADV_HUGEPAGE);
    set(&allocator);
}

void arena_settle(void)
{
    size_t used = (arenas.used * SLOT_BYTES + HUGE_PAGE - 1) & ~(HUGE_PAGE - 1);

    if (arenas.base)
        (void)madvise(arenas.base + used, SLOTS * SLOT_BYTES - used, MADV_NOHUGEPAGE);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "zygote/arena.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define HUGE_PAGE  ((size_t)2 << 20)
#define SLOT_BYTES ((size_t)1 << 20) /* an arena of Python 3.10 and later; smaller ones fit too */
#define SLOTS      1024

/* Objects up to this size come from arenas, in pools of one size each. */
#define OBJECT_BYTES_MAX  512
#define OBJECT_BYTES_STEP 16

#define HEAP_BLOCK_MAX ((size_t)1 << 20)
#define HEAP_BLOCK_MIN 24
#define FILL_MAX       1000000

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

/* A function pointer may not be converted from what dlsym() returns, but be filled with it. */
static void look_up(const char *name, void *ret_function)
{
    void *found = dlsym(RTLD_DEFAULT, name);

    memcpy(ret_function, &found, sizeof(found));
}

void arena_install(void)
{
    struct allocator allocator = { .alloc = take, .free = give_back };
    void (*set)(struct allocator *) = NULL;
    uintptr_t at;
    void *found;

    look_up("PyObject_SetArenaAllocator", &set);
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

/* True if an object lies in an arena that was given out after the first n. */
static bool is_in_new(const void *object, size_t n)
{
    uintptr_t offset = (uintptr_t)object - (uintptr_t)arenas.base;

    return offset >= n * SLOT_BYTES && offset < SLOTS * SLOT_BYTES;
}

/* Takes every free block of the interpreter's arenas, of the largest kind first: that ends when no arena has a free
 * pool left, and the others when no pool of their kind has a free block. */
static void fill_objects(size_t n_old)
{
    void *(*allocate)(size_t) = NULL;

    look_up("PyObject_Malloc", &allocate);
    for (size_t size = OBJECT_BYTES_MAX; allocate && size > 0; size -= OBJECT_BYTES_STEP)
        for (int i = 0; i < FILL_MAX; i++) {
            const void *object = allocate(size);

            if (!object || is_in_new(object, n_old))
                break;
        }
}

/* The same for the C library's heap. Its end is where a large block comes from. */
static void fill_heap(void)
{
    const char *end = malloc(HEAP_BLOCK_MAX);

    for (size_t size = HEAP_BLOCK_MAX / 2; end && size >= HEAP_BLOCK_MIN; size = size > 1024 ? size / 2 : size - 16)
        for (int i = 0; i < FILL_MAX; i++) {
            char *block = malloc(size);

            if (!block || block > end) {
                free(block);
                break;
            }
        }
}

void arena_settle(void)
{
    size_t n_old = arenas.used + arenas.used % 2; /* the next begins on a huge page */

    if (!arenas.base || n_old >= SLOTS)
        return;
    arenas.used = n_old;
    arenas.n_spare = 0;
    (void)madvise(arenas.base + n_old * SLOT_BYTES, (SLOTS - n_old) * SLOT_BYTES, MADV_NOHUGEPAGE);
    fill_objects(n_old);
    fill_heap();
}

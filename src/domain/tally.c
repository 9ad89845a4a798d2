/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/tally.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define SETS   1024
#define PLACES 8 /* of a set */

struct tally {
    pthread_mutex_t lock;
    uint64_t seed[2]; /* nobody outside can aim at a set */
    struct tally_count counts[SETS][PLACES];
};

struct tally *tally_new(void)
{
    struct tally *tally = calloc(1, sizeof(*tally));

    if (!tally)
        return NULL;
    peer_address_seed(tally->seed);
    pthread_mutex_init(&tally->lock, NULL);
    return tally;
}

struct tally *tally_free(struct tally *tally)
{
    if (tally)
        pthread_mutex_destroy(&tally->lock);
    free(tally);
    return NULL;
}

static struct tally_count *set_of(struct tally *tally, const uint8_t address[static PEER_ADDRESS_SIZE])
{
    return tally->counts[peer_address_hash(address, tally->seed) % SETS];
}

static struct tally_count *find(struct tally_count *set, const uint8_t address[static PEER_ADDRESS_SIZE],
                                int64_t now_ms)
{
    for (int i = 0; i < PLACES; i++)
        if (set[i].count > 0 && set[i].ends_ms > now_ms && memcmp(set[i].address, address, PEER_ADDRESS_SIZE) == 0)
            return &set[i];
    return NULL;
}

/* A place for a new count: an ended one, else the lowest, of those the one that ends first. */
static struct tally_count *take_place(struct tally_count *set, int64_t now_ms)
{
    struct tally_count *best = &set[0];

    for (int i = 0; i < PLACES; i++) {
        if (set[i].count == 0 || set[i].ends_ms <= now_ms)
            return &set[i];
        if (set[i].count < best->count || (set[i].count == best->count && set[i].ends_ms < best->ends_ms))
            best = &set[i];
    }
    return best;
}

struct tally_count tally_get(struct tally *tally, const uint8_t address[static PEER_ADDRESS_SIZE], int64_t now_ms)
{
    uint8_t normal[PEER_ADDRESS_SIZE];
    struct tally_count count = { 0 }, *found;

    peer_address_normalise(address, normal);
    pthread_mutex_lock(&tally->lock);
    found = find(set_of(tally, normal), normal, now_ms);
    if (found)
        count = *found;
    pthread_mutex_unlock(&tally->lock);
    return count;
}

bool tally_add(struct tally *tally, const uint8_t address[static PEER_ADDRESS_SIZE], int64_t now_ms, int64_t limit,
               int64_t window_ms, bool prolong, struct tally_count *ret_count)
{
    uint8_t normal[PEER_ADDRESS_SIZE];
    struct tally_count *set, *count;
    bool added;

    peer_address_normalise(address, normal);
    pthread_mutex_lock(&tally->lock);
    set = set_of(tally, normal);
    count = find(set, normal, now_ms);
    if (!count) {
        count = take_place(set, now_ms);
        memcpy(count->address, normal, PEER_ADDRESS_SIZE);
        count->count = 0;
    }
    added = count->count < limit;
    if (added && (count->count == 0 || prolong))
        count->ends_ms = now_ms + window_ms;
    count->count += added;
    *ret_count = *count;
    pthread_mutex_unlock(&tally->lock);
    return added;
}

static int compare_counts(const void *left, const void *right)
{
    const struct tally_count *a = left, *b = right;

    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    return memcmp(a->address, b->address, PEER_ADDRESS_SIZE);
}

/* Puts count among the n best so far, which are in order; room is for max. */
static size_t insert(struct tally_count *best, size_t n, size_t max, const struct tally_count *count)
{
    size_t at = n;

    while (at > 0 && compare_counts(&best[at - 1], count) > 0)
        at--;
    if (at >= max)
        return n;
    n += n < max;
    memmove(&best[at + 1], &best[at], (n - 1 - at) * sizeof(*best));
    best[at] = *count;
    return n;
}

size_t tally_top(struct tally *tally, int64_t now_ms, size_t n, struct tally_count *ret_counts, int64_t *ret_total)
{
    size_t found = 0;
    int64_t total = 0;

    pthread_mutex_lock(&tally->lock);
    for (size_t i = 0; i < SETS * PLACES; i++) {
        const struct tally_count *count = &tally->counts[i / PLACES][i % PLACES];

        if (count->count == 0 || count->ends_ms <= now_ms)
            continue;
        total += count->count;
        found = insert(ret_counts, found, n, count);
    }
    pthread_mutex_unlock(&tally->lock);
    *ret_total = total;
    return found;
}

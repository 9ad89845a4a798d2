/* SPDX-License-Identifier: Apache-2.0 */
/* tally.h -- counts by network address, in bounded memory: failed keys, and requests of callers without a key.
 *
 * A count ends a given time after its first entry, or after its last. The table has fixed places; where they run out
 * the count that has come least far gives way, so that whoever owns many addresses pushes out his own trials, not those
 * that reached the limit. Counts are of one process and start empty. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/peer_address.h"

struct tally;

struct tally_count {
    uint8_t address[PEER_ADDRESS_SIZE]; /* normalised */
    int64_t count;
    int64_t ends_ms; /* on the caller's clock */
};

/* NULL if out of memory. */
struct tally *tally_new(void);
struct tally *tally_free(struct tally *tally); /* returns NULL, accepts NULL */

/* The count of an address, 0 if it has none. */
struct tally_count tally_get(struct tally *tally, const uint8_t address[static PEER_ADDRESS_SIZE], int64_t now_ms);

/* Adds one if the count is below limit. It then ends window_ms from now if it is the first or prolong is set. Returns
 * false, with nothing changed, at the limit. */
bool tally_add(struct tally *tally, const uint8_t address[static PEER_ADDRESS_SIZE], int64_t now_ms, int64_t limit,
               int64_t window_ms, bool prolong, struct tally_count *ret_count);

/* The highest counts, at most n, highest first; *ret_total is the sum of all. Returns how many. */
size_t tally_top(struct tally *tally, int64_t now_ms, size_t n, struct tally_count *ret_counts, int64_t *ret_total);

/* SPDX-License-Identifier: Apache-2.0 */
/* build_cache.h -- what compilers made, kept for the next run of the same source.
 *
 * One file an entry below DATA_DIR/builds, named after its key (build_key.h), with a checksum over key and contents: an
 * entry that is damaged, or was put in another's place, counts as absent. Nothing waits for the disk; what a power
 * failure tears is noticed by its checksum. The least recently used entries go when a bound is reached: of bytes on
 * disk, and of entries, since each takes some memory here however small its file is.
 *
 * Thread-safe. Entries are written by a thread of the cache's own. */
#pragma once

#include <stdint.h>

#include "base/buffer.h"
#include "store/digest.h"

#define BUILD_CACHE_ENTRIES_MAX 16384 /* 3 MiB of memory */

struct build_cache;

/* Opens the directory and learns what it holds. directory_fd is taken over. max_bytes 0 empties it: then, as with any
 * entry that does not fit, nothing is ever kept. Returns 0 or a negative errno. */
int build_cache_open(int directory_fd, int64_t max_bytes, struct build_cache **ret_cache);

/* Waits for the entries that are being written. Returns NULL. */
struct build_cache *build_cache_free(struct build_cache *cache);

/* Appends the entry's contents (wire/built.h, checked) to an empty buffer. Returns 0, BUILD_CACHE_E_ABSENT or a
 * negative errno. */
enum build_cache_outcome {
    BUILD_CACHE_E_ABSENT = 1,
};
int build_cache_get(struct build_cache *cache, const char key[static DIGEST_HEX_SIZE], struct buffer *ret_built);

/* Keeps what a cell handed over, some time soon. The descriptor is taken over and nothing is believed of it: unless it
 * is sealed memory of a sane size and form, it is dropped, as it is when too much is waiting to be written. */
void build_cache_put(struct build_cache *cache, const char key[static DIGEST_HEX_SIZE], int built_fd);

/* Waits until everything that was put has been written or dropped. For tests. */
void build_cache_settle(struct build_cache *cache);

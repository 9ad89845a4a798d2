/* SPDX-License-Identifier: Apache-2.0 */
/* kv.h -- small records with an expiry, and ordered sets of names; one adapter a back end (sqlite.c; redis.c later).
 *
 * The interface is what both SQLite and Redis do well: get, put, delete, members of a set by score, and a batch that is
 * applied whole or not at all. It holds no rules of the product; those are in domain/. Every function is thread-safe.
 */
#pragma once

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define KV_KEY_MAX 256 /* bytes of a key or member, without NUL */

enum kv_outcome {
    KV_E_NOT_FOUND = 1, /* absent or expired */
    KV_E_FULL = 2,      /* no space; nothing was changed */
};

struct kv;
struct kv_batch;

enum kv_order {
    KV_ASCENDING,
    KV_DESCENDING,
};

struct kv_member {
    char name[KV_KEY_MAX + 1];
    double score;
};

/* Opens (and makes) the embedded store at path: SQLite, WAL. Returns 0 or a negative errno; on failure one sentence is
 * in error. */
int kv_open_sqlite(const char *path, struct kv **ret_kv, char *error, size_t error_size);
struct kv *kv_free(struct kv *kv);

/* Reads a record. *ret_value is NUL-terminated and the caller's to free(). Returns 0, KV_E_NOT_FOUND or a negative
 * errno. */
int kv_get(struct kv *kv, const char *key, char **ret_value, size_t *ret_length);

/* Members of a set with min_score <= score <= max_score, by score then name, at most limit. *ret_members is the
 * caller's to free(). A missing set has none. Returns 0 or a negative errno. */
int kv_members(struct kv *kv, const char *set, double min_score, double max_score, enum kv_order order, size_t limit,
               struct kv_member **ret_members, size_t *ret_n);

/* A batch collects changes and applies them in one transaction: all or none. It copies what it is given. An addition
 * fails with -EINVAL for an empty name or one above KV_KEY_MAX, -E2BIG, -ENOMEM; the commit then fails with the same
 * error, so a caller that makes several additions may look at the commit alone. */
int kv_batch_new(struct kv *kv, struct kv_batch **ret_batch);
struct kv_batch *kv_batch_free(struct kv_batch *batch);
int kv_batch_put(struct kv_batch *batch, const char *key, const char *value, size_t length,
                 int64_t expires_ms); /* wall ms; 0 = never */
int kv_batch_delete(struct kv_batch *batch, const char *key);
int kv_batch_add(struct kv_batch *batch, const char *set, const char *member, double score);
int kv_batch_remove(struct kv_batch *batch, const char *set, const char *member);
/* Returns 0, KV_E_FULL or a negative errno. The batch must still be freed. */
int kv_batch_commit(struct kv_batch *batch);

/* For callers whose own callers are told of a full disk by its errno. */
static inline int kv_full_to_errno(int r)
{
    return r == KV_E_FULL ? -ENOSPC : r;
}

static inline void cleanup_kv_batch(struct kv_batch **batch)
{
    kv_batch_free(*batch);
}

#define CLEANUP_KV_BATCH CLEANUP(cleanup_kv_batch)

/* Deletes expired records, at most limit. Returns how many, or a negative errno. */
int kv_expire(struct kv *kv, unsigned limit);

/* True (1) if the store answers, else a negative errno: a trivial read, for health checks. */
int kv_ping(struct kv *kv);

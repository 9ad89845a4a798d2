/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/keyring.h"

#include <errno.h>
#include <nettle/memops.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "domain/limits.h"

#define BUCKETS 1024

struct entry {
    struct entry *next;
    uint8_t digest[DIGEST_RAW_SIZE];
    struct key key;      /* without metadata */
    uint64_t generation; /* of the store when it was read */
    int64_t read_us;     /* monotonic */
    struct key_use use;
    bool managed;
    bool changed; /* the use, since the last flush */
};

struct keyring {
    struct keyring_options options;
    struct entry *environment; /* fixed once in use; compared whole, in constant time */
    unsigned n_environment;
    pthread_mutex_t lock; /* guards what follows and the use of every entry */
    struct entry *managed[BUCKETS];
};

int keyring_new(const struct keyring_options *options, struct keyring **ret_ring)
{
    struct keyring *ring = calloc(1, sizeof(*ring));

    if (!ring)
        return -ENOMEM;
    ring->options = *options;
    pthread_mutex_init(&ring->lock, NULL);
    *ret_ring = ring;
    return 0;
}

struct keyring *keyring_free(struct keyring *ring)
{
    if (!ring)
        return NULL;
    (void)keyring_flush(ring);
    for (unsigned i = 0; i < BUCKETS; i++)
        while (ring->managed[i]) {
            struct entry *entry = ring->managed[i];

            ring->managed[i] = entry->next;
            free(entry);
        }
    free(ring->environment);
    pthread_mutex_destroy(&ring->lock);
    free(ring);
    return NULL;
}

/* Looks at every key whatever the result, so that time tells nothing. */
static struct entry *find_environment(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE])
{
    struct entry *found = NULL;

    for (unsigned i = 0; i < ring->n_environment; i++)
        if (memeql_sec(ring->environment[i].digest, digest, DIGEST_RAW_SIZE))
            found = &ring->environment[i];
    return found;
}

int keyring_add_environment(struct keyring *ring, const char *name, const char *text)
{
    struct entry *grown, *entry;
    uint8_t digest[DIGEST_RAW_SIZE];
    int r;

    key_digest(text, digest);
    if (find_environment(ring, digest))
        return 0;
    grown = realloc(ring->environment, (ring->n_environment + 1) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    ring->environment = grown;
    entry = &grown[ring->n_environment];
    *entry = (struct entry){ .key = KEY_INIT };
    memcpy(entry->digest, digest, sizeof(entry->digest));
    digest_to_hex(entry->digest, entry->key.hash);
    snprintf(entry->key.prefix, sizeof(entry->key.prefix), "%s", text);
    snprintf(entry->key.name, sizeof(entry->key.name), "%s", name);
    snprintf(entry->key.tenant, sizeof(entry->key.tenant), "%s", TENANT_ENVIRONMENT);
    entry->key.created_ms = ring->n_environment ? grown->key.created_ms : clock_wall_ms();
    r = key_use_load(ring->options.store, entry->key.hash, &entry->use);
    if (r == 0)
        ring->n_environment++;
    return r;
}

/* A digest is as good as random, and nobody can choose that of a key that exists: any of its bits serve as an index. */
static struct entry **bucket_of(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE])
{
    uint32_t index;

    memcpy(&index, digest, sizeof(index));
    return &ring->managed[index % BUCKETS];
}

/* The place that holds the entry, or the end of its chain. Under the lock. */
static struct entry **find_managed(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE])
{
    struct entry **place = bucket_of(ring, digest);

    while (*place && !memeql_sec((*place)->digest, digest, DIGEST_RAW_SIZE))
        place = &(*place)->next;
    return place;
}

static bool is_fresh(const struct keyring *ring, const struct entry *entry)
{
    return entry->generation == key_store_generation(ring->options.store) &&
           clock_monotonic_us() - entry->read_us < ring->options.ttl_ms * 1000;
}

/* What the record says of the key itself. */
static int judge(const struct key *key, struct key_holder *ret_holder)
{
    if (!key->enabled)
        return KEY_E_DISABLED;
    if (key->expires_ms && key->expires_ms <= clock_wall_ms())
        return KEY_E_EXPIRED;
    *ret_holder = (struct key_holder){ .managed = true, .network = key->network };
    memcpy(ret_holder->tenant, key->tenant, TENANT_SIZE);
    return 0;
}

/* Reads key and counters as they stand. The generation is taken first: a change meanwhile makes the entry stale. */
static int read_entry(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE], struct entry *ret_entry)
{
    struct entry entry = { .managed = true,
                           .generation = key_store_generation(ring->options.store),
                           .read_us = clock_monotonic_us() };
    char hash[DIGEST_HEX_SIZE];
    int r;

    digest_to_hex(digest, hash);
    r = key_get(ring->options.store, hash, &entry.key);
    key_deinit(&entry.key); /* the metadata, which nobody here needs */
    if (r == 0)
        r = key_use_load(ring->options.store, hash, &entry.use);
    if (r != 0)
        return r;
    memcpy(entry.digest, digest, DIGEST_RAW_SIZE);
    *ret_entry = entry;
    return 0;
}

/* Under the lock. The counters in memory are the newer ones. */
static int keep_entry(struct keyring *ring, const struct entry *read)
{
    struct entry **place = find_managed(ring, read->digest), *entry = *place;

    if (!entry) {
        entry = calloc(1, sizeof(*entry));
        if (!entry)
            return -ENOMEM;
        *entry = *read;
        *place = entry;
        return 0;
    }
    entry->key = read->key;
    entry->generation = read->generation;
    entry->read_us = read->read_us;
    return 0;
}

static void drop_entry(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE])
{
    struct entry **place, *entry;

    pthread_mutex_lock(&ring->lock);
    place = find_managed(ring, digest);
    entry = *place;
    if (entry)
        *place = entry->next;
    pthread_mutex_unlock(&ring->lock);
    free(entry);
}

/* Looks into the store. Only a key that exists leaves an entry: strangers cannot fill the memory. */
static int find_in_store(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE],
                         struct key_holder *ret_holder)
{
    struct entry entry;
    int r = read_entry(ring, digest, &entry);

    if (r == KEY_E_NOT_FOUND)
        drop_entry(ring, digest);
    if (r != 0)
        return r;
    pthread_mutex_lock(&ring->lock);
    r = keep_entry(ring, &entry);
    pthread_mutex_unlock(&ring->lock);
    return r < 0 ? r : judge(&entry.key, ret_holder);
}

int keyring_find(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE], struct key_holder *ret_holder)
{
    const struct entry *entry;
    bool fresh;
    int r = 0;

    if (find_environment(ring, digest)) {
        *ret_holder = (struct key_holder){ .tenant = TENANT_ENVIRONMENT };
        return 0;
    }
    pthread_mutex_lock(&ring->lock);
    entry = *find_managed(ring, digest);
    fresh = entry && is_fresh(ring, entry);
    if (fresh)
        r = judge(&entry->key, ret_holder);
    pthread_mutex_unlock(&ring->lock);
    return fresh ? r : find_in_store(ring, digest, ret_holder);
}

/* Under the lock. */
static enum keyring_admission admit(const struct keyring *ring, struct entry *entry, enum rate_group group,
                                    struct rate_standing *ret_standing)
{
    int64_t now_ms = clock_wall_ms();
    struct key_use *use = &entry->use;
    const int64_t *limits = entry->key.limits;

    if (ring->options.key_limits && rate_exceeded(limits, use->periods, now_ms, ret_standing))
        return KEYRING_PERIOD_LIMITED;
    if (rate_group_exceeded(group, &ring->options.rules[group], &use->groups[group], now_ms, ret_standing))
        return KEYRING_GROUP_LIMITED;
    rate_count(use->periods, now_ms);
    rate_group_count(&ring->options.rules[group], &use->groups[group], now_ms);
    use->count++;
    use->last_used_ms = now_ms;
    entry->changed = true;
    if (ring->options.key_limits && rate_tightest(limits, use->periods, now_ms, ret_standing))
        return KEYRING_ADMITTED_TELL;
    return KEYRING_ADMITTED;
}

enum keyring_admission keyring_admit(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE],
                                     enum rate_group group, struct rate_standing *ret_standing)
{
    enum keyring_admission admission = KEYRING_ADMITTED;
    struct entry *entry;

    pthread_mutex_lock(&ring->lock);
    entry = find_environment(ring, digest);
    if (!entry)
        entry = *find_managed(ring, digest);
    if (entry) /* else it was revoked a moment ago */
        admission = admit(ring, entry, group, ret_standing);
    pthread_mutex_unlock(&ring->lock);
    return admission;
}

/* Under the lock. */
static struct entry *find_hash(struct keyring *ring, const char *hash)
{
    uint8_t digest[DIGEST_RAW_SIZE];
    struct entry *entry;

    if (!digest_from_hex(hash, digest))
        return NULL;
    entry = find_environment(ring, digest);
    return entry ? entry : *find_managed(ring, digest);
}

int keyring_use(struct keyring *ring, const char *hash, struct key_use *ret_use)
{
    const struct entry *entry;

    pthread_mutex_lock(&ring->lock);
    entry = find_hash(ring, hash);
    if (entry)
        *ret_use = entry->use;
    pthread_mutex_unlock(&ring->lock);
    return entry ? 0 : key_use_load(ring->options.store, hash, ret_use);
}

bool keyring_environment(const struct keyring *ring, unsigned number, struct key *ret_key)
{
    if (number >= ring->n_environment)
        return false;
    *ret_key = ring->environment[number].key;
    return true;
}

bool keyring_is_environment(struct keyring *ring, const char *hash)
{
    uint8_t digest[DIGEST_RAW_SIZE];

    return digest_from_hex(hash, digest) && find_environment(ring, digest);
}

/* Calls visit for every entry until one call returns something else than 0. Under the lock. */
static int each_entry(struct keyring *ring, int (*visit)(struct entry *entry, void *context), void *context)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < ring->n_environment; i++)
        r = visit(&ring->environment[i], context);
    for (unsigned i = 0; r == 0 && i < BUCKETS; i++)
        for (struct entry *entry = ring->managed[i]; r == 0 && entry; entry = entry->next)
            r = visit(entry, context);
    return r;
}

struct stale {
    uint64_t generation;
    uint8_t digest[DIGEST_RAW_SIZE];
};

static int note_stale(struct entry *entry, void *context)
{
    struct stale *stale = context;

    if (!entry->changed || !entry->managed || entry->generation == stale->generation)
        return 0;
    memcpy(stale->digest, entry->digest, DIGEST_RAW_SIZE);
    return 1;
}

/* A key that another process revoked is known here until somebody presents it; writing its counters would leave a
 * record that nothing names. So what changed is looked up again first. */
static int drop_revoked(struct keyring *ring)
{
    struct key_holder holder;
    struct stale stale;
    int r = 1, found;

    for (unsigned i = 0; r > 0 && i < LIMIT_KEYS; i++) {
        stale.generation = key_store_generation(ring->options.store);
        pthread_mutex_lock(&ring->lock);
        r = each_entry(ring, note_stale, &stale);
        pthread_mutex_unlock(&ring->lock);
        if (r > 0 && (found = find_in_store(ring, stale.digest, &holder)) < 0)
            return found;
    }
    return 0;
}

struct flush {
    struct kv_batch *batch;
    bool some;
};

static int batch_entry(struct entry *entry, void *context)
{
    struct flush *flush = context;

    if (!entry->changed)
        return 0;
    flush->some = true;
    entry->changed = false;
    return key_use_batch(flush->batch, entry->key.hash, &entry->use);
}

static int mark_entry(struct entry *entry, void *context)
{
    (void)context;
    entry->changed |= entry->use.count > 0;
    return 0;
}

/* Which entries the failed batch held is not known any more; writing more than that does no harm. */
static void mark_all(struct keyring *ring)
{
    pthread_mutex_lock(&ring->lock);
    each_entry(ring, mark_entry, NULL);
    pthread_mutex_unlock(&ring->lock);
}

/* What was counted for them is in the store. A key that was revoked may never be presented again. */
static void forget_idle(struct keyring *ring)
{
    int64_t before_us = clock_monotonic_us() - ring->options.idle_ms * 1000;

    pthread_mutex_lock(&ring->lock);
    for (unsigned i = 0; i < BUCKETS; i++)
        for (struct entry **place = &ring->managed[i], *entry; (entry = *place);) {
            if (entry->changed || entry->read_us >= before_us) {
                place = &entry->next;
                continue;
            }
            *place = entry->next;
            free(entry);
        }
    pthread_mutex_unlock(&ring->lock);
}

int keyring_flush(struct keyring *ring)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    struct flush flush = { 0 };
    int r = drop_revoked(ring);

    if (r == 0)
        r = kv_batch_new(key_store_kv(ring->options.store), &batch);
    if (r < 0)
        return r;
    flush.batch = batch;
    pthread_mutex_lock(&ring->lock);
    r = each_entry(ring, batch_entry, &flush);
    pthread_mutex_unlock(&ring->lock);
    if (r == 0 && flush.some)
        r = kv_batch_commit(batch);
    if (r == 0)
        forget_idle(ring);
    else
        mark_all(ring);
    return kv_full_to_errno(r);
}

static int count_managed(struct entry *entry, void *context)
{
    *(unsigned *)context += entry->managed;
    return 0;
}

unsigned keyring_known(struct keyring *ring)
{
    unsigned n = 0;

    pthread_mutex_lock(&ring->lock);
    each_entry(ring, count_managed, &n);
    pthread_mutex_unlock(&ring->lock);
    return n;
}

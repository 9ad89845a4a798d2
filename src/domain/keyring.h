/* SPDX-License-Identifier: Apache-2.0 */
/* keyring.h -- which presented keys are good, and how often each may call: what is asked at every request, from memory.
 *
 * A key that was found good stays known for ttl_ms; a change of any key, by this process or another, ends that at once
 * (key.h). A key that is not good is looked up every time. Counters (http-api.md 5) live as long as the ring and are
 * written behind by keyring_flush(): a server that is killed forgets what it counted since, at most some seconds.
 * Memory is bounded by the keys that are in use: a few hundred bytes each, however much they are used, given back when
 * nobody has presented them for idle_ms. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "domain/key.h"
#include "domain/rate.h"

struct keyring;

struct keyring_options {
    struct key_store *store; /* borrowed */
    int64_t ttl_ms;
    int64_t idle_ms;                     /* more than ttl_ms */
    bool key_limits;                     /* limits of managed keys are in force (RATE_LIMIT_ENABLED) */
    struct rate_rule rules[RATE_GROUPS]; /* limits of endpoint groups, of every key */
};

/* Returns 0 or a negative errno. */
int keyring_new(const struct keyring_options *options, struct keyring **ret_ring);
struct keyring *keyring_free(struct keyring *ring); /* flushes; returns NULL, accepts NULL */

/* Adds a key of the environment under a name for the listing; one that has a name keeps it. Before the ring is in use.
 * Returns 0 or a negative errno. */
int keyring_add_environment(struct keyring *ring, const char *name, const char *text);

struct key_holder {
    char tenant[TENANT_SIZE];
    bool managed;
    enum key_network network;
};

/* Whose key this is. Returns 0, KEY_E_NOT_FOUND, KEY_E_DISABLED, KEY_E_EXPIRED or a negative errno. */
int keyring_find(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE], struct key_holder *ret_holder);

enum keyring_admission {
    KEYRING_ADMITTED,       /* counted; the key has no limit to tell of */
    KEYRING_ADMITTED_TELL,  /* counted; the standing is that of its tightest limit */
    KEYRING_PERIOD_LIMITED, /* the standing is that of the limit that is used up, nothing was counted */
    KEYRING_GROUP_LIMITED,
};

/* Checks and counts one request of a key that keyring_find() found, in one step: parallel requests cannot pass a limit
 * together. */
enum keyring_admission keyring_admit(struct keyring *ring, const uint8_t digest[static DIGEST_RAW_SIZE],
                                     enum rate_group group, struct rate_standing *ret_standing);

/* What was counted for a key, of the environment or managed. */
int keyring_use(struct keyring *ring, const char *hash, struct key_use *ret_use);

/* The keys of the environment, by number. Returns false behind the last. The key is complete but for the metadata. */
bool keyring_environment(const struct keyring *ring, unsigned number, struct key *ret_key);
bool keyring_is_environment(struct keyring *ring, const char *hash);

/* Writes the counters that changed, and forgets keys that rest or are gone. Returns 0 or a negative errno; the counters
 * stay to be written then. */
int keyring_flush(struct keyring *ring);

/* How many managed keys are in memory. For tests. */
unsigned keyring_known(struct keyring *ring);

/* SPDX-License-Identifier: Apache-2.0 */
/* key.h -- managed keys: who may call besides the keys of the environment (admin.md A3).
 *
 * A key is 24 random bytes in text, shown once. Kept is its SHA-256, plain: with 192 bits of entropy there is nothing
 * to guess that salting or slow hashing would protect, and the digest is its name in paths, records and metrics. For
 * the same reason a lookup by digest may take an index: its timing tells about digests, from which no key follows.
 *
 * Several processes may change the keys of one data directory: a server and the command line. The file keys.generation
 * in it is their lock, and holds a number that all of them map; it goes up after every change, so that a server sees at
 * its next request that what it remembers (keyring.h) may be out of date. This holds for processes that share the file.
 * Servers that share a store over the network would notice a change after API_KEY_CACHE_TTL_SECONDS at the latest. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/rate.h"
#include "domain/tenant.h"
#include "store/digest.h"
#include "store/kv.h"

#define KEY_TEXT_SIZE       36 /* "sk-", 32 characters of URL-safe base64, NUL */
#define KEY_PREFIX_SIZE     12
#define KEY_NAME_SIZE       257
#define KEY_LIMIT_MAX       INT64_C(1000000000)
#define KEY_LIMIT_STAYS     (-1)              /* in a change; so is all below 0 */
#define KEY_GENERATION_FILE "keys.generation" /* in the data directory */

enum key_outcome {
    KEY_E_NOT_FOUND = 1,
    KEY_E_DISABLED = 2,
    KEY_E_EXPIRED = 3,
    KEY_E_ENVIRONMENT = 4, /* keys of the environment cannot be changed here */
    KEY_E_TOO_MANY = 5,
};

/* What programs of a key may reach, of what the server has (security.md S4). */
enum key_network {
    KEY_NETWORK_SERVER, /* whatever it has */
    KEY_NETWORK_OFF,
    KEY_NETWORK_ALLOWLIST,
    KEY_NETWORK_WAN,
    KEY_NETWORKS,
};

const char *key_network_name(enum key_network network); /* "server", "off" ... */
bool key_network_from_name(const char *name, enum key_network *ret_network);

struct key {
    char hash[DIGEST_HEX_SIZE];
    char prefix[KEY_PREFIX_SIZE]; /* the first characters of the key itself */
    char name[KEY_NAME_SIZE];
    char tenant[TENANT_SIZE];
    int64_t created_ms;
    int64_t expires_ms; /* 0 = never */
    bool enabled;
    enum key_network network;
    int64_t limits[RATE_PERIODS]; /* 0 = none */
    json_t *metadata;             /* an object of strings; NULL = empty */
};

#define KEY_INIT ((struct key){ .enabled = true })
void key_deinit(struct key *key);

/* What is counted for a key; keyring.h is the one writer. */
struct key_use {
    int64_t last_used_ms; /* 0 = never */
    int64_t count;        /* accepted requests */
    struct rate_window periods[RATE_PERIODS];
    struct rate_window groups[RATE_GROUPS];
};

/* What to change; NULL = stays. */
struct key_change {
    const char *name;
    const bool *enabled;
    const int64_t *limits; /* all RATE_PERIODS of them; 0 = none, KEY_LIMIT_STAYS = what it is at that moment */
    const int64_t *expires_ms;
    const enum key_network *network;
};

struct key_store;

/* Opens the keys of kv; the shared generation lies below data_dir_fd, which is borrowed for the call. Returns 0 or a
 * negative errno. */
int key_store_open(struct kv *kv, int data_dir_fd, struct key_store **ret_store);
struct key_store *key_store_free(struct key_store *store); /* returns NULL, accepts NULL */

/* Goes up after every change by anyone. */
uint64_t key_store_generation(const struct key_store *store);

/* The digest under which a key is known. */
void key_digest(const char *text, uint8_t ret_digest[static DIGEST_RAW_SIZE]);

/* Makes a key. Of *key name, tenant ("" = its own), expiry, limits and metadata are the caller's; the rest is filled
 * in. ret_text is the key itself, to be shown and wiped. Returns 0, KEY_E_TOO_MANY or a negative errno. */
int key_create(struct key_store *store, struct key *key, char ret_text[static KEY_TEXT_SIZE]);

/* Reads one. Returns 0 (the caller deinits), KEY_E_NOT_FOUND or a negative errno. */
int key_get(struct key_store *store, const char *hash, struct key *ret_key);

/* All of them, newest first; the caller frees with key_list_free(). Returns 0 or a negative errno. */
int key_list(struct key_store *store, struct key **ret_keys, size_t *ret_n);
void key_list_free(struct key *keys, size_t n);

/* Both are in force when they return, in every process that shares the generation. Return 0, KEY_E_NOT_FOUND or a
 * negative errno; -EBUSY if another process holds the lock for long. */
int key_change(struct key_store *store, const char *hash, const struct key_change *change);
int key_revoke(struct key_store *store, const char *hash);

/* What was counted for a key, zeros if nothing was. Returns 0 or a negative errno. */
int key_use_load(struct key_store *store, const char *hash, struct key_use *ret_use);

/* Adds to batch what keeps it. Returns 0 or a negative errno. */
int key_use_batch(struct kv_batch *batch, const char *hash, const struct key_use *use);
struct kv *key_store_kv(const struct key_store *store);

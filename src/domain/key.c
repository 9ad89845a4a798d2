/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/key.h"

#include <errno.h>
#include <fcntl.h>
#include <nettle/base64.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "domain/limits.h"
#include "domain/record.h"

#define KEY_MARK          "sk-"
#define KEY_BYTES         24
#define OWN_TENANT_DIGITS 16 /* of the digest */
#define LOCK_WAIT_MS      5000

struct key_store {
    struct kv *kv;                /* borrowed */
    int fd;                       /* of the generation file; flock() on it is the lock between processes */
    pthread_mutex_t lock;         /* and this the one between threads */
    _Atomic uint64_t *generation; /* mapped, shared */
};

void key_deinit(struct key *key)
{
    json_decref(key->metadata);
    key->metadata = NULL;
}

/* Between processes. Nobody who lives holds it for longer than a transaction; who was stopped in one must not keep
 * others waiting for ever, a server that starts among them. */
static int lock_file(int fd)
{
    int r = fd_lock(fd, LOCK_WAIT_MS);

    return r == FD_E_BUSY ? -EBUSY : r;
}

/* The bytes themselves, not a hole: a full disk would answer the first write to a mapped hole with a signal. Under the
 * lock, so that no counting of another process is undone. */
static int fill_generation(int fd)
{
    static const uint64_t zero;
    struct stat st;
    int r;

    r = lock_file(fd);
    if (r < 0)
        return r;
    if (fstat(fd, &st) < 0)
        r = error_from_errno();
    else if (st.st_size < (off_t)sizeof(zero))
        r = fd_write_full(fd, &zero, sizeof(zero));
    flock(fd, LOCK_UN);
    return r;
}

static const char *const network_names[KEY_NETWORKS] = {
    [KEY_NETWORK_SERVER] = "server",
    [KEY_NETWORK_OFF] = "off",
    [KEY_NETWORK_ALLOWLIST] = "allowlist",
    [KEY_NETWORK_WAN] = "wan",
};

const char *key_network_name(enum key_network network)
{
    return network_names[network];
}

bool key_network_from_name(const char *name, enum key_network *ret_network)
{
    for (int i = 0; i < KEY_NETWORKS; i++) {
        if (strcmp(network_names[i], name) == 0) {
            *ret_network = (enum key_network)i;
            return true;
        }
    }
    return false;
}

static int map_generation(struct key_store *store, int data_dir_fd)
{
    void *map;
    int r;

    store->fd = openat(data_dir_fd, KEY_GENERATION_FILE, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (store->fd < 0)
        return error_from_errno();
    r = fill_generation(store->fd);
    if (r < 0)
        return r;
    map = mmap(NULL, sizeof(uint64_t), PROT_READ | PROT_WRITE, MAP_SHARED, store->fd, 0);
    if (map == MAP_FAILED)
        return error_from_errno();
    store->generation = map;
    return 0;
}

int key_store_open(struct kv *kv, int data_dir_fd, struct key_store **ret_store)
{
    struct key_store *store = calloc(1, sizeof(*store));
    int r;

    if (!store)
        return -ENOMEM;
    store->kv = kv;
    pthread_mutex_init(&store->lock, NULL);
    r = map_generation(store, data_dir_fd);
    if (r < 0) {
        key_store_free(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

struct key_store *key_store_free(struct key_store *store)
{
    if (!store)
        return NULL;
    if (store->generation)
        munmap((void *)store->generation, sizeof(uint64_t));
    cleanup_close_fd(&store->fd);
    pthread_mutex_destroy(&store->lock);
    free(store);
    return NULL;
}

uint64_t key_store_generation(const struct key_store *store)
{
    return atomic_load(store->generation);
}

struct kv *key_store_kv(const struct key_store *store)
{
    return store->kv;
}

/* Waits for the command line or the server, whichever the other is; neither holds it for longer than a transaction. */
static int lock_store(struct key_store *store)
{
    int r;

    pthread_mutex_lock(&store->lock);
    r = lock_file(store->fd);
    if (r < 0)
        pthread_mutex_unlock(&store->lock);
    return r;
}

static void unlock_store(struct key_store *store)
{
    flock(store->fd, LOCK_UN);
    pthread_mutex_unlock(&store->lock);
}

/* Commits a change of keys and tells everybody. The generation goes up even if the commit failed: no harm. It goes up
 * before as well, in case this process is ended in between; what somebody reads and keeps in that moment the second one
 * corrects. */
static int commit(struct key_store *store, struct kv_batch *batch)
{
    int r;

    atomic_fetch_add(store->generation, 1);
    r = kv_batch_commit(batch);
    atomic_fetch_add(store->generation, 1);
    return kv_full_to_errno(r);
}

static int batch_put_key(struct kv_batch *batch, const struct key *key)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = record_encode_key(key, &json, &length);

    if (r < 0)
        return r;
    kv_batch_put(batch, record_key(key->hash).text, json, length, 0);
    return kv_batch_add(batch, RECORD_KEYS, key->hash, (double)key->created_ms);
}

void key_digest(const char *text, uint8_t ret_digest[static DIGEST_RAW_SIZE])
{
    struct digest digest;

    digest_init(&digest);
    digest_update(&digest, text, strlen(text));
    digest_finish(&digest, ret_digest);
}

static void make_text(char ret_text[static KEY_TEXT_SIZE])
{
    uint8_t bytes[KEY_BYTES];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort(); /* never short nor interrupted up to 256 bytes (random(4)) */
    memcpy(ret_text, KEY_MARK, strlen(KEY_MARK));
    base64_encode_raw(ret_text + strlen(KEY_MARK), sizeof(bytes), bytes);
    explicit_bzero(bytes, sizeof(bytes));
    ret_text[KEY_TEXT_SIZE - 1] = '\0';
    for (char *p = ret_text; *p; p++)
        *p = *p == '+' ? '-' : *p == '/' ? '_' : *p;
}

/* "-" of the mark is no such character, so it is not touched by make_text(). */
_Static_assert(sizeof(KEY_MARK) - 1 + BASE64_ENCODE_RAW_LENGTH(KEY_BYTES) == KEY_TEXT_SIZE - 1, "a key fills its text");

static void name_key(struct key *key, const char *text)
{
    uint8_t digest[DIGEST_RAW_SIZE];

    key_digest(text, digest);
    digest_to_hex(digest, key->hash);
    snprintf(key->prefix, sizeof(key->prefix), "%s", text);
    if (!key->tenant[0])
        snprintf(key->tenant, sizeof(key->tenant), "%.*s", OWN_TENANT_DIGITS, key->hash);
    key->created_ms = clock_wall_ms();
}

static int check_room(struct key_store *store)
{
    CLEANUP_FREE struct kv_member *members = NULL;
    size_t n = 0;
    int r = kv_members(store->kv, RECORD_KEYS, 0, (double)INT64_MAX, KV_ASCENDING, LIMIT_KEYS, &members, &n);

    return r < 0 ? r : n >= LIMIT_KEYS ? KEY_E_TOO_MANY : 0;
}

int key_create(struct key_store *store, struct key *key, char ret_text[static KEY_TEXT_SIZE])
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    int r = kv_batch_new(store->kv, &batch);

    if (r < 0)
        return r;
    make_text(ret_text);
    name_key(key, ret_text);
    r = batch_put_key(batch, key);
    if (r == 0)
        r = lock_store(store);
    if (r < 0)
        return r;
    r = check_room(store);
    if (r == 0)
        r = commit(store, batch);
    unlock_store(store);
    return r;
}

int key_get(struct key_store *store, const char *hash, struct key *ret_key)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = digest_is_hex(hash) ? kv_get(store->kv, record_key(hash).text, &json, &length) : KV_E_NOT_FOUND;

    if (r == KV_E_NOT_FOUND)
        return KEY_E_NOT_FOUND;
    if (r == 0)
        r = record_decode_key(json, length, hash, ret_key);
    if (r != -EBADMSG)
        return r;
    log_warning("the record of key %.16s is damaged and counts as absent", hash);
    return KEY_E_NOT_FOUND;
}

int key_list(struct key_store *store, struct key **ret_keys, size_t *ret_n)
{
    CLEANUP_FREE struct kv_member *members = NULL;
    struct key *keys;
    size_t n_members = 0, n = 0;
    int r = kv_members(store->kv, RECORD_KEYS, 0, (double)INT64_MAX, KV_DESCENDING, LIMIT_KEYS, &members, &n_members);

    if (r < 0)
        return r;
    keys = calloc(n_members + 1, sizeof(*keys));
    if (!keys)
        return -ENOMEM;
    for (size_t i = 0; i < n_members; i++) {
        r = key_get(store, members[i].name, &keys[n]);
        if (r < 0) {
            key_list_free(keys, n);
            return r;
        }
        n += r == 0;
    }
    *ret_keys = keys;
    *ret_n = n;
    return 0;
}

void key_list_free(struct key *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        key_deinit(&keys[i]);
    free(keys);
}

static void apply(const struct key_change *change, struct key *key)
{
    if (change->name)
        snprintf(key->name, sizeof(key->name), "%s", change->name);
    if (change->enabled)
        key->enabled = *change->enabled;
    for (int i = 0; change->limits && i < RATE_PERIODS; i++)
        if (change->limits[i] >= 0)
            key->limits[i] = change->limits[i];
    if (change->expires_ms)
        key->expires_ms = *change->expires_ms;
    if (change->network)
        key->network = *change->network;
}

/* Under the lock. */
static int change_locked(struct key_store *store, const char *hash, const struct key_change *change)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    CLEANUP(key_deinit) struct key key = KEY_INIT;
    int r = kv_batch_new(store->kv, &batch);

    if (r == 0)
        r = key_get(store, hash, &key);
    if (r != 0)
        return r;
    apply(change, &key);
    r = batch_put_key(batch, &key);
    return r < 0 ? r : commit(store, batch);
}

int key_change(struct key_store *store, const char *hash, const struct key_change *change)
{
    int r = lock_store(store);

    if (r < 0)
        return r;
    r = change_locked(store, hash, change);
    unlock_store(store);
    return r;
}

/* Under the lock. A damaged record can be revoked like any other. */
static int revoke_locked(struct key_store *store, const char *hash)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = kv_batch_new(store->kv, &batch);

    if (r == 0)
        r = kv_get(store->kv, record_key(hash).text, &json, &length);
    if (r != 0)
        return r == KV_E_NOT_FOUND ? KEY_E_NOT_FOUND : r;
    kv_batch_delete(batch, record_key(hash).text);
    kv_batch_delete(batch, record_key_use(hash).text);
    kv_batch_remove(batch, RECORD_KEYS, hash);
    return commit(store, batch);
}

int key_revoke(struct key_store *store, const char *hash)
{
    int r = digest_is_hex(hash) ? lock_store(store) : KEY_E_NOT_FOUND;

    if (r != 0)
        return r;
    r = revoke_locked(store, hash);
    unlock_store(store);
    return r;
}

int key_use_load(struct key_store *store, const char *hash, struct key_use *ret_use)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = kv_get(store->kv, record_key_use(hash).text, &json, &length);

    *ret_use = (struct key_use){ 0 };
    if (r == 0)
        r = record_decode_key_use(json, length, ret_use);
    if (r == -EBADMSG)
        log_warning("the counters of key %.16s are damaged and start anew", hash);
    return r == KV_E_NOT_FOUND || r == -EBADMSG ? 0 : r;
}

int key_use_batch(struct kv_batch *batch, const char *hash, const struct key_use *use)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = record_encode_key_use(use, &json, &length);

    return r < 0 ? r : kv_batch_put(batch, record_key_use(hash).text, json, length, 0);
}

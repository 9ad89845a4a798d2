/* SPDX-License-Identifier: Apache-2.0 */
#include "http/peers.h"

#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/peer_address.h"

#define BUCKETS 1024

struct peer {
    struct peer *next;
    struct address address;
    unsigned connections;
};

struct peers {
    unsigned limit;
    const struct address_block *exempt;
    size_t n_exempt;
    uint64_t seed[2]; /* nobody outside can aim at a bucket */
    pthread_mutex_t lock;
    struct peer *buckets[BUCKETS];
};

int peers_new(unsigned limit, const struct address_block *exempt, size_t n_exempt, struct peers **ret_peers)
{
    struct peers *peers = calloc(1, sizeof(*peers));

    if (!peers)
        return -ENOMEM;
    peers->limit = limit;
    peers->exempt = exempt;
    peers->n_exempt = n_exempt;
    peer_address_seed(peers->seed);
    pthread_mutex_init(&peers->lock, NULL);
    *ret_peers = peers;
    return 0;
}

struct peers *peers_free(struct peers *peers)
{
    if (!peers)
        return NULL;
    for (size_t i = 0; i < BUCKETS; i++)
        while (peers->buckets[i]) {
            struct peer *peer = peers->buckets[i];

            peers->buckets[i] = peer->next;
            free(peer);
        }
    pthread_mutex_destroy(&peers->lock);
    free(peers);
    return NULL;
}

static struct address normal(const struct address *address)
{
    struct address copy = { 0 };

    peer_address_normalise(address->bytes, copy.bytes);
    return copy;
}

static struct peer **bucket_of(struct peers *peers, const struct address *address)
{
    return &peers->buckets[peer_address_hash(address->bytes, peers->seed) % BUCKETS];
}

/* The link to the peer, or the end of its bucket. */
static struct peer **find(struct peers *peers, const struct address *address)
{
    struct peer **link = bucket_of(peers, address);

    while (*link && memcmp((*link)->address.bytes, address->bytes, sizeof(address->bytes)) != 0)
        link = &(*link)->next;
    return link;
}

static bool is_counted(const struct peers *peers, const struct address *address)
{
    for (size_t i = 0; i < peers->n_exempt; i++)
        if (address_block_has(&peers->exempt[i], address))
            return false;
    return peers->limit > 0;
}

bool peers_admit(struct peers *peers, const struct address *address)
{
    struct address peer = normal(address);
    struct peer *found;
    bool room;

    if (!is_counted(peers, address))
        return true;
    pthread_mutex_lock(&peers->lock);
    found = *find(peers, &peer);
    room = !found || found->connections < peers->limit;
    pthread_mutex_unlock(&peers->lock);
    return room;
}

void peers_enter(struct peers *peers, const struct address *address)
{
    struct address peer = normal(address);
    struct peer **link;

    if (!is_counted(peers, address))
        return;
    pthread_mutex_lock(&peers->lock);
    link = find(peers, &peer);
    if (!*link && (*link = calloc(1, sizeof(**link))))
        (*link)->address = peer;
    if (*link)
        (*link)->connections++;
    pthread_mutex_unlock(&peers->lock);
}

void peers_leave(struct peers *peers, const struct address *address)
{
    struct address peer = normal(address);
    struct peer **link, *gone;

    if (!is_counted(peers, address))
        return;
    pthread_mutex_lock(&peers->lock);
    link = find(peers, &peer);
    gone = *link;
    if (gone && --gone->connections == 0) {
        *link = gone->next;
        free(gone);
    }
    pthread_mutex_unlock(&peers->lock);
}

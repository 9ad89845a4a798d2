/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/build_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/hash.h"
#include "base/log.h"
#include "wire/built.h"

#define BUCKETS          4096u
#define WAITING_MAX      32
#define BLOCK_BYTES      4096 /* what even a small file takes */
#define TOUCH_AFTER_S    3600 /* the order of use survives a restart as times of files, this coarse */
#define TEMPORARY        "incoming"
#define WRITER_STACK     (256u << 10)
#define ENTRY_SHARE_LEFT 8 /* an entry may take one eighth of the cache */

/* What says that a file is still the one whose checksum was right. */
struct identity {
    uint64_t inode;
    int64_t size, changed_s, changed_ns;
};

struct entry {
    char key[DIGEST_HEX_SIZE];
    int64_t bytes, modified_s;
    struct identity verified;    /* inode 0 = not yet read */
    struct entry *next;          /* in its bucket */
    struct entry *newer, *older; /* in order of use */
};

struct waiting {
    char key[DIGEST_HEX_SIZE];
    int built_fd;
};

struct build_cache {
    int directory_fd;
    int64_t max_bytes;
    pthread_t writer;
    bool writer_started;

    pthread_mutex_t lock; /* guards all below; not held while files are read or written */
    pthread_cond_t work, idle;
    bool stopping, writing;
    struct waiting waiting[WAITING_MAX];
    size_t n_waiting;
    int64_t bytes;
    unsigned n_entries;
    struct entry *newest, *oldest;
    struct entry *buckets[BUCKETS];
};

static struct entry **place_of(struct build_cache *cache, const char *key)
{
    struct entry **place;

    for (place = &cache->buckets[hash_text(key) % BUCKETS]; *place && strcmp((*place)->key, key) != 0;
         place = &(*place)->next)
        ;
    return place;
}

static void unlink_order(struct build_cache *cache, struct entry *entry)
{
    *(entry->newer ? &entry->newer->older : &cache->newest) = entry->older;
    *(entry->older ? &entry->older->newer : &cache->oldest) = entry->newer;
}

static void link_newest(struct build_cache *cache, struct entry *entry)
{
    entry->newer = NULL;
    entry->older = cache->newest;
    *(cache->newest ? &cache->newest->newer : &cache->oldest) = entry;
    cache->newest = entry;
}

/* Forgets the entry, if there is one, and removes its file. Whoever reads that at the moment keeps it open. */
static void drop(struct build_cache *cache, struct entry **place)
{
    struct entry *entry = *place;

    if (!entry)
        return;
    *place = entry->next;
    unlink_order(cache, entry);
    cache->bytes -= entry->bytes;
    cache->n_entries--;
    (void)unlinkat(cache->directory_fd, entry->key, 0);
    free(entry);
}

static void shrink(struct build_cache *cache)
{
    while (cache->oldest && (cache->bytes > cache->max_bytes || cache->n_entries > BUILD_CACHE_ENTRIES_MAX))
        drop(cache, place_of(cache, cache->oldest->key));
}

static int64_t blocks(int64_t size)
{
    return (size + BLOCK_BYTES - 1) / BLOCK_BYTES * BLOCK_BYTES;
}

static int add(struct build_cache *cache, const char *key, const struct stat *st)
{
    struct entry **place = place_of(cache, key);
    struct entry *entry;

    if (*place)
        return 0;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->bytes = blocks(st->st_size);
    entry->modified_s = st->st_mtim.tv_sec;
    *place = entry;
    link_newest(cache, entry);
    cache->bytes += entry->bytes;
    cache->n_entries++;
    shrink(cache);
    return 0;
}

/* A file found at the start. */
struct found {
    char key[DIGEST_HEX_SIZE];
    struct stat st;
};

static int older_first(const void *a, const void *b)
{
    const struct timespec *x = &((const struct found *)a)->st.st_mtim, *y = &((const struct found *)b)->st.st_mtim;

    if (x->tv_sec != y->tv_sec)
        return x->tv_sec < y->tv_sec ? -1 : 1;
    return (x->tv_nsec > y->tv_nsec) - (x->tv_nsec < y->tv_nsec);
}

/* Lists entries and removes everything else. */
static int scan(int directory_fd, struct found **ret_found, size_t *ret_n)
{
    int copy = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *dirent;
    size_t capacity = 0;

    if (!dir) {
        cleanup_close_fd(&copy);
        return error_from_errno();
    }
    while ((dirent = readdir(dir))) {
        struct found found;

        if (strcmp(dirent->d_name, ".") == 0 || strcmp(dirent->d_name, "..") == 0)
            continue;
        if (!digest_is_hex(dirent->d_name) ||
            fstatat(directory_fd, dirent->d_name, &found.st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(found.st.st_mode)) {
            (void)unlinkat(directory_fd, dirent->d_name, 0);
            continue;
        }
        if (*ret_n == capacity) {
            struct found *more = realloc(*ret_found, (capacity = capacity ? 2 * capacity : 64) * sizeof(found));

            if (!more)
                break;
            *ret_found = more;
        }
        memcpy(found.key, dirent->d_name, sizeof(found.key));
        (*ret_found)[(*ret_n)++] = found;
    }
    closedir(dir);
    return dirent ? -ENOMEM : 0;
}

static int load(struct build_cache *cache)
{
    CLEANUP_FREE struct found *found = NULL;
    size_t n = 0;
    int r = scan(cache->directory_fd, &found, &n);

    if (n > 0)
        qsort(found, n, sizeof(*found), older_first);
    for (size_t i = 0; i < n && r == 0; i++)
        r = add(cache, found[i].key, &found[i].st);
    return r;
}

static void checksum(const char *key, const void *bytes, size_t size, uint8_t ret_raw[static DIGEST_RAW_SIZE])
{
    struct digest digest;

    digest_init(&digest);
    digest_update(&digest, key, DIGEST_HEX_SIZE);
    digest_update(&digest, bytes, size);
    digest_finish(&digest, ret_raw);
}

static struct identity identity_of(const struct stat *st)
{
    return (struct identity){ st->st_ino, st->st_size, st->st_ctim.tv_sec, st->st_ctim.tv_nsec };
}

static bool same_identity(const struct identity *a, const struct identity *b)
{
    return a->inode == b->inode && a->size == b->size && a->changed_s == b->changed_s && a->changed_ns == b->changed_ns;
}

/* Reads an entry's contents. Returns 0, BUILD_CACHE_E_ABSENT if it is not what was written, or a negative errno. */
static int read_entry(int fd, const char *key, const struct stat *st, bool verified, struct buffer *built)
{
    uint8_t stored[DIGEST_RAW_SIZE], actual[DIGEST_RAW_SIZE];
    size_t size;
    ssize_t n;
    int r;

    if (!S_ISREG(st->st_mode) || st->st_size <= (off_t)sizeof(stored) ||
        st->st_size > (off_t)(sizeof(stored) + BUILT_BYTES_MAX))
        return BUILD_CACHE_E_ABSENT;
    size = (size_t)st->st_size - sizeof(stored);
    r = buffer_reserve(built, size);
    if (r < 0)
        return r;
    n = fd_read_full(fd, stored, sizeof(stored));
    if (n == sizeof(stored))
        n = fd_read_full(fd, built->data, size);
    if (n != (ssize_t)size)
        return n < 0 ? (int)n : BUILD_CACHE_E_ABSENT;
    built->length = size;
    if (verified)
        return 0;
    checksum(key, built->data, size, actual);
    return memcmp(stored, actual, sizeof(stored)) == 0 && built_check(built->data, size) == 0 ? 0
                                                                                              : BUILD_CACHE_E_ABSENT;
}

/* The order of use, for the next start. The file counts as verified still. */
static void touch(int fd, struct stat *st)
{
    const struct timespec times[2] = { { .tv_nsec = UTIME_OMIT }, { .tv_nsec = UTIME_NOW } };

    if (futimens(fd, times) == 0)
        (void)fstat(fd, st);
}

static bool is_present(struct build_cache *cache, const char *key, struct identity *ret_verified,
                       int64_t *ret_modified_s)
{
    struct entry *entry;

    pthread_mutex_lock(&cache->lock);
    entry = *place_of(cache, key);
    if (entry) {
        unlink_order(cache, entry);
        link_newest(cache, entry);
        *ret_verified = entry->verified;
        *ret_modified_s = entry->modified_s;
    }
    pthread_mutex_unlock(&cache->lock);
    return entry != NULL;
}

static void remember(struct build_cache *cache, const char *key, const struct stat *st)
{
    struct entry *entry;

    pthread_mutex_lock(&cache->lock);
    entry = *place_of(cache, key);
    if (entry) {
        entry->verified = identity_of(st);
        entry->modified_s = st->st_mtim.tv_sec;
    }
    pthread_mutex_unlock(&cache->lock);
}

static void forget(struct build_cache *cache, const char *key)
{
    pthread_mutex_lock(&cache->lock);
    drop(cache, place_of(cache, key));
    pthread_mutex_unlock(&cache->lock);
}

int build_cache_get(struct build_cache *cache, const char key[static DIGEST_HEX_SIZE], struct buffer *ret_built)
{
    CLEANUP_CLOSE int fd = -1;
    struct identity verified = { 0 }, identity;
    int64_t modified_s = 0;
    struct stat st = { 0 };
    int r;

    if (!is_present(cache, key, &verified, &modified_s))
        return BUILD_CACHE_E_ABSENT;
    fd = openat(cache->directory_fd, key, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 && (errno == ENOENT || errno == ELOOP)) {
        forget(cache, key);
        return BUILD_CACHE_E_ABSENT;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return error_from_errno();
    identity = identity_of(&st);
    r = read_entry(fd, key, &st, same_identity(&identity, &verified), ret_built);
    if (r < 0)
        return r;
    if (r != 0) {
        log_warning("a kept build is damaged and was removed: %s", key);
        forget(cache, key);
        return BUILD_CACHE_E_ABSENT;
    }
    if (time(NULL) - modified_s > TOUCH_AFTER_S)
        touch(fd, &st);
    remember(cache, key, &st);
    return 0;
}

/* Copies what a cell handed over, if it is what it should be. */
static int read_built(int fd, struct buffer *built)
{
    struct stat st;
    ssize_t n;
    int r;

    if (!fd_is_sealed(fd) || fstat(fd, &st) < 0 || st.st_size > BUILT_BYTES_MAX)
        return -EBADMSG;
    r = buffer_reserve(built, (size_t)st.st_size);
    if (r < 0)
        return r;
    n = pread(fd, built->data, (size_t)st.st_size, 0);
    if (n != st.st_size)
        return -EIO;
    built->length = (size_t)n;
    return built_check(built->data, built->length);
}

/* Under a temporary name first: what a crash leaves half written is removed by the next start. */
static int write_entry(struct build_cache *cache, const char *key, const struct buffer *built, struct stat *ret_st)
{
    CLEANUP_CLOSE int fd =
        openat(cache->directory_fd, TEMPORARY, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
    uint8_t sum[DIGEST_RAW_SIZE];
    int r;

    if (fd < 0)
        return error_from_errno();
    checksum(key, built->data, built->length, sum);
    r = fd_write_full(fd, sum, sizeof(sum));
    if (r == 0)
        r = fd_write_full(fd, built->data, built->length);
    if (r == 0 && (renameat(cache->directory_fd, TEMPORARY, cache->directory_fd, key) < 0 || fstat(fd, ret_st) < 0))
        r = error_from_errno();
    if (r < 0)
        (void)unlinkat(cache->directory_fd, TEMPORARY, 0);
    return r;
}

/* Two runs of one source may both have come too early for a hit. The first to be written counts: a second would change
 * the file below the entry. Nobody but the writing thread adds entries. */
static bool is_stored(struct build_cache *cache, const char *key)
{
    bool stored;

    pthread_mutex_lock(&cache->lock);
    stored = *place_of(cache, key) != NULL;
    pthread_mutex_unlock(&cache->lock);
    return stored;
}

static int store(struct build_cache *cache, const struct waiting *job)
{
    CLEANUP(buffer_deinit) struct buffer built = BUFFER_INIT(BUILT_BYTES_MAX);
    struct stat st = { 0 };
    int r;

    if (is_stored(cache, job->key))
        return 0;
    r = read_built(job->built_fd, &built);
    if (r < 0)
        return r;
    if (blocks((int64_t)built.length) > cache->max_bytes / ENTRY_SHARE_LEFT)
        return 0;
    r = write_entry(cache, job->key, &built, &st);
    if (r < 0)
        return r;
    pthread_mutex_lock(&cache->lock);
    r = add(cache, job->key, &st);
    pthread_mutex_unlock(&cache->lock);
    remember(cache, job->key, &st);
    return r;
}

static void *write_waiting(void *context)
{
    struct build_cache *cache = context;

    pthread_mutex_lock(&cache->lock);
    while (cache->n_waiting > 0 || !cache->stopping) {
        struct waiting job;
        int r;

        if (cache->n_waiting == 0) {
            pthread_cond_broadcast(&cache->idle);
            pthread_cond_wait(&cache->work, &cache->lock);
            continue;
        }
        job = cache->waiting[0];
        memmove(cache->waiting, cache->waiting + 1, --cache->n_waiting * sizeof(job));
        cache->writing = true;
        pthread_mutex_unlock(&cache->lock);
        r = store(cache, &job);
        if (r < 0)
            log_debug("a build was not kept: %s", strerror(-r));
        close(job.built_fd);
        pthread_mutex_lock(&cache->lock);
        cache->writing = false;
    }
    pthread_cond_broadcast(&cache->idle);
    pthread_mutex_unlock(&cache->lock);
    return NULL;
}

void build_cache_put(struct build_cache *cache, const char key[static DIGEST_HEX_SIZE], int built_fd)
{
    struct waiting *job;

    pthread_mutex_lock(&cache->lock);
    if (cache->max_bytes == 0 || cache->stopping || cache->n_waiting == WAITING_MAX || *place_of(cache, key))
        close(built_fd);
    else {
        job = &cache->waiting[cache->n_waiting++];
        snprintf(job->key, sizeof(job->key), "%s", key);
        job->built_fd = built_fd;
        pthread_cond_signal(&cache->work);
    }
    pthread_mutex_unlock(&cache->lock);
}

void build_cache_settle(struct build_cache *cache)
{
    pthread_mutex_lock(&cache->lock);
    while (cache->n_waiting > 0 || cache->writing)
        pthread_cond_wait(&cache->idle, &cache->lock);
    pthread_mutex_unlock(&cache->lock);
}

static int start_writer(struct build_cache *cache)
{
    pthread_attr_t attributes;
    int r;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WRITER_STACK);
    r = -pthread_create(&cache->writer, &attributes, write_waiting, cache);
    pthread_attr_destroy(&attributes);
    cache->writer_started = r == 0;
    return r;
}

int build_cache_open(int directory_fd, int64_t max_bytes, struct build_cache **ret_cache)
{
    struct build_cache *cache = calloc(1, sizeof(*cache));
    int r;

    if (!cache) {
        close(directory_fd);
        return -ENOMEM;
    }
    cache->directory_fd = directory_fd;
    cache->max_bytes = max_bytes;
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->work, NULL);
    pthread_cond_init(&cache->idle, NULL);
    r = load(cache);
    if (r == 0)
        r = start_writer(cache);
    if (r < 0)
        build_cache_free(cache);
    else
        *ret_cache = cache;
    return r;
}

static void free_entries(struct build_cache *cache)
{
    for (struct entry *entry = cache->newest, *older; entry; entry = older) {
        older = entry->older;
        free(entry);
    }
}

struct build_cache *build_cache_free(struct build_cache *cache)
{
    if (!cache)
        return NULL;
    pthread_mutex_lock(&cache->lock);
    cache->stopping = true;
    pthread_cond_signal(&cache->work);
    pthread_mutex_unlock(&cache->lock);
    if (cache->writer_started)
        pthread_join(cache->writer, NULL);
    free_entries(cache);
    close(cache->directory_fd);
    pthread_cond_destroy(&cache->work);
    pthread_cond_destroy(&cache->idle);
    pthread_mutex_destroy(&cache->lock);
    free(cache);
    return NULL;
}

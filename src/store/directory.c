/* SPDX-License-Identifier: Apache-2.0 */
/* Blobs as files of one directory.
 *
 * Two writers of equal contents meet at one name. The second finds the file there, drops its own copy and will soon
 * name the key in a record, while somebody may be deleting the last record that named it so far. So a blob that was
 * stored again is not deleted for a while after (blob_delete() leaves it to the caller's next sweep). Who was stored
 * again is remembered in a small table indexed by the key; two keys that meet at one place of it within that while only
 * postpone deletions. The memory need not survive a crash, since no writer does either. */
#include "store/blob.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/id.h"
#include "store/digest.h"
#include "store/room.h"

#define SHARDS      256
#define SHARD_SIZE  3                            /* "ab" and NUL */
#define PATH_SIZE   (SHARD_SIZE + BLOB_KEY_SIZE) /* "ab/<key>" */
#define COPY_SIZE   (128 * 1024)
#define AGAIN_SLOTS 4096
#define AGAIN_GRACE_US                                                                                                 \
    (10 * 60 * INT64_C(1000000)) /* far longer than from the commit of a blob to that of its record */

/* The place of the keys that share it. */
struct stored_again {
    int64_t last_us; /* when one of them was stored again last */
    uint64_t whose;  /* start of its key, or ANYBODYS: more than one was lately */
};

#define ANYBODYS 0

struct blob_store {
    int objects_fd;
    int incoming_fd;
    pthread_mutex_t names; /* held while a name of objects/ appears, is found again, or goes */
    struct stored_again stored_again[AGAIN_SLOTS];
};

struct blob_writer {
    struct blob_store *store; /* borrowed */
    int fd;
    char temporary[ID_SIZE]; /* name in incoming/, "" once it is gone from there */
    struct digest key;       /* has taken scope and mode */
    struct digest contents;
    int64_t size_bytes, ceiling_bytes;
};

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int outcome_from_error(int error)
{
    return error == -ENOSPC || error == -EDQUOT ? BLOB_E_FULL : error;
}

static void path_of_key(const char *key, char ret_path[static PATH_SIZE])
{
    snprintf(ret_path, PATH_SIZE, "%.2s/%s", key, key);
}

/* Opens a directory below dir_fd for reading its entries; *ret_dir owns its descriptor. */
static int open_dir_at(int dir_fd, const char *name, DIR **ret_dir)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0)
        return error_from_errno();
    *ret_dir = fdopendir(fd);
    if (!*ret_dir)
        return error_from_errno();
    TAKE_FD(fd);
    return 0;
}

static int sync_dir_at(int dir_fd, const char *name)
{
    CLEANUP_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

    if (fd < 0 || fsync(fd) < 0)
        return error_from_errno();
    return 0;
}

static int make_dir_at(int dir_fd, const char *name, int *ret_fd)
{
    if (mkdirat(dir_fd, name, 0700) < 0 && errno != EEXIST)
        return error_from_errno();
    *ret_fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return *ret_fd < 0 ? error_from_errno() : 0;
}

/* All shards exist from the start, so that storing a blob never has to make a directory durable as well. */
static int make_shards(int objects_fd)
{
    for (unsigned shard = 0; shard < SHARDS; shard++) {
        char name[SHARD_SIZE];

        snprintf(name, sizeof(name), "%02x", shard & 0xff);
        if (mkdirat(objects_fd, name, 0700) < 0 && errno != EEXIST)
            return error_from_errno();
    }
    return fsync(objects_fd) < 0 ? error_from_errno() : 0;
}

static int empty_dir(int dir_fd)
{
    CLEANUP(close_dir) DIR *dir = NULL;
    struct dirent *entry;
    int r = open_dir_at(dir_fd, ".", &dir);

    if (!dir)
        return r;
    while ((errno = 0, entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        if (unlinkat(dir_fd, entry->d_name, 0) < 0 && errno != ENOENT)
            return error_from_errno();
    }
    return -errno;
}

static int open_dirs(struct blob_store *store, const char *directory)
{
    CLEANUP_CLOSE int dir_fd = -1;
    int r = make_dir_at(AT_FDCWD, directory, &dir_fd);

    if (r == 0)
        r = make_dir_at(dir_fd, "objects", &store->objects_fd);
    if (r == 0)
        r = make_dir_at(dir_fd, "incoming", &store->incoming_fd);
    if (r == 0)
        r = make_shards(store->objects_fd);
    if (r == 0 && fsync(dir_fd) < 0)
        r = error_from_errno();
    return r;
}

int blob_store_open_directory(const char *directory, struct blob_store **ret_store)
{
    struct blob_store *store = calloc(1, sizeof(*store));
    int r;

    if (!store)
        return -ENOMEM;
    store->objects_fd = store->incoming_fd = -1;
    pthread_mutex_init(&store->names, NULL);
    for (unsigned i = 0; i < AGAIN_SLOTS; i++)
        store->stored_again[i].last_us = INT64_MIN / 2;
    r = open_dirs(store, directory);
    if (r == 0)
        r = empty_dir(store->incoming_fd);
    if (r < 0) {
        blob_store_free(store);
        return r;
    }
    *ret_store = store;
    return 0;
}

struct blob_store *blob_store_free(struct blob_store *store)
{
    if (!store)
        return NULL;
    cleanup_close_fd(&store->objects_fd);
    cleanup_close_fd(&store->incoming_fd);
    pthread_mutex_destroy(&store->names);
    free(store);
    return NULL;
}

/* Keys are hexadecimal hashes: any part of one is as good as a hash of it. Never ANYBODYS. */
static uint64_t start_of_key(const char *key)
{
    char start[16 + 1] = "";

    memcpy(start, key, sizeof(start) - 1);
    return strtoull(start, NULL, 16) | 1;
}

static struct stored_again *stored_again_place(struct blob_store *store, const char *key)
{
    return &store->stored_again[start_of_key(key) / 2 % AGAIN_SLOTS];
}

static bool is_fresh(const struct stored_again *place)
{
    return clock_monotonic_us() - place->last_us < AGAIN_GRACE_US;
}

/* With the names lock held. */
static void note_stored_again(struct blob_store *store, const char *key)
{
    struct stored_again *place = stored_again_place(store, key);
    uint64_t start = start_of_key(key);

    place->whose = is_fresh(place) && place->whose != start ? ANYBODYS : start;
    place->last_us = clock_monotonic_us();
}

/* The same. */
static bool was_stored_again(struct blob_store *store, const char *key)
{
    const struct stored_again *place = stored_again_place(store, key);

    return is_fresh(place) && (place->whose == start_of_key(key) || place->whose == ANYBODYS);
}

static int open_temporary(struct blob_writer *writer, bool read_only)
{
    id_generate(writer->temporary);
    writer->fd = openat(writer->store->incoming_fd, writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (writer->fd < 0) {
        writer->temporary[0] = '\0';
        return error_from_errno();
    }
    /* Not through the creation mode, which the umask would cut. */
    return fchmod(writer->fd, read_only ? 0444 : 0644) < 0 ? error_from_errno() : 0;
}

int blob_writer_new(struct blob_store *store, const char *scope, bool read_only, int64_t ceiling_bytes,
                    struct blob_writer **ret_writer)
{
    struct blob_writer *writer = calloc(1, sizeof(*writer));
    int r;

    if (!writer)
        return -ENOMEM;
    writer->store = store;
    writer->ceiling_bytes = ceiling_bytes;
    digest_init(&writer->key);
    digest_update(&writer->key, scope, strlen(scope) + 1); /* with its NUL: no scope is the beginning of another */
    digest_update(&writer->key, read_only ? "r" : "w", 1);
    digest_init(&writer->contents);
    r = open_temporary(writer, read_only);
    if (r < 0) {
        blob_writer_free(writer);
        return outcome_from_error(r);
    }
    *ret_writer = writer;
    return 0;
}

int blob_writer_append(struct blob_writer *writer, const void *data, size_t size)
{
    int r;

    if (size > (uint64_t)(writer->ceiling_bytes - writer->size_bytes))
        return BLOB_E_TOO_LARGE;
    if (!room_is_left(writer->fd, ROOM_OF_BLOBS, size))
        return BLOB_E_FULL;
    r = fd_write_full(writer->fd, data, size);
    if (r < 0)
        return outcome_from_error(r);
    digest_update(&writer->contents, data, size);
    writer->size_bytes += (int64_t)size;
    return 0;
}

int blob_writer_append_fd(struct blob_writer *writer, int fd)
{
    CLEANUP_FREE char *chunk = malloc(COPY_SIZE);

    if (!chunk)
        return -ENOMEM;
    for (;;) {
        ssize_t n = read(fd, chunk, COPY_SIZE);
        int r;

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_from_errno();
        if (n == 0)
            return 0;
        r = blob_writer_append(writer, chunk, (size_t)n);
        if (r != 0)
            return r;
    }
}

/* The contents enter the key by their digest, so that they are hashed once for both results. */
static void finish_digests(struct blob_writer *writer, char ret_key[static BLOB_KEY_SIZE],
                           char ret_sha256[static BLOB_DIGEST_SIZE])
{
    uint8_t contents[DIGEST_RAW_SIZE];

    digest_finish(&writer->contents, contents);
    digest_to_hex(contents, ret_sha256);
    digest_update(&writer->key, contents, sizeof(contents));
    digest_finish_hex(&writer->key, ret_key);
}

/* With the names lock held: true if the blob is there already. It then counts as new again, for blob_delete() as for
 * blob_visit_older(). */
static bool find_again(struct blob_store *store, const char *key, const char *path)
{
    if (utimensat(store->objects_fd, path, NULL, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    note_stored_again(store, key);
    return true;
}

static bool stored_already(struct blob_store *store, const char *key, const char *path)
{
    bool found;

    pthread_mutex_lock(&store->names);
    found = find_again(store, key, path);
    pthread_mutex_unlock(&store->names);
    return found;
}

/* Gives the written file its name, unless an equal one came first: then the temporary one is left for
 * blob_writer_free(). */
static int publish(struct blob_writer *writer, const char *key, const char *path)
{
    struct blob_store *store = writer->store;
    int r = 0;

    pthread_mutex_lock(&store->names);
    if (!find_again(store, key, path)) {
        if (renameat(store->incoming_fd, writer->temporary, store->objects_fd, path) < 0)
            r = error_from_errno();
        else
            writer->temporary[0] = '\0';
    }
    pthread_mutex_unlock(&store->names);
    return r;
}

static int make_durable(struct blob_writer *writer, const char *key)
{
    char path[PATH_SIZE], shard[SHARD_SIZE];
    int r = 0;

    path_of_key(key, path);
    snprintf(shard, sizeof(shard), "%.2s", key);
    if (!stored_already(writer->store, key, path)) {
        if (fsync(writer->fd) < 0)
            return error_from_errno();
        r = publish(writer, key, path);
    }
    /* Also for a blob found: whoever renamed it may not have come to this line yet. Its bytes were durable before. */
    return r < 0 ? r : sync_dir_at(writer->store->objects_fd, shard);
}

int blob_writer_commit(struct blob_writer *writer, char ret_key[static BLOB_KEY_SIZE],
                       char ret_sha256[static BLOB_DIGEST_SIZE], int64_t *ret_size_bytes)
{
    char key[BLOB_KEY_SIZE], sha256[BLOB_DIGEST_SIZE];
    int r;

    finish_digests(writer, key, sha256);
    r = make_durable(writer, key);
    if (r < 0)
        return outcome_from_error(r);
    memcpy(ret_key, key, sizeof(key));
    memcpy(ret_sha256, sha256, sizeof(sha256));
    *ret_size_bytes = writer->size_bytes;
    return 0;
}

struct blob_writer *blob_writer_free(struct blob_writer *writer)
{
    if (!writer)
        return NULL;
    cleanup_close_fd(&writer->fd);
    if (writer->temporary[0])
        unlinkat(writer->store->incoming_fd, writer->temporary, 0);
    free(writer);
    return NULL;
}

int blob_open(struct blob_store *store, const char *key, int *ret_fd, int64_t *ret_size_bytes)
{
    CLEANUP_CLOSE int fd = -1;
    char path[PATH_SIZE];
    struct stat status;

    if (!digest_is_hex(key))
        return BLOB_E_NOT_FOUND;
    path_of_key(key, path);
    fd = openat(store->objects_fd, path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? BLOB_E_NOT_FOUND : error_from_errno();
    if (fstat(fd, &status) < 0)
        return error_from_errno();
    if (!S_ISREG(status.st_mode))
        return BLOB_E_NOT_FOUND;
    *ret_fd = TAKE_FD(fd);
    *ret_size_bytes = status.st_size;
    return 0;
}

int blob_link(struct blob_store *store, const char *key, int dir_fd, const char *name)
{
    char path[PATH_SIZE];
    struct stat status;
    int r;

    if (!digest_is_hex(key))
        return BLOB_E_NOT_FOUND;
    path_of_key(key, path);
    if (linkat(store->objects_fd, path, dir_fd, name, 0) == 0)
        return 0;
    r = error_from_errno();
    if (r == -ENOENT && fstatat(store->objects_fd, path, &status, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT)
        return BLOB_E_NOT_FOUND;
    return r;
}

int blob_delete(struct blob_store *store, const char *key)
{
    char path[PATH_SIZE];
    int r = 0;

    if (!digest_is_hex(key))
        return 0;
    path_of_key(key, path);
    pthread_mutex_lock(&store->names);
    if (!was_stored_again(store, key) && unlinkat(store->objects_fd, path, 0) < 0 && errno != ENOENT)
        r = error_from_errno();
    pthread_mutex_unlock(&store->names);
    return r;
}

struct blob_visit {
    int64_t newest_ms; /* wall time; later blobs are passed over */
    int (*visit)(void *context, const char *key);
    void *context;
};

static int visit_entry(const struct blob_visit *visit, int shard_fd, const char *name)
{
    struct stat status;

    if (!digest_is_hex(name))
        return 0;
    if (fstatat(shard_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : error_from_errno();
    if (status.st_mtim.tv_sec * INT64_C(1000) + status.st_mtim.tv_nsec / 1000000 > visit->newest_ms)
        return 0;
    return visit->visit(visit->context, name);
}

static int visit_shard(struct blob_store *store, const char *shard, const struct blob_visit *visit)
{
    CLEANUP(close_dir) DIR *dir = NULL;
    struct dirent *entry;
    int r = open_dir_at(store->objects_fd, shard, &dir);

    if (!dir)
        return r;
    while ((errno = 0, entry = readdir(dir))) {
        r = visit_entry(visit, dirfd(dir), entry->d_name);
        if (r != 0)
            return r;
    }
    return -errno;
}

int blob_visit_older(struct blob_store *store, int64_t age_ms, int (*visit)(void *context, const char *key),
                     void *context)
{
    const struct blob_visit order = { .newest_ms = clock_wall_ms() - age_ms, .visit = visit, .context = context };
    int r = 0;

    for (unsigned shard = 0; shard < SHARDS && r == 0; shard++) {
        char name[SHARD_SIZE];

        snprintf(name, sizeof(name), "%02x", shard & 0xff);
        r = visit_shard(store, name, &order);
    }
    return r;
}

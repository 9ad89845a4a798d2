/* SPDX-License-Identifier: Apache-2.0 */
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>

#include "store/blob.h"
#include "store/digest.h"

#define MANY (INT64_C(1) << 40)

static struct blob_store *open_store(const struct scratch *scratch)
{
    struct blob_store *store = NULL;

    assert_int_equal(blob_store_open_directory(scratch_path(scratch, "blobs"), &store), 0);
    return store;
}

static int save(struct blob_store *store, const char *scope, bool read_only, const char *text,
                char ret_key[static BLOB_KEY_SIZE])
{
    struct blob_writer *writer = NULL;
    char sha256[BLOB_DIGEST_SIZE], expected[BLOB_DIGEST_SIZE];
    int64_t size;
    int r = blob_writer_new(store, scope, read_only, MANY, &writer);

    if (r == 0)
        r = blob_writer_append(writer, text, strlen(text));
    if (r == 0)
        r = blob_writer_commit(writer, ret_key, sha256, &size);
    if (r == 0) {
        digest_bytes_hex(text, strlen(text), expected);
        assert_string_equal(sha256, expected);
        assert_int_equal(size, strlen(text));
    }
    blob_writer_free(writer);
    return r;
}

static void assert_blob(struct blob_store *store, const char *key, const char *expected)
{
    char text[256] = "";
    int64_t size;
    int fd = -1, r = blob_open(store, key, &fd, &size);

    if (!expected) {
        assert_int_equal(r, BLOB_E_NOT_FOUND);
        return;
    }
    assert_int_equal(r, 0);
    assert_int_equal(size, strlen(expected));
    assert_int_equal(read(fd, text, sizeof(text) - 1), size);
    assert_string_equal(text, expected);
    close(fd);
}

static unsigned count_incoming(const struct scratch *scratch)
{
    DIR *dir = opendir(scratch_path(scratch, "blobs/incoming"));
    unsigned n = 0;

    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.' || entry->d_name[1];
    closedir(dir);
    return n - 1; /* ".." */
}

static struct stat stat_blob(const struct scratch *scratch, const char *key)
{
    char path[256];
    struct stat status;

    snprintf(path, sizeof(path), "%s/blobs/objects/%.2s/%s", scratch->path, key, key);
    assert_int_equal(stat(path, &status), 0);
    return status;
}

static void a_blob_is_read_back(void **state)
{
    struct blob_store *store = open_store(*state);
    char key[BLOB_KEY_SIZE], empty[BLOB_KEY_SIZE];

    assert_int_equal(save(store, "s", false, "hello", key), 0);
    assert_int_equal(save(store, "s", false, "", empty), 0);
    assert_blob(store, key, "hello");
    assert_blob(store, empty, "");
    assert_int_equal(count_incoming(*state), 0);
    blob_store_free(store);
    store = open_store(*state);
    assert_blob(store, key, "hello");
    blob_store_free(store);
}

static void the_key_tells_scope_mode_and_contents(void **state)
{
    struct blob_store *store = open_store(*state);
    char key[6][BLOB_KEY_SIZE];

    save(store, "s", false, "x", key[0]);
    save(store, "s", false, "x", key[1]);
    save(store, "t", false, "x", key[2]);
    save(store, "s", true, "x", key[3]);
    save(store, "s", false, "y", key[4]);
    save(store, "sw", false, "x", key[5]);
    assert_string_equal(key[0], key[1]);
    for (int i = 2; i < 6; i++)
        assert_string_not_equal(key[0], key[i]);
    assert_int_equal(stat_blob(*state, key[0]).st_mode & 07777, 0644);
    assert_int_equal(stat_blob(*state, key[3]).st_mode & 07777, 0444);
    assert_int_equal(stat_blob(*state, key[0]).st_nlink, 1);
    blob_store_free(store);
}

static void the_umask_has_no_say(void **state)
{
    struct blob_store *store = open_store(*state);
    char key[BLOB_KEY_SIZE];
    mode_t mask = umask(0777);

    assert_int_equal(save(store, "s", false, "x", key), 0);
    umask(mask);
    assert_int_equal(stat_blob(*state, key).st_mode & 07777, 0644);
    blob_store_free(store);
}

static void the_ceiling_is_exact(void **state)
{
    struct blob_store *store = open_store(*state);
    char key[BLOB_KEY_SIZE], sha256[BLOB_DIGEST_SIZE];
    struct blob_writer *writer;
    int64_t size;

    assert_int_equal(blob_writer_new(store, "s", false, 4, &writer), 0);
    assert_int_equal(blob_writer_append(writer, "abc", 3), 0);
    assert_int_equal(blob_writer_append(writer, "d", 1), 0);
    assert_int_equal(blob_writer_append(writer, "", 0), 0);
    assert_int_equal(blob_writer_commit(writer, key, sha256, &size), 0);
    blob_writer_free(writer);
    assert_blob(store, key, "abcd");
    assert_int_equal(blob_writer_new(store, "s", false, 4, &writer), 0);
    assert_int_equal(blob_writer_append(writer, "abc", 3), 0);
    assert_int_equal(blob_writer_append(writer, "de", 2), BLOB_E_TOO_LARGE);
    assert_null(blob_writer_free(writer));
    assert_int_equal(count_incoming(*state), 0);
    blob_store_free(store);
}

static void a_descriptor_is_copied_from_its_offset(void **state)
{
    struct blob_store *store = open_store(*state);
    int fd = open(scratch_path(*state, "source"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    char key[BLOB_KEY_SIZE], sha256[BLOB_DIGEST_SIZE];
    struct blob_writer *writer;
    int64_t size;

    assert_int_equal(write(fd, "skip this", 9), 9);
    assert_int_equal(lseek(fd, 5, SEEK_SET), 5);
    assert_int_equal(blob_writer_new(store, "s", true, MANY, &writer), 0);
    assert_int_equal(blob_writer_append_fd(writer, fd), 0);
    assert_int_equal(blob_writer_commit(writer, key, sha256, &size), 0);
    blob_writer_free(writer);
    assert_blob(store, key, "this");
    /* A hole of a terabyte costs no more than the ceiling. */
    assert_int_equal(ftruncate(fd, INT64_C(1) << 40), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    assert_int_equal(blob_writer_new(store, "s", true, 1000000, &writer), 0);
    assert_int_equal(blob_writer_append_fd(writer, fd), BLOB_E_TOO_LARGE);
    blob_writer_free(writer);
    close(fd);
    assert_int_equal(count_incoming(*state), 0);
    blob_store_free(store);
}

static void links_share_the_blob(void **state)
{
    struct blob_store *store = open_store(*state);
    int dir_fd = open(((struct scratch *)*state)->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    char key[BLOB_KEY_SIZE], missing[BLOB_KEY_SIZE];
    struct stat status;

    save(store, "s", false, "hello", key);
    digest_bytes_hex("nothing", 7, missing);
    assert_int_equal(blob_link(store, key, dir_fd, "link"), 0);
    assert_int_equal(fstatat(dir_fd, "link", &status, 0), 0);
    assert_int_equal(status.st_ino, stat_blob(*state, key).st_ino);
    assert_int_equal(blob_link(store, key, dir_fd, "link"), -EEXIST);
    assert_int_equal(blob_link(store, key, dir_fd, "no/such"), -ENOENT);
    assert_int_equal(blob_link(store, missing, dir_fd, "other"), BLOB_E_NOT_FOUND);
    assert_int_equal(blob_delete(store, key), 0);
    assert_int_equal(fstatat(dir_fd, "link", &status, 0), 0);
    assert_int_equal(status.st_size, 5);
    close(dir_fd);
    blob_store_free(store);
}

static void keys_are_never_paths(void **state)
{
    static const char *const bad[] = { "",
                                       "..",
                                       "../../kv.db",
                                       "/etc/passwd",
                                       "ab/cd",
                                       "../incoming/0000000000000000000000000000000000000000000000000000" };
    struct blob_store *store = open_store(*state);
    int64_t size;
    int fd;

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(blob_open(store, bad[i], &fd, &size), BLOB_E_NOT_FOUND);
        assert_int_equal(blob_link(store, bad[i], AT_FDCWD, "x"), BLOB_E_NOT_FOUND);
        assert_int_equal(blob_delete(store, bad[i]), 0);
    }
    blob_store_free(store);
}

static void deleting_twice_is_no_error(void **state)
{
    struct blob_store *store = open_store(*state);
    char key[BLOB_KEY_SIZE];

    save(store, "s", false, "x", key);
    assert_int_equal(blob_delete(store, key), 0);
    assert_blob(store, key, NULL);
    assert_int_equal(blob_delete(store, key), 0);
    blob_store_free(store);
}

static void a_blob_that_was_stored_again_stays_for_now(void **state)
{
    struct blob_store *store = open_store(*state);
    char key[BLOB_KEY_SIZE];

    save(store, "s", false, "x", key);
    save(store, "s", false, "x", key); /* its record is still to come */
    assert_int_equal(blob_delete(store, key), 0);
    assert_blob(store, key, "x");
    blob_store_free(store);
    store = open_store(*state); /* no writer survives the process */
    assert_int_equal(blob_delete(store, key), 0);
    assert_blob(store, key, NULL);
    blob_store_free(store);
}

static void unfinished_blobs_are_thrown_away_at_start(void **state)
{
    struct blob_store *store = open_store(*state);
    int fd = open(scratch_path(*state, "blobs/incoming/left-over"), O_WRONLY | O_CREAT | O_CLOEXEC, 0400);

    assert_true(fd >= 0);
    close(fd);
    blob_store_free(store);
    store = open_store(*state);
    assert_int_equal(count_incoming(*state), 0);
    blob_store_free(store);
}

struct visits {
    unsigned n;
    char last[BLOB_KEY_SIZE];
    int answer;
};

static int visit(void *context, const char *key)
{
    struct visits *visits = context;

    visits->n++;
    snprintf(visits->last, sizeof(visits->last), "%s", key);
    return visits->answer;
}

static void only_older_blobs_are_visited(void **state)
{
    struct blob_store *store = open_store(*state);
    const struct timespec hour_ago[2] = { { .tv_sec = time(NULL) - 3600 }, { .tv_sec = time(NULL) - 3600 } };
    char old[BLOB_KEY_SIZE], young[BLOB_KEY_SIZE], path[256];
    struct visits visits = { 0 };

    save(store, "s", false, "old", old);
    save(store, "s", false, "young", young);
    snprintf(path, sizeof(path), "%s/blobs/objects/%.2s/%s", ((struct scratch *)*state)->path, old, old);
    assert_int_equal(utimensat(AT_FDCWD, path, hour_ago, 0), 0);
    assert_int_equal(blob_visit_older(store, 1800 * 1000, visit, &visits), 0);
    assert_int_equal(visits.n, 1);
    assert_string_equal(visits.last, old);
    visits = (struct visits){ .answer = -ECANCELED };
    assert_int_equal(blob_visit_older(store, -1000, visit, &visits), -ECANCELED);
    assert_int_equal(visits.n, 1);
    save(store, "s", false, "old", old); /* counts as new again */
    visits = (struct visits){ 0 };
    assert_int_equal(blob_visit_older(store, 1800 * 1000, visit, &visits), 0);
    assert_int_equal(visits.n, 0);
    blob_store_free(store);
}

static void save_until_killed(void *context, int fd)
{
    struct blob_store *store = open_store(context);

    for (unsigned i = 0;; i++) {
        char text[32], key[BLOB_KEY_SIZE];

        snprintf(text, sizeof(text), "contents %u", i % 50);
        if (save(store, i % 2 ? "a" : "b", false, text, key) != 0 || write(fd, key, sizeof(key)) != sizeof(key))
            _exit(1);
    }
}

static int check_whole(void *context, const char *key)
{
    struct blob_store *store = context;
    int64_t size;
    int fd;

    assert_int_equal(blob_open(store, key, &fd, &size), 0);
    assert_in_range(size, strlen("contents 0"), strlen("contents 49"));
    close(fd);
    return 0;
}

static void a_killed_writer_leaves_whole_blobs_only(void **state)
{
    for (int round = 0; round < 3; round++) {
        struct blob_store *store;
        char *keys;
        size_t n = scratch_kill_during(save_until_killed, *state, BLOB_KEY_SIZE, 60000 + 17000 * round, &keys);

        store = open_store(*state);
        assert_int_equal(count_incoming(*state), 0);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(check_whole(store, keys + i * BLOB_KEY_SIZE), 0);
        assert_int_equal(blob_visit_older(store, -1000, check_whole, store), 0);
        free(keys);
        blob_store_free(store);
    }
}

#define THREADS 8

struct hammer {
    struct blob_store *store;
    unsigned number;
    int failure;
};

/* All threads store the same contents, and what one of its own keeps appearing and going. */
static void *hammer_main(void *context)
{
    struct hammer *hammer = context;

    for (unsigned i = 0; i < 40 && !hammer->failure; i++) {
        char own[32], shared[32], own_key[BLOB_KEY_SIZE], shared_key[BLOB_KEY_SIZE];
        int64_t size;
        int fd = -1;

        snprintf(own, sizeof(own), "own %u %u", hammer->number, i);
        snprintf(shared, sizeof(shared), "shared %u", i);
        if (save(hammer->store, "s", false, own, own_key) != 0 ||
            save(hammer->store, "s", false, shared, shared_key) != 0 || blob_delete(hammer->store, own_key) != 0 ||
            blob_open(hammer->store, shared_key, &fd, &size) != 0)
            hammer->failure = 1;
        if (fd >= 0)
            close(fd);
    }
    return NULL;
}

static void eight_threads_store_the_same(void **state)
{
    struct blob_store *store = open_store(*state);
    struct visits visits = { 0 };
    struct hammer hammers[THREADS];
    pthread_t threads[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        hammers[i] = (struct hammer){ .store = store, .number = i };
        assert_int_equal(pthread_create(&threads[i], NULL, hammer_main, &hammers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(hammers[i].failure, 0);
    }
    assert_int_equal(blob_visit_older(store, -1000, visit, &visits), 0);
    /* All of what was shared, and of the rest what happened to look like something stored again. */
    assert_in_range(visits.n, 40, 60);
    assert_int_equal(count_incoming(*state), 0);
    blob_store_free(store);
}

static void a_full_disk_stores_nothing(void **state)
{
    struct blob_store *store;
    char key[BLOB_KEY_SIZE], big[65536];
    struct blob_writer *writer;
    int r = 0;

    scratch_limit(*state, "size=1m,nr_inodes=400");
    store = open_store(*state);
    memset(big, 'b', sizeof(big));
    assert_int_equal(save(store, "s", false, "before", key), 0);
    assert_int_equal(blob_writer_new(store, "s", false, MANY, &writer), 0);
    for (int i = 0; i < 32 && r == 0; i++)
        r = blob_writer_append(writer, big, sizeof(big));
    assert_int_equal(r, BLOB_E_FULL);
    blob_writer_free(writer);
    assert_int_equal(count_incoming(*state), 0);
    for (int i = 0; i < 400 && r != 0; i++) { /* no inodes left */
        char name[32];

        snprintf(name, sizeof(name), "i%d", i);
        r = symlink("x", scratch_path(*state, name)) < 0 ? 0 : r;
    }
    assert_int_equal(blob_writer_new(store, "s", false, MANY, &writer), BLOB_E_FULL);
    unlink(scratch_path(*state, "i0"));
    assert_int_equal(save(store, "s", false, "after", key), 0);
    blob_store_free(store);
}

static void a_read_only_disk_is_an_error(void **state)
{
    struct blob_store *store, *second = NULL;
    struct blob_writer *writer;
    char key[BLOB_KEY_SIZE];

    scratch_limit(*state, "size=1m");
    store = open_store(*state);
    save(store, "s", false, "x", key);
    scratch_set_read_only(*state, true);
    assert_int_equal(blob_writer_new(store, "s", false, MANY, &writer), -EROFS);
    assert_int_equal(blob_delete(store, key), -EROFS);
    assert_blob(store, key, "x");
    assert_int_equal(blob_store_open_directory(scratch_path(*state, "new"), &second), -EROFS);
    assert_null(second);
    blob_store_free(store);
}

static void a_store_needs_a_directory(void **state)
{
    struct blob_store *store = NULL;

    close(open(scratch_path(*state, "file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    assert_int_equal(blob_store_open_directory(scratch_path(*state, "file"), &store), -ENOTDIR);
    assert_int_equal(blob_store_open_directory(scratch_path(*state, "no/such"), &store), -ENOENT);
    assert_null(store);
    assert_null(blob_store_free(NULL));
    assert_null(blob_writer_free(NULL));
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blob_is_read_back),
        TEST(the_key_tells_scope_mode_and_contents),
        TEST(the_umask_has_no_say),
        TEST(the_ceiling_is_exact),
        TEST(a_descriptor_is_copied_from_its_offset),
        TEST(links_share_the_blob),
        TEST(keys_are_never_paths),
        TEST(deleting_twice_is_no_error),
        TEST(a_blob_that_was_stored_again_stays_for_now),
        TEST(unfinished_blobs_are_thrown_away_at_start),
        TEST(only_older_blobs_are_visited),
        TEST(a_killed_writer_leaves_whole_blobs_only),
        TEST(eight_threads_store_the_same),
        TEST(a_full_disk_stores_nothing),
        TEST(a_read_only_disk_is_an_error),
        TEST(a_store_needs_a_directory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

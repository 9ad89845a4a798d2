/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"
#include "scratch.h"

#include <dirent.h>
#include <errno.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "engine/build_cache.h"
#include "wire/built.h"

#define ALL_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static const char *key_of(unsigned n)
{
    static char keys[4][DIGEST_HEX_SIZE];
    static unsigned next;
    char *key = keys[next++ % 4];

    snprintf(key, DIGEST_HEX_SIZE, "%064x", n);
    return key;
}

/* A build of one file: these bytes, then zeros up to size. */
static struct buffer build_of(const char *text, uint32_t size)
{
    struct buffer bytes = BUFFER_INIT(BUILT_BYTES_MAX * 2);
    const struct built_header header = { BUILT_MAGIC, 1 };
    const uint32_t fields[2] = { 1, size };

    assert_int_equal(buffer_append(&bytes, &header, sizeof(header)), 0);
    assert_int_equal(buffer_append(&bytes, BUILT_DIR "code", sizeof(BUILT_DIR "code")), 0);
    assert_int_equal(buffer_append(&bytes, fields, sizeof(fields)), 0);
    assert_int_equal(buffer_reserve(&bytes, size), 0);
    memset(bytes.data + bytes.length, 0, size);
    memcpy(bytes.data + bytes.length, text, strlen(text));
    bytes.length += size;
    return bytes;
}

static int sealed(const struct buffer *bytes)
{
    int fd;

    assert_int_equal(fd_sealed_memory("built", bytes->data, bytes->length, &fd), 0);
    return fd;
}

static struct build_cache *open_cache(const struct scratch *scratch, int64_t max_bytes)
{
    struct build_cache *cache = NULL;
    int fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    assert_int_equal(build_cache_open(fd, max_bytes, &cache), 0);
    return cache;
}

static void put(struct build_cache *cache, unsigned n, const char *text, uint32_t size)
{
    struct buffer bytes = build_of(text, size);

    build_cache_put(cache, key_of(n), sealed(&bytes));
    build_cache_settle(cache);
    buffer_deinit(&bytes);
}

/* True if there is an entry, which must then hold this text. */
static bool has(struct build_cache *cache, unsigned n, const char *text, uint32_t size)
{
    struct buffer expected = build_of(text, size), found = BUFFER_INIT(BUILT_BYTES_MAX);
    int r = build_cache_get(cache, key_of(n), &found);

    if (r == 0) {
        assert_int_equal(found.length, expected.length);
        assert_memory_equal(found.data, expected.data, found.length);
    } else
        assert_int_equal(r, BUILD_CACHE_E_ABSENT);
    buffer_deinit(&expected);
    buffer_deinit(&found);
    return r == 0;
}

static unsigned count_files(const struct scratch *scratch)
{
    DIR *dir = opendir(scratch->path);
    unsigned n = 0;

    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static void what_was_put_is_found_also_after_a_restart(void **state)
{
    struct build_cache *cache = open_cache(*state, 1 << 20);

    assert_false(has(cache, 1, "one", 10));
    put(cache, 1, "one", 10);
    put(cache, 2, "two", 20);
    assert_true(has(cache, 1, "one", 10));
    assert_false(has(cache, 3, "", 0));
    build_cache_free(cache);
    cache = open_cache(*state, 1 << 20);
    assert_true(has(cache, 1, "one", 10));
    assert_true(has(cache, 2, "two", 20));
    assert_true(has(cache, 2, "two", 20));
    build_cache_free(cache);
}

static void the_first_build_of_a_key_stays(void **state)
{
    struct build_cache *cache = open_cache(*state, 1 << 20);

    put(cache, 1, "first", 10);
    put(cache, 1, "other", 10);
    assert_true(has(cache, 1, "first", 10));
    build_cache_free(cache);
}

static void the_least_recently_used_goes_first(void **state)
{
    struct build_cache *cache = open_cache(*state, 8 * 8192);

    for (unsigned n = 0; n < 8; n++)
        put(cache, n, "x", 8000); /* two blocks with its header */
    assert_true(has(cache, 0, "x", 8000));
    put(cache, 8, "x", 8000);
    assert_true(has(cache, 0, "x", 8000));
    assert_false(has(cache, 1, "x", 8000));
    assert_true(has(cache, 2, "x", 8000));
    assert_int_equal(count_files(*state), 8);
    build_cache_free(cache);
    /* A smaller bound takes effect at the next start. */
    cache = open_cache(*state, 2 * 8192);
    assert_int_equal(count_files(*state), 2);
    build_cache_free(cache);
}

/* Entries are small in bytes if a client likes, so their number is bounded too. */
static void the_number_of_entries_is_bounded(void **state)
{
    struct scratch *scratch = *state;
    struct build_cache *cache;
    int directory_fd;

    scratch_limit(scratch, "size=64m"); /* quicker than a disk */
    directory_fd = open(scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (unsigned n = 0; n < BUILD_CACHE_ENTRIES_MAX + 3; n++)
        close(openat(directory_fd, key_of(n), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    close(directory_fd);
    cache = open_cache(scratch, INT64_MAX);
    assert_int_equal(count_files(scratch), BUILD_CACHE_ENTRIES_MAX);
    put(cache, BUILD_CACHE_ENTRIES_MAX + 3, "x", 1);
    assert_int_equal(count_files(scratch), BUILD_CACHE_ENTRIES_MAX);
    assert_true(has(cache, BUILD_CACHE_ENTRIES_MAX + 3, "x", 1));
    build_cache_free(cache);
}

static void what_takes_more_than_its_share_is_not_kept(void **state)
{
    struct build_cache *cache = open_cache(*state, 8 * 8192);

    put(cache, 1, "x", 9000);
    assert_false(has(cache, 1, "x", 9000));
    assert_int_equal(count_files(*state), 0);
    build_cache_free(cache);
}

static void a_cache_of_no_size_empties_its_directory(void **state)
{
    struct build_cache *cache = open_cache(*state, 1 << 20);

    put(cache, 1, "x", 1);
    build_cache_free(cache);
    cache = open_cache(*state, 0);
    assert_false(has(cache, 1, "x", 1));
    put(cache, 1, "x", 1);
    assert_int_equal(count_files(*state), 0);
    build_cache_free(cache);
}

static void change_byte(const struct scratch *scratch, unsigned n, off_t at)
{
    int fd = open(scratch_path(scratch, key_of(n)), O_RDWR | O_CLOEXEC);
    char byte;

    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= 1;
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

static void a_changed_byte_anywhere_is_noticed(void **state)
{
    for (off_t at = 0; at < 80; at += 7) {
        struct build_cache *cache = open_cache(*state, 1 << 20);

        put(cache, 1, "x", 30);
        change_byte(*state, 1, at);
        assert_false(has(cache, 1, "x", 30));
        assert_int_equal(count_files(*state), 0);
        build_cache_free(cache);
    }
}

static void a_change_after_the_first_use_is_noticed(void **state)
{
    struct build_cache *cache = open_cache(*state, 1 << 20);

    put(cache, 1, "x", 30);
    assert_true(has(cache, 1, "x", 30));
    usleep(20000); /* times of files are coarse */
    change_byte(*state, 1, 70);
    assert_false(has(cache, 1, "x", 30));
    put(cache, 1, "x", 30);
    assert_true(has(cache, 1, "x", 30));
    assert_int_equal(truncate(scratch_path(*state, key_of(1)), 50), 0);
    assert_false(has(cache, 1, "x", 30));
    build_cache_free(cache);
}

static void an_entry_in_anothers_place_is_noticed(void **state)
{
    struct build_cache *cache = open_cache(*state, 1 << 20);

    put(cache, 1, "one", 30);
    put(cache, 2, "two", 30);
    assert_int_equal(rename(scratch_path(*state, key_of(1)), scratch_path(*state, key_of(2))), 0);
    assert_false(has(cache, 2, "two", 30));
    assert_false(has(cache, 1, "one", 30));
    build_cache_free(cache);
}

static void what_does_not_belong_there_is_removed_or_ignored(void **state)
{
    struct build_cache *cache;

    close(open(scratch_path(*state, "incoming"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(mkfifo(scratch_path(*state, key_of(1)), 0600), 0);
    assert_int_equal(symlink("/dev/zero", scratch_path(*state, key_of(2))), 0);
    close(open(scratch_path(*state, key_of(3)), O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    cache = open_cache(*state, 1 << 20);
    assert_int_equal(count_files(*state), 1);
    for (unsigned n = 1; n <= 3; n++)
        assert_false(has(cache, n, "", 0));
    assert_int_equal(count_files(*state), 0);
    /* While it runs. */
    put(cache, 4, "x", 1);
    assert_int_equal(unlink(scratch_path(*state, key_of(4))), 0);
    assert_int_equal(mkfifo(scratch_path(*state, key_of(4)), 0600), 0);
    assert_false(has(cache, 4, "x", 1));
    build_cache_free(cache);
}

static void nothing_is_believed_of_what_a_cell_hands_over(void **state)
{
    struct build_cache *cache = open_cache(*state, 64 << 20);
    struct buffer bytes = build_of("x", 10);
    static char junk[] = "not a build at all";
    struct buffer garbage = { .data = junk, .length = sizeof(junk) };
    int fd, ends[2];

    fd = memfd_create("open", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(fd_write_full(fd, bytes.data, bytes.length), 0);
    build_cache_put(cache, key_of(1), fd); /* its sender could change it still */
    fd = memfd_create("huge", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    assert_int_equal(ftruncate(fd, (off_t)BUILT_BYTES_MAX + 1), 0);
    assert_int_equal(fcntl(fd, F_ADD_SEALS, ALL_SEALS), 0);
    build_cache_put(cache, key_of(2), fd);
    build_cache_put(cache, key_of(3), sealed(&garbage));
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    build_cache_put(cache, key_of(4), ends[0]);
    build_cache_put(cache, key_of(5), open("/dev/zero", O_RDONLY | O_CLOEXEC));
    build_cache_settle(cache);
    close(ends[1]);
    for (unsigned n = 1; n <= 5; n++)
        assert_false(has(cache, n, "x", 10));
    assert_int_equal(count_files(*state), 0);
    buffer_deinit(&bytes);
    build_cache_free(cache);
}

static void a_flood_is_dropped_not_queued_for_ever(void **state)
{
    struct build_cache *cache = open_cache(*state, 64 << 20);
    struct buffer bytes = build_of("x", 100000);
    unsigned kept = 0;

    for (unsigned n = 0; n < 500; n++)
        build_cache_put(cache, key_of(n), sealed(&bytes));
    build_cache_settle(cache);
    for (unsigned n = 0; n < 500; n++)
        kept += has(cache, n, "x", 100000);
    assert_true(kept > 0);
    assert_int_equal(count_files(*state), kept);
    buffer_deinit(&bytes);
    build_cache_free(cache);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
    const struct CMUnitTest tests[] = {
        CASE(what_was_put_is_found_also_after_a_restart),
        CASE(the_first_build_of_a_key_stays),
        CASE(the_least_recently_used_goes_first),
        CASE(the_number_of_entries_is_bounded),
        CASE(what_takes_more_than_its_share_is_not_kept),
        CASE(a_cache_of_no_size_empties_its_directory),
        CASE(a_changed_byte_anywhere_is_noticed),
        CASE(a_change_after_the_first_use_is_noticed),
        CASE(an_entry_in_anothers_place_is_noticed),
        CASE(what_does_not_belong_there_is_removed_or_ignored),
        CASE(nothing_is_believed_of_what_a_cell_hands_over),
        CASE(a_flood_is_dropped_not_queued_for_ever),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

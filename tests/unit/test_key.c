/* SPDX-License-Identifier: Apache-2.0 */
/* Managed keys and the ring that remembers them. A second store or ring on the same directory stands for the command
 * line, or for the server after a restart. */
#include "domain_fixture.h"

#include <dirent.h>
#include <pthread.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/clock.h"
#include "domain/keyring.h"
#include "domain/record.h"

#define TTL INT64_C(300000)

struct place {
    struct fixture *fixture;
    struct key_store *store;
    struct keyring *ring;
};

static struct key_store *open_store(struct fixture *fixture)
{
    int fd = open(fixture->scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct key_store *store;

    assert_true(fd >= 0);
    assert_int_equal(key_store_open(fixture->kv, fd, &store), 0);
    close(fd);
    return store;
}

static struct keyring *open_ring_that_forgets(struct key_store *store, int64_t ttl_ms, int64_t idle_ms)
{
    const struct keyring_options options = {
        .store = store,
        .ttl_ms = ttl_ms,
        .idle_ms = idle_ms,
        .key_limits = true,
        .rules = { [RATE_EXEC] = { 2, 60 } },
    };
    struct keyring *ring;

    assert_int_equal(keyring_new(&options, &ring), 0);
    assert_int_equal(keyring_add_environment(ring, "first", "environment-key-1"), 0);
    assert_int_equal(keyring_add_environment(ring, "second", "environment-key-number-two"), 0);
    return ring;
}

static struct keyring *open_ring(struct key_store *store, int64_t ttl_ms)
{
    return open_ring_that_forgets(store, ttl_ms, 3600000);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    void *fixture;

    if (fixture_setup(&fixture) < 0)
        return -1;
    place->fixture = fixture;
    place->store = open_store(place->fixture);
    place->ring = open_ring(place->store, TTL);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    void *fixture = place->fixture;

    keyring_free(place->ring);
    key_store_free(place->store);
    free(place);
    return fixture_teardown(&fixture);
}

/* The caller owns the metadata, of which there is none. */
static struct key make(struct place *place, struct key wanted, char ret_text[static KEY_TEXT_SIZE])
{
    struct key key = wanted;

    if (!key.name[0])
        strcpy(key.name, "team");
    key.enabled = true;
    assert_int_equal(key_create(place->store, &key, ret_text), 0);
    return key;
}

static int find(struct place *place, const char *text, struct key_holder *ret_holder)
{
    uint8_t digest[DIGEST_RAW_SIZE];

    key_digest(text, digest);
    return keyring_find(place->ring, digest, ret_holder);
}

static enum keyring_admission admit(struct place *place, const char *text, enum rate_group group)
{
    struct rate_standing standing;
    uint8_t digest[DIGEST_RAW_SIZE];

    key_digest(text, digest);
    return keyring_admit(place->ring, digest, group, &standing);
}

static void a_key_is_random_and_known_by_its_digest(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    char text[KEY_TEXT_SIZE], other[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text);

    make(place, KEY_INIT, other);
    assert_string_not_equal(text, other);
    assert_int_equal(strlen(text), 35);
    assert_memory_equal(text, "sk-", 3);
    assert_int_equal(strspn(text + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"), 32);
    assert_memory_equal(key.prefix, text, 11);
    assert_memory_equal(key.tenant, key.hash, 16);
    assert_int_equal(strlen(key.tenant), 16);
    assert_int_equal(find(place, text, &holder), 0);
    assert_string_equal(holder.tenant, key.tenant);
    assert_true(holder.managed);
    text[34] ^= 1;
    assert_int_equal(find(place, text, &holder), KEY_E_NOT_FOUND);
}

static void keys_of_the_environment_are_one_tenant(void **state)
{
    struct key_holder holder;
    struct key key;

    assert_int_equal(find(*state, "environment-key-1", &holder), 0);
    assert_string_equal(holder.tenant, TENANT_ENVIRONMENT);
    assert_false(holder.managed);
    assert_int_equal(find(*state, "environment-key-number-two", &holder), 0);
    assert_string_equal(holder.tenant, TENANT_ENVIRONMENT);
    assert_int_equal(find(*state, "environment-key-", &holder), KEY_E_NOT_FOUND);
    assert_true(keyring_environment(((struct place *)*state)->ring, 0, &key));
    assert_string_equal(key.prefix, "environment");
    assert_true(keyring_environment(((struct place *)*state)->ring, 1, &key));
    assert_string_equal(key.prefix, "environment");
    assert_true(keyring_is_environment(((struct place *)*state)->ring, key.hash));
    assert_false(keyring_environment(((struct place *)*state)->ring, 2, &key));
}

static bool holds(int dir_fd, const char *name, const char *needle)
{
    char data[1 << 16];
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, data, sizeof(data));

    close(fd);
    return n > 0 && memmem(data, (size_t)n, needle, strlen(needle));
}

static void nothing_but_the_digest_is_stored(void **state)
{
    struct place *place = *state;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text);
    DIR *dir = opendir(place->fixture->scratch->path);
    struct dirent *entry;
    bool digest = false;

    while ((entry = readdir(dir))) {
        assert_false(holds(dirfd(dir), entry->d_name, text));
        assert_false(holds(dirfd(dir), entry->d_name, text + 11));
        digest |= holds(dirfd(dir), entry->d_name, key.hash);
    }
    closedir(dir);
    assert_true(digest);
}

static void set(struct key_store *store, const char *hash, bool enabled, int64_t expires_ms)
{
    assert_int_equal(key_change(store, hash, &(struct key_change){ .enabled = &enabled, .expires_ms = &expires_ms }),
                     0);
}

/* http-api.md 4.4, by this process and by another that shares the directory. */
static void a_change_is_in_force_at_once(void **state)
{
    struct place *place = *state;
    struct key_store *other = open_store(place->fixture), *stores[] = { place->store, other };
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];

    for (size_t i = 0; i < 2; i++) {
        struct key key = make(place, KEY_INIT, text);

        assert_int_equal(find(place, text, &holder), 0);
        set(stores[i], key.hash, false, 0);
        assert_int_equal(find(place, text, &holder), KEY_E_DISABLED);
        set(stores[i], key.hash, true, 0);
        assert_int_equal(find(place, text, &holder), 0);
        set(stores[i], key.hash, true, 1);
        assert_int_equal(find(place, text, &holder), KEY_E_EXPIRED);
        set(stores[i], key.hash, true, clock_wall_ms() + 3600000);
        assert_int_equal(find(place, text, &holder), 0);
        assert_int_equal(key_revoke(stores[i], key.hash), 0);
        assert_int_equal(find(place, text, &holder), KEY_E_NOT_FOUND);
        assert_int_equal(key_revoke(stores[i], key.hash), KEY_E_NOT_FOUND);
        assert_int_equal(key_change(stores[i], key.hash, &(struct key_change){ 0 }), KEY_E_NOT_FOUND);
    }
    key_store_free(other);
}

/* The record is deleted behind the back of the generation: what is known stays known for the time to live, no longer.
 */
static void a_good_key_is_remembered_for_its_time(void **state)
{
    struct place *place = *state;
    struct keyring *forgetful = open_ring(place->store, 0);
    struct place beside = { .fixture = place->fixture, .store = place->store, .ring = forgetful };
    struct key_holder holder;
    struct kv_batch *batch;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text);

    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(find(&beside, text, &holder), 0);
    assert_int_equal(kv_batch_new(place->fixture->kv, &batch), 0);
    kv_batch_delete(batch, record_key(key.hash).text);
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(find(&beside, text, &holder), KEY_E_NOT_FOUND);
    keyring_free(forgetful);
}

static void a_damaged_record_opens_nothing(void **state)
{
    static const char *const damaged[] = {
        "",
        "{}",
        "[]",
        "{\"prefix\":\"sk-01234567\",\"name\":\"x\",\"tenant\":\"a:b\",\"created_ms\":1,\"expires_ms\":0,\"enabled\":"
        "true,"
        "\"per_second\":0,\"per_minute\":0,\"hourly\":0,\"daily\":0,\"monthly\":0}",
        "{\"prefix\":\"sk-01234567\",\"name\":\"x\",\"tenant\":\"a\",\"created_ms\":1,\"expires_ms\":0,\"enabled\":"
        "true,"
        "\"per_second\":-5,\"per_minute\":0,\"hourly\":0,\"daily\":0,\"monthly\":0}",
        "{\"prefix\":\"sk-01234567\",\"name\":\"x\",\"tenant\":\"a\",\"created_ms\":1,\"expires_ms\":0,\"enabled\":1,"
        "\"per_second\":0,\"per_minute\":0,\"hourly\":0,\"daily\":0,\"monthly\":0}",
    };
    struct place *place = *state;
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text), *list;
    size_t n;

    for (size_t i = 0; i < sizeof(damaged) / sizeof(damaged[0]); i++) {
        overwrite(place->fixture, record_key(key.hash).text, damaged[i]);
        assert_int_equal(find(place, text, &holder), KEY_E_NOT_FOUND);
    }
    assert_int_equal(key_list(place->store, &list, &n), 0);
    assert_int_equal(n, 0);
    key_list_free(list, n);
    assert_int_equal(key_revoke(place->store, key.hash), 0); /* but it can be cleaned away */
}

static void a_list_is_newest_first_and_keeps_what_was_given(void **state)
{
    struct place *place = *state;
    struct key wanted = { .name = "\xc3\xa4 \"quoted\"", .limits = { 1, 2, 3, 4, 5 }, .tenant = "ops" }, *list;
    char text[KEY_TEXT_SIZE];
    size_t n;

    wanted.metadata = json_pack("{s:s}", "owner", "me");
    make(place, KEY_INIT, text);
    usleep(3000);
    make(place, wanted, text);
    key_deinit(&wanted);
    assert_int_equal(key_list(place->store, &list, &n), 0);
    assert_int_equal(n, 2);
    assert_string_equal(list[0].name, "\xc3\xa4 \"quoted\"");
    assert_string_equal(list[0].tenant, "ops");
    assert_string_equal(json_string_value(json_object_get(list[0].metadata, "owner")), "me");
    for (int i = 0; i < RATE_PERIODS; i++)
        assert_int_equal(list[0].limits[i], i + 1);
    assert_true(list[0].created_ms > list[1].created_ms);
    key_list_free(list, n);
}

static void only_what_is_given_changes(void **state)
{
    struct place *place = *state;
    const int64_t limits[RATE_PERIODS] = { [RATE_DAILY] = 9 };
    struct key wanted = { .limits = { 1, 2, 3, 4, 5 } }, read;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, wanted, text);

    assert_int_equal(key_change(place->store, key.hash, &(struct key_change){ .name = "new" }), 0);
    assert_int_equal(key_get(place->store, key.hash, &read), 0);
    assert_string_equal(read.name, "new");
    assert_memory_equal(read.limits, wanted.limits, sizeof(read.limits));
    assert_int_equal(key_change(place->store, key.hash, &(struct key_change){ .limits = limits }), 0);
    assert_int_equal(key_get(place->store, key.hash, &read), 0);
    assert_memory_equal(read.limits, limits, sizeof(read.limits));
    assert_string_equal(read.name, "new");
    assert_true(read.enabled);
}

/* Whoever changes one has not seen what became of the others since. */
static void limits_change_one_by_one(void **state)
{
    struct place *place = *state;
    const int64_t limits[RATE_PERIODS] = { KEY_LIMIT_STAYS, 0, 30, KEY_LIMIT_STAYS, 50 };
    const int64_t expected[RATE_PERIODS] = { 1, 0, 30, 4, 50 };
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, (struct key){ .limits = { 1, 2, 3, 4, 5 } }, text), read;

    assert_int_equal(key_change(place->store, key.hash, &(struct key_change){ .limits = limits }), 0);
    assert_int_equal(key_get(place->store, key.hash, &read), 0);
    assert_memory_equal(read.limits, expected, sizeof(expected));
}

static void limits_and_groups_refuse_without_counting(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    struct key_use use;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, (struct key){ .limits = { [RATE_MONTHLY] = 3 } }, text);

    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(admit(place, text, RATE_EXEC), KEYRING_ADMITTED_TELL);
    assert_int_equal(admit(place, text, RATE_EXEC), KEYRING_ADMITTED_TELL);
    assert_int_equal(admit(place, text, RATE_EXEC), KEYRING_GROUP_LIMITED);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_ADMITTED_TELL);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_PERIOD_LIMITED);
    assert_int_equal(admit(place, text, RATE_EXEC), KEYRING_PERIOD_LIMITED);
    assert_int_equal(keyring_use(place->ring, key.hash, &use), 0);
    assert_int_equal(use.count, 3);
    /* Keys of the environment have no limits of their own, but those of groups. */
    assert_int_equal(admit(place, "environment-key-1", RATE_EXEC), KEYRING_ADMITTED);
    assert_int_equal(admit(place, "environment-key-1", RATE_EXEC), KEYRING_ADMITTED);
    assert_int_equal(admit(place, "environment-key-1", RATE_EXEC), KEYRING_GROUP_LIMITED);
    assert_int_equal(admit(place, "environment-key-number-two", RATE_EXEC), KEYRING_ADMITTED);
}

static void counters_survive_a_restart(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    struct key_use use;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, (struct key){ .limits = { [RATE_MONTHLY] = 2 } }, text);

    assert_int_equal(find(place, text, &holder), 0);
    admit(place, text, RATE_NO_GROUP);
    admit(place, "environment-key-1", RATE_EXEC);
    admit(place, "environment-key-1", RATE_EXEC);
    keyring_free(place->ring);
    place->ring = open_ring(place->store, TTL);
    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_ADMITTED_TELL);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_PERIOD_LIMITED);
    assert_int_equal(admit(place, "environment-key-1", RATE_EXEC), KEYRING_GROUP_LIMITED);
    assert_int_equal(keyring_use(place->ring, key.hash, &use), 0);
    assert_int_equal(use.count, 2);
}

/* A change of a key does not give it its requests back. */
static void counters_survive_a_change(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, (struct key){ .limits = { [RATE_MONTHLY] = 1 } }, text);

    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_ADMITTED_TELL);
    assert_int_equal(key_change(place->store, key.hash, &(struct key_change){ .name = "new" }), 0);
    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_PERIOD_LIMITED);
}

static void a_revoked_key_leaves_no_counters(void **state)
{
    struct place *place = *state;
    struct key_store *other = open_store(place->fixture);
    struct key_holder holder;
    char text[KEY_TEXT_SIZE], *value;
    struct key key = make(place, KEY_INIT, text);
    size_t length;

    assert_int_equal(find(place, text, &holder), 0);
    admit(place, text, RATE_NO_GROUP);
    assert_int_equal(keyring_flush(place->ring), 0);
    assert_int_equal(kv_get(place->fixture->kv, record_key_use(key.hash).text, &value, &length), 0);
    free(value);
    admit(place, text, RATE_NO_GROUP);
    assert_int_equal(key_revoke(other, key.hash), 0);
    assert_int_equal(keyring_flush(place->ring), 0);
    assert_int_equal(kv_get(place->fixture->kv, record_key_use(key.hash).text, &value, &length), KV_E_NOT_FOUND);
    key_store_free(other);
}

/* Whoever makes keys, uses and revokes them must not fill the memory; and nothing is lost of one that rests. */
static void what_rests_is_forgotten(void **state)
{
    struct place *place = *state;
    struct keyring *ring;
    struct key_holder holder;
    char resting[KEY_TEXT_SIZE], revoked[KEY_TEXT_SIZE];
    struct key key;

    place->ring = keyring_free(place->ring);
    ring = place->ring = open_ring_that_forgets(place->store, 1, 20);
    make(place, (struct key){ .limits = { [RATE_MONTHLY] = 2 } }, resting);
    key = make(place, KEY_INIT, revoked);
    assert_int_equal(find(place, resting, &holder), 0);
    assert_int_equal(admit(place, resting, RATE_EXEC), KEYRING_ADMITTED_TELL);
    assert_int_equal(admit(place, resting, RATE_EXEC), KEYRING_ADMITTED_TELL);
    assert_int_equal(find(place, revoked, &holder), 0);
    assert_int_equal(keyring_known(ring), 2);
    assert_int_equal(key_revoke(place->store, key.hash), 0);
    usleep(50000);
    assert_int_equal(keyring_flush(ring), 0);
    usleep(50000);
    assert_int_equal(keyring_flush(ring), 0);
    assert_int_equal(keyring_known(ring), 0);
    assert_int_equal(find(place, resting, &holder), 0);
    assert_int_equal(keyring_known(ring), 1);
    assert_int_equal(admit(place, resting, RATE_EXEC), KEYRING_PERIOD_LIMITED);
    assert_int_equal(find(place, revoked, &holder), KEY_E_NOT_FOUND);
    assert_int_equal(keyring_known(ring), 1);
}

static void what_was_used_lately_stays(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];

    place->ring = keyring_free(place->ring);
    place->ring = open_ring_that_forgets(place->store, 1, 3600000);
    make(place, KEY_INIT, text);
    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(keyring_flush(place->ring), 0);
    assert_int_equal(keyring_known(place->ring), 1);
}

static void damaged_counters_start_anew(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text);

    overwrite(place->fixture, record_key_use(key.hash).text, "{\"count\":\"many\"}");
    assert_int_equal(find(place, text, &holder), 0);
    assert_int_equal(admit(place, text, RATE_NO_GROUP), KEYRING_ADMITTED);
}

#define THREADS 4
#define LIMIT   1000

struct worker {
    struct place *place;
    const char *text;
    unsigned admitted;
};

static void *work(void *context)
{
    struct worker *worker = context;

    for (int i = 0; i < LIMIT; i++)
        worker->admitted += admit(worker->place, worker->text, RATE_NO_GROUP) == KEYRING_ADMITTED_TELL;
    return NULL;
}

/* attack case C14: parallel requests do not pass a limit together. */
static void threads_do_not_pass_a_limit_together(void **state)
{
    struct place *place = *state;
    struct worker workers[THREADS];
    pthread_t threads[THREADS];
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];
    unsigned total = 0;

    make(place, (struct key){ .limits = { [RATE_MONTHLY] = LIMIT } }, text);
    assert_int_equal(find(place, text, &holder), 0);
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (struct worker){ .place = place, .text = text };
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        total += workers[i].admitted;
    }
    assert_int_equal(total, LIMIT);
}

struct churn {
    struct place *place;
    const char *hash;
};

static void *toggle(void *context)
{
    const struct churn *churn = context;

    for (int i = 0; i < 50; i++)
        set(churn->place->store, churn->hash, i % 2, 0);
    return NULL;
}

/* Whatever the interleaving: once a change has returned, the ring says what it says. */
static void changes_and_lookups_at_once(void **state)
{
    struct place *place = *state;
    struct key_holder holder;
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text);
    struct churn churn = { place, key.hash };
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, toggle, &churn), 0);
    for (int i = 0; i < 2000; i++) {
        int r = find(place, text, &holder);

        assert_true(r == 0 || r == KEY_E_DISABLED);
        if (i % 100 == 0)
            assert_int_equal(keyring_flush(place->ring), 0);
    }
    pthread_join(thread, NULL);
    set(place->store, key.hash, false, 0);
    assert_int_equal(find(place, text, &holder), KEY_E_DISABLED);
}

static void *open_another(void *argument)
{
    struct place *place = argument;
    int fd = open(place->fixture->scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct key_store *store = NULL;
    int r = key_store_open(place->fixture->kv, fd, &store);

    key_store_free(store);
    close(fd);
    return (void *)(intptr_t)r;
}

static void one_changes_at_a_time(void **state)
{
    struct place *place = *state;
    const char *path = scratch_path(place->fixture->scratch, KEY_GENERATION_FILE);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    char text[KEY_TEXT_SIZE];
    struct key key = make(place, KEY_INIT, text);
    int64_t began_us = clock_monotonic_us();
    pthread_t opener;
    void *opened;

    assert_int_equal(flock(fd, LOCK_EX), 0);
    assert_int_equal(pthread_create(&opener, NULL, open_another, place), 0);
    assert_int_equal(key_revoke(place->store, key.hash), -EBUSY);
    assert_true(clock_monotonic_us() - began_us > 1000000);
    pthread_join(opener, &opened);
    assert_int_equal((intptr_t)opened, -EBUSY);
    assert_int_equal(flock(fd, LOCK_UN), 0);
    assert_int_equal(key_revoke(place->store, key.hash), 0);
    close(fd);
}

#define KEY_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        KEY_TEST(a_key_is_random_and_known_by_its_digest),
        KEY_TEST(keys_of_the_environment_are_one_tenant),
        KEY_TEST(nothing_but_the_digest_is_stored),
        KEY_TEST(a_change_is_in_force_at_once),
        KEY_TEST(a_good_key_is_remembered_for_its_time),
        KEY_TEST(a_damaged_record_opens_nothing),
        KEY_TEST(a_list_is_newest_first_and_keeps_what_was_given),
        KEY_TEST(only_what_is_given_changes),
        KEY_TEST(limits_change_one_by_one),
        KEY_TEST(limits_and_groups_refuse_without_counting),
        KEY_TEST(counters_survive_a_restart),
        KEY_TEST(counters_survive_a_change),
        KEY_TEST(a_revoked_key_leaves_no_counters),
        KEY_TEST(what_rests_is_forgotten),
        KEY_TEST(what_was_used_lately_stays),
        KEY_TEST(damaged_counters_start_anew),
        KEY_TEST(threads_do_not_pass_a_limit_together),
        KEY_TEST(changes_and_lookups_at_once),
        KEY_TEST(one_changes_at_a_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

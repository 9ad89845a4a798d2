/* SPDX-License-Identifier: Apache-2.0 */
#include "domain_fixture.h"

#include <pthread.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "domain/audit.h"
#include "domain/record.h"
#include "domain/state.h"

#define HOT_BYTES 1000
#define MAX_BYTES (1 << 20)
#define HOUR_MS   INT64_C(3600000)

static const struct state_rules usual = {
    .archive = true,
    .ttl_ms = 2 * HOUR_MS,
    .archive_after_ms = HOUR_MS,
    .archive_ttl_ms = 7 * 24 * HOUR_MS,
    .bytes_max = MAX_BYTES,
    .hot_bytes_max = HOT_BYTES,
    .key = "a key that is 32 bytes long ....",
};

static struct state_store store_of(struct fixture *fixture, const struct state_rules *rules)
{
    return (struct state_store){ .kv = fixture->kv, .blobs = fixture->blobs, .rules = rules };
}

/* Size bytes that depend on seed. */
static char *bytes_of(unsigned seed, size_t size)
{
    char *bytes = malloc(size + 1);

    assert_non_null(bytes);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (char)(seed + i * 7 + i / 251);
    return bytes;
}

static int file_of(unsigned seed, size_t size)
{
    CLEANUP_FREE char *bytes = bytes_of(seed, size);
    int fd = memfd_create("state", MFD_CLOEXEC);

    assert_int_equal(write(fd, bytes, size), size);
    return fd;
}

static int save(const struct state_store *store, const struct session *session, unsigned seed, size_t size)
{
    int fd = file_of(seed, size);
    int64_t size_bytes = -1;
    int r = state_save(store, session, fd, &size_bytes);

    close(fd);
    if (r == 0)
        assert_int_equal(size_bytes, size);
    return r;
}

/* Loads and compares with what file_of() makes. Returns where it came from, or -1 if there is none. */
static int load(const struct state_store *store, const struct session *session, unsigned seed, size_t size)
{
    CLEANUP_FREE char *expected = bytes_of(seed, size);
    struct buffer bytes = BUFFER_INIT(0);
    enum state_source source;
    int r = state_load(store, session, &bytes, &source);

    if (r == STATE_E_NONE) {
        assert_null(bytes.data);
        return -1;
    }
    assert_int_equal(r, 0);
    assert_int_equal(bytes.length, size);
    assert_memory_equal(bytes.data, expected, size);
    buffer_deinit(&bytes);
    return (int)source;
}

static void assert_none(const struct state_store *store, const struct session *session)
{
    assert_int_equal(load(store, session, 0, 0), -1);
}

static int count(void *context, const char *key)
{
    (void)key;
    ++*(unsigned *)context;
    return 0;
}

static unsigned n_blobs(struct fixture *fixture)
{
    unsigned n = 0;

    assert_int_equal(blob_visit_older(fixture->blobs, -1000, count, &n), 0);
    return n;
}

/* As if the last use lay so far back: the record and its place in the set of states. */
static void grow_old(struct fixture *fixture, const struct session *session, int64_t ms)
{
    CLEANUP_FREE char *value = NULL, *json = NULL;
    CLEANUP(buffer_deinit) struct buffer changed = BUFFER_INIT(8 << 20);
    struct state_record record;
    struct kv_batch *batch;
    size_t length, text_at, json_length;

    assert_int_equal(kv_get(fixture->kv, record_state(session->id).text, &value, &length), 0);
    assert_int_equal(record_decode_state(value, length, &record, &text_at), 0);
    record.used_ms -= ms;
    assert_int_equal(record_encode_state(&record, &json, &json_length), 0);
    buffer_append(&changed, json, json_length);
    buffer_append(&changed, value + text_at, length - text_at);
    assert_int_equal(kv_batch_new(fixture->kv, &batch), 0);
    kv_batch_put(batch, record_state(session->id).text, changed.data, changed.length, 0);
    kv_batch_add(batch, RECORD_STATES, session->id, (double)record.used_ms);
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
}

static unsigned archive(const struct state_store *store)
{
    unsigned seen, archived;

    assert_int_equal(state_archive(store, 100, &seen, &archived), 0);
    return archived;
}

static void what_is_saved_is_loaded(void **state)
{
    static const size_t sizes[] = { 1, 2, 3, 4, 999, HOT_BYTES, HOT_BYTES + 1, 49151, 49152, 49153, 300001, MAX_BYTES };
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session session = make_session(fixture, NULL, "user", TTL_MS);

    assert_none(&store, &session);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        assert_int_equal(save(&store, &session, (unsigned)i, sizes[i]), 0);
        assert_int_equal(load(&store, &session, (unsigned)i, sizes[i]),
                         sizes[i] <= HOT_BYTES ? STATE_FROM_HOT : STATE_FROM_ARCHIVE);
        assert_int_equal(n_blobs(fixture), sizes[i] > HOT_BYTES);
    }
    fixture_close(fixture);
    fixture_open(fixture);
    store = store_of(fixture, &usual);
    assert_int_equal(load(&store, &session, ARRAY_SIZE(sizes) - 1, MAX_BYTES), STATE_FROM_ARCHIVE);
}

static void an_empty_state_is_none(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(save(&store, &session, 0, 0), 0);
    assert_int_equal(save(&store, &session, 1, 5000), 0);
    assert_int_equal(save(&store, &session, 0, 0), 0);
    assert_none(&store, &session);
    assert_int_equal(n_blobs(fixture), 0);
}

static void one_too_large_leaves_the_earlier_one(void **state)
{
    struct fixture *fixture = *state;
    struct state_rules rules = usual;
    struct state_store store = store_of(fixture, &rules);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(save(&store, &session, 1, 400), 0);
    rules.bytes_max = 500;
    assert_int_equal(save(&store, &session, 2, 501), STATE_E_TOO_LARGE);
    assert_int_equal(load(&store, &session, 1, 400), STATE_FROM_HOT);
    rules.bytes_max = 399;
    assert_none(&store, &session);
}

static void nobody_elses_is_given(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session alone = make_session(fixture, NULL, NULL, TTL_MS), other = make_session(fixture, NULL, NULL, TTL_MS);
    struct session owned = make_session(fixture, NULL, "user", TTL_MS), changed;

    assert_int_equal(save(&store, &alone, 1, 100), 0);
    assert_int_equal(save(&store, &owned, 2, 100), 0);
    assert_none(&store, &other);
    changed = alone;
    snprintf(changed.user_id, sizeof(changed.user_id), "user"); /* 9.4: took over nobody's session */
    assert_int_equal(load(&store, &changed, 1, 100), STATE_FROM_HOT);
    changed = owned;
    snprintf(changed.user_id, sizeof(changed.user_id), "other");
    assert_none(&store, &changed);
    changed.user_id[0] = '\0';
    assert_none(&store, &changed);
    changed = alone;
    snprintf(changed.tenant, sizeof(changed.tenant), "another");
    assert_none(&store, &changed);
}

/* Copies one session's record, with the blob's claim, to another session. */
static void transplant(struct fixture *fixture, const struct session *from, const struct session *to)
{
    CLEANUP_FREE char *value = NULL;
    size_t length;

    assert_int_equal(kv_get(fixture->kv, record_state(from->id).text, &value, &length), 0);
    overwrite(fixture, record_state(to->id).text, value);
}

static void a_transplanted_state_is_none(void **state)
{
    static const size_t sizes[] = { 100, 5000 };
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        struct session from = make_session(fixture, NULL, "user", TTL_MS),
                       to = make_session(fixture, NULL, "user", TTL_MS);

        assert_int_equal(save(&store, &from, 1, sizes[i]), 0);
        transplant(fixture, &from, &to);
        assert_none(&store, &to);
        assert_int_equal(save(&store, &to, 2, sizes[i]), 0);
        assert_true(load(&store, &to, 2, sizes[i]) >= 0);
        assert_true(load(&store, &from, 1, sizes[i]) >= 0);
    }
}

static void another_key_unbinds(void **state)
{
    struct fixture *fixture = *state;
    struct state_rules rules = usual;
    struct state_store store = store_of(fixture, &rules);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(save(&store, &session, 1, 100), 0);
    rules.key[5] ^= 1;
    assert_none(&store, &session);
}

static void damage_counts_as_absent(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    char key[KV_KEY_MAX + 1];
    CLEANUP_FREE char *value = NULL;
    size_t length;

    snprintf(key, sizeof(key), "%s", record_state(session.id).text);
    assert_int_equal(save(&store, &session, 1, 300), 0);
    assert_int_equal(kv_get(fixture->kv, key, &value, &length), 0);
    for (size_t i = 0; i < length; i += 3) {
        char was = value[i];

        value[i] = was == 'A' ? 'B' : 'A';
        overwrite(fixture, key, value);
        assert_none(&store, &session);
        value[i] = was;
    }
    value[length - 4] = '\0';
    overwrite(fixture, key, value);
    assert_none(&store, &session);
    overwrite(fixture, key, "");
    assert_none(&store, &session);
    overwrite(fixture, key, "{}\n");
    assert_none(&store, &session);
    assert_int_equal(save(&store, &session, 2, 300), 0);
    assert_int_equal(load(&store, &session, 2, 300), STATE_FROM_HOT);
}

static void a_lost_blob_counts_as_absent(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(save(&store, &session, 1, 5000), 0);
    fixture->blobs = blob_store_free(fixture->blobs);
    assert_int_equal(blob_store_open_directory(scratch_path(fixture->scratch, "others"), &fixture->blobs), 0);
    store = store_of(fixture, &usual);
    assert_none(&store, &session);
    assert_int_equal(save(&store, &session, 2, 5000), 0);
    assert_int_equal(load(&store, &session, 2, 5000), STATE_FROM_ARCHIVE);
}

static void what_rests_is_archived_and_comes_back(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session small = make_session(fixture, NULL, NULL, TTL_MS), large = make_session(fixture, NULL, NULL, TTL_MS);
    struct session busy = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(save(&store, &small, 1, 100), 0);
    assert_int_equal(save(&store, &large, 2, 5000), 0);
    assert_int_equal(save(&store, &busy, 3, 100), 0);
    assert_int_equal(archive(&store), 0);
    grow_old(fixture, &small, HOUR_MS + 1000);
    grow_old(fixture, &large, HOUR_MS + 1000);
    grow_old(fixture, &busy, HOUR_MS - 60000);
    assert_int_equal(archive(&store), 2);
    assert_int_equal(archive(&store), 0);
    assert_int_equal(n_blobs(fixture), 2);
    assert_int_equal(load(&store, &small, 1, 100), STATE_FROM_ARCHIVE);
    assert_int_equal(load(&store, &large, 2, 5000), STATE_FROM_ARCHIVE);
    assert_int_equal(load(&store, &busy, 3, 100), STATE_FROM_HOT);
    /* Renewed, it rests anew from now on; saved, it is hot again and the archive's copy goes. */
    assert_int_equal(state_renew(&store, &large), 0);
    assert_int_equal(archive(&store), 0);
    grow_old(fixture, &large, HOUR_MS + 1000);
    assert_int_equal(archive(&store), 1);
    assert_int_equal(save(&store, &small, 4, 200), 0);
    assert_int_equal(load(&store, &small, 4, 200), STATE_FROM_HOT);
    assert_int_equal(n_blobs(fixture), 1);
}

static int64_t expiry_after(struct fixture *fixture, const struct session *session)
{
    CLEANUP_FREE char *value = NULL;
    struct state_record record;
    size_t length, text_at;

    assert_int_equal(kv_get(fixture->kv, record_state(session->id).text, &value, &length), 0);
    assert_int_equal(record_decode_state(value, length, &record, &text_at), 0);
    return clock_wall_ms() - record.used_ms;
}

static void a_use_renews(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(state_renew(&store, &session), 0); /* nothing to renew */
    assert_int_equal(save(&store, &session, 1, 100), 0);
    grow_old(fixture, &session, HOUR_MS / 2);
    assert_true(expiry_after(fixture, &session) >= HOUR_MS / 2);
    assert_int_equal(state_renew(&store, &session), 0);
    assert_true(expiry_after(fixture, &session) < HOUR_MS / 2);
    assert_int_equal(load(&store, &session, 1, 100), STATE_FROM_HOT);
}

/* Without an archive a state ends with its time in the hot store, and its blob with the next sweep. */
static void time_ends_it(void **state)
{
    struct fixture *fixture = *state;
    struct state_rules rules = usual;
    struct state_store store = store_of(fixture, &rules);
    struct session small = make_session(fixture, NULL, NULL, TTL_MS), large = make_session(fixture, NULL, NULL, TTL_MS);
    CLEANUP_FREE struct kv_member *members = NULL;
    size_t n;

    rules.archive = false;
    rules.ttl_ms = -1;
    assert_int_equal(save(&store, &small, 1, 100), 0);
    assert_int_equal(save(&store, &large, 2, 5000), 0);
    assert_none(&store, &small);
    assert_none(&store, &large);
    assert_int_equal(archive(&store), 0);
    assert_int_equal(kv_members(fixture->kv, RECORD_STATES, 0, 1e18, KV_ASCENDING, 10, &members, &n), 0);
    assert_int_equal(n, 0);
}

/* Newest first. */
static void assert_told(struct audit *audit, const char *const *expected)
{
    const struct audit_filter all = { 0 };
    char **texts;

    assert_int_equal(audit_recent(audit, &all, 100, &texts), 0);
    for (size_t i = 0; expected[i]; i++) {
        assert_non_null(texts[i]);
        assert_non_null(strstr(texts[i], "\"event_type\":\"state\""));
        assert_non_null(strstr(texts[i], expected[i]));
        assert_null(expected[i + 1] ? NULL : texts[i + 1]);
    }
    audit_recent_free(texts);
}

static void the_audit_log_is_told(void **state)
{
    static const char *const expected[] = {
        "\"source\":\"s3\"",  "\"operation\":\"archive\"", "\"source\":\"redis\"",
        "\"size_bytes\":501", "\"size_bytes\":100",        NULL,
    };
    const struct audit_options options = { .max_ring_events = 20, .max_queue_bytes = 1 << 20, .echo_fd = -1 };
    struct fixture *fixture = *state;
    struct state_rules rules = usual;
    struct state_store store = store_of(fixture, &rules);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(audit_new(&options, &store.audit), 0);
    rules.bytes_max = 500;
    assert_int_equal(save(&store, &session, 1, 100), 0);
    assert_int_equal(save(&store, &session, 2, 501), STATE_E_TOO_LARGE);
    assert_int_equal(load(&store, &session, 1, 100), STATE_FROM_HOT);
    grow_old(fixture, &session, HOUR_MS + 1000);
    assert_int_equal(archive(&store), 1);
    assert_int_equal(archive(&store), 0);
    assert_int_equal(load(&store, &session, 1, 100), STATE_FROM_ARCHIVE);
    assert_told(store.audit, expected);
    audit_free(store.audit);
}

static void the_archive_ends_too(void **state)
{
    struct fixture *fixture = *state;
    struct state_rules rules = usual;
    struct state_store store = store_of(fixture, &rules);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    rules.archive_ttl_ms = -1;
    assert_int_equal(save(&store, &session, 1, 100), 0);
    grow_old(fixture, &session, HOUR_MS + 1000);
    assert_int_equal(archive(&store), 1);
    assert_none(&store, &session);
}

static void sweep(struct fixture *fixture)
{
    unsigned n;

    assert_int_equal(file_sweep(fixture->kv, fixture->blobs, 100, &n), 0);
}

static void it_goes_with_its_session(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session small = make_session(fixture, NULL, NULL, TTL_MS), large = make_session(fixture, NULL, NULL, TTL_MS);
    struct session stays = make_session(fixture, NULL, NULL, TTL_MS);
    CLEANUP_FREE struct kv_member *members = NULL;
    CLEANUP_FREE char *value = NULL;
    size_t n;

    assert_int_equal(save(&store, &small, 1, 100), 0);
    assert_int_equal(save(&store, &large, 2, 5000), 0);
    assert_int_equal(save(&store, &stays, 3, 5000), 0);
    expire_session(fixture, small.id);
    expire_session(fixture, large.id);
    assert_int_equal(save(&store, &small, 4, 100), STATE_E_GONE);
    sweep(fixture);
    assert_int_equal(kv_get(fixture->kv, record_state(small.id).text, &value, &n), KV_E_NOT_FOUND);
    assert_int_equal(kv_get(fixture->kv, record_state(large.id).text, &value, &n), KV_E_NOT_FOUND);
    assert_int_equal(kv_members(fixture->kv, RECORD_STATES, 0, 1e18, KV_ASCENDING, 10, &members, &n), 0);
    assert_int_equal(n, 1);
    assert_int_equal(n_blobs(fixture), 1);
    assert_int_equal(load(&store, &stays, 3, 5000), STATE_FROM_ARCHIVE);
}

/* The path of a session's blob, whose claim on it may be stale; then two hours old. */
static void grow_blobs_old(struct fixture *fixture)
{
    char command[512];

    snprintf(command, sizeof(command), "find '%s' -type f -exec touch -d '2 hours ago' {} +",
             scratch_path(fixture->scratch, "blobs/objects"));
    assert_int_equal(system(command), 0);
}

static void a_blob_stays_as_long_as_a_state_names_it(void **state)
{
    struct fixture *fixture = *state;
    struct state_rules rules = usual;
    struct state_store store = store_of(fixture, &rules);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);

    assert_int_equal(save(&store, &session, 1, 5000), 0);
    grow_blobs_old(fixture);
    sweep(fixture);
    assert_int_equal(load(&store, &session, 1, 5000), STATE_FROM_ARCHIVE);
    rules.ttl_ms = -1;
    assert_int_equal(save(&store, &session, 2, 6000), 0); /* its record is over at once, and takes its claim along */
    rules.ttl_ms = HOUR_MS;
    assert_int_equal(save(&store, &session, 3, 100), 0);
    assert_int_equal(n_blobs(fixture), 1);
    grow_blobs_old(fixture);
    sweep(fixture);
    assert_int_equal(n_blobs(fixture), 0);
    assert_int_equal(load(&store, &session, 3, 100), STATE_FROM_HOT);
}

struct writer {
    struct fixture *fixture;
    const struct session *session;
    unsigned seed;
    int result;
};

static size_t size_of_seed(unsigned seed)
{
    return seed % 2 ? 900 : 3000;
}

static void *write_often(void *context)
{
    struct writer *writer = context;
    struct state_store store = store_of(writer->fixture, &usual);

    for (int i = 0; i < 8 && writer->result == 0; i++) {
        int fd = file_of(writer->seed, size_of_seed(writer->seed));
        int64_t size_bytes;

        writer->result = state_save(&store, writer->session, fd, &size_bytes);
        close(fd);
    }
    return NULL;
}

/* 9.6: whatever is found is one of those that were saved, whole. */
static void states_saved_at_once_are_never_mixed(void **state)
{
    struct fixture *fixture = *state;
    struct state_store store = store_of(fixture, &usual);
    struct session session = make_session(fixture, NULL, NULL, TTL_MS);
    struct writer writers[4];
    pthread_t threads[4];

    assert_int_equal(save(&store, &session, 0, size_of_seed(0)), 0);
    for (unsigned i = 0; i < 4; i++) {
        writers[i] = (struct writer){ fixture, &session, i, 0 };
        assert_int_equal(pthread_create(&threads[i], NULL, write_often, &writers[i]), 0);
    }
    for (int i = 0; i < 30; i++) {
        struct buffer bytes = BUFFER_INIT(0);
        enum state_source source;

        assert_int_equal(state_load(&store, &session, &bytes, &source), 0);
        assert_int_equal(bytes.length, size_of_seed((unsigned char)bytes.data[0]));
        buffer_deinit(&bytes);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(writers[i].result, 0);
    }
    assert_true(n_blobs(fixture) <= 2); /* one that was stored twice within a moment waits for the sweep */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_saved_is_loaded),
        TEST(an_empty_state_is_none),
        TEST(one_too_large_leaves_the_earlier_one),
        TEST(nobody_elses_is_given),
        TEST(a_transplanted_state_is_none),
        TEST(another_key_unbinds),
        TEST(damage_counts_as_absent),
        TEST(a_lost_blob_counts_as_absent),
        TEST(what_rests_is_archived_and_comes_back),
        TEST(a_use_renews),
        TEST(time_ends_it),
        TEST(the_archive_ends_too),
        TEST(the_audit_log_is_told),
        TEST(it_goes_with_its_session),
        TEST(states_saved_at_once_are_never_mixed),
        TEST(a_blob_stays_as_long_as_a_state_names_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* domain_fixture.h -- a fresh embedded store, and short verbs for sessions and files in it. */
#pragma once

#include "scratch.h"

#include <errno.h>

#include "base/log.h"
#include "domain/file.h"
#include "domain/session.h"
#include "store/blob.h"
#include "store/kv.h"

#define TENANT "environment"
#define TTL_MS INT64_C(3600000)

struct fixture {
    struct scratch *scratch;
    struct kv *kv;
    struct blob_store *blobs;
};

static inline void fixture_open(struct fixture *fixture)
{
    char error[256];

    assert_int_equal(kv_open_sqlite(scratch_path(fixture->scratch, "kv.db"), &fixture->kv, error, sizeof(error)), 0);
    assert_int_equal(blob_store_open_directory(scratch_path(fixture->scratch, "blobs"), &fixture->blobs), 0);
}

static inline void fixture_close(struct fixture *fixture)
{
    fixture->kv = kv_free(fixture->kv);
    fixture->blobs = blob_store_free(fixture->blobs);
}

static inline int fixture_setup(void **state)
{
    /* Damage is what some tests are about. */
    const struct log_options quiet = { .level = LOG_LEVEL_CRITICAL, .fd = STDERR_FILENO, .process = "test" };
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    void *scratch;

    log_init(&quiet);
    if (scratch_setup(&scratch) < 0)
        return -1;
    fixture->scratch = scratch;
    fixture_open(fixture);
    *state = fixture;
    return 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    void *scratch = fixture->scratch;

    fixture_close(fixture);
    free(fixture);
    return scratch_teardown(&scratch);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, fixture_setup, fixture_teardown)

/* Another fixture, on a tmpfs of this size below the first one's directory. */
static inline void fixture_open_small(struct fixture *small, struct scratch *scratch, const struct fixture *first,
                                      const char *options)
{
    *scratch = *first->scratch;
    snprintf(scratch->path + strlen(scratch->path), sizeof(scratch->path) - strlen(scratch->path), "/small");
    assert_int_equal(mkdir(scratch->path, 0700), 0);
    scratch_limit(scratch, options);
    small->scratch = scratch;
    fixture_open(small);
}

static inline void fixture_close_small(struct fixture *small)
{
    fixture_close(small);
    umount2(small->scratch->path, MNT_DETACH);
}

static inline struct session make_session(struct fixture *fixture, const char *entity_id, const char *user_id,
                                          int64_t ttl_ms)
{
    struct session session;

    assert_int_equal(session_create(fixture->kv, TENANT, entity_id, user_id, ttl_ms, &session), 0);
    return session;
}

/* Lets the session expire, as if its time had come. */
static inline void expire_session(struct fixture *fixture, const char *session_id)
{
    assert_int_equal(session_touch(fixture->kv, session_id, -1), 0);
}

/* Writes a raw value over a record. */
static inline void overwrite(struct fixture *fixture, const char *key, const char *value)
{
    struct kv_batch *batch;

    assert_int_equal(kv_batch_new(fixture->kv, &batch), 0);
    kv_batch_put(batch, key, value, strlen(value), 0);
    assert_int_equal(kv_batch_commit(batch), 0);
    kv_batch_free(batch);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "domain_fixture.h"

#include <pthread.h>

#include "base/clock.h"
#include "domain/limits.h"
#include "domain/record.h"

#define NO_FILES NULL, 0

static struct session resolve_only(struct fixture *fixture, const char *session_id, const char *user_id,
                                   const char *entity_id, const char *const *file_session_ids, unsigned n,
                                   bool *ret_due)
{
    const struct session_query query = {
        .tenant = TENANT,
        .session_id = session_id,
        .user_id = user_id,
        .entity_id = entity_id,
        .file_session_ids = file_session_ids,
        .n_file_sessions = n,
    };
    struct session session;

    assert_int_equal(session_resolve(fixture->kv, &query, TTL_MS, &session, ret_due), 0);
    return session;
}

static struct session resolve(struct fixture *fixture, const char *session_id, const char *user_id,
                              const char *entity_id, const char *const *file_session_ids, unsigned n)
{
    bool due;
    struct session session = resolve_only(fixture, session_id, user_id, entity_id, file_session_ids, n, &due);

    if (due)
        assert_int_equal(session_record(fixture->kv, &session, TTL_MS), 0);
    return session;
}

static void assert_lives(struct fixture *fixture, const char *session_id, bool lives)
{
    struct session session;

    assert_int_equal(session_get(fixture->kv, TENANT, session_id, &session), lives ? 0 : SESSION_E_NOT_FOUND);
}

static void a_new_session_holds_what_it_was_given(void **state)
{
    struct fixture *fixture = *state;
    struct session made = make_session(fixture, "agent-1", "u 1 \"世界\"", TTL_MS), read;

    assert_true(id_is_ours(made.id));
    assert_int_equal(session_get(fixture->kv, TENANT, made.id, &read), 0);
    assert_memory_equal(&read.id, &made.id, sizeof(read.id));
    assert_string_equal(read.tenant, TENANT);
    assert_string_equal(read.entity_id, "agent-1");
    assert_string_equal(read.user_id, "u 1 \"世界\"");
    assert_int_equal(read.created_ms, made.created_ms);
    assert_int_equal(read.expires_ms, read.active_ms + TTL_MS);
    assert_in_range(clock_wall_ms() - read.created_ms, 0, 5000);
}

/* files.md F9: what was stored before there were tenants. */
static void a_session_without_tenant_is_the_environments(void **state)
{
    struct fixture *fixture = *state;
    struct session made = make_session(fixture, NULL, NULL, TTL_MS), read;
    char record[256];

    snprintf(record, sizeof(record), "{\"created_ms\":1,\"active_ms\":1,\"expires_ms\":%lld}",
             (long long)made.expires_ms);
    overwrite(fixture, record_session(made.id).text, record);
    assert_int_equal(session_get(fixture->kv, TENANT_ENVIRONMENT, made.id, &read), 0);
    assert_string_equal(read.tenant, TENANT_ENVIRONMENT);
    assert_int_equal(session_get(fixture->kv, "other", made.id, &read), SESSION_E_NOT_FOUND);
    assert_int_equal(session_get(fixture->kv, "", made.id, &read), SESSION_E_NOT_FOUND);
}

static void parts_of_keys_are_checked(void **state)
{
    struct fixture *fixture = *state;
    struct session session;
    const char *const bad[] = { "a b", "a:b", "x/y", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "\xff" };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(session_create(fixture->kv, TENANT, bad[i], NULL, TTL_MS, &session), -EINVAL);
    assert_int_equal(session_create(fixture->kv, "a:b", NULL, NULL, TTL_MS, &session), -EINVAL);
    assert_int_equal(session_create(fixture->kv, "", NULL, NULL, TTL_MS, &session), -EINVAL);
    make_session(fixture, "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL, TTL_MS);
}

static void foreign_identifiers_are_unknown(void **state)
{
    struct fixture *fixture = *state;
    const char *const ids[] = {
        "",
        "func-test-1a2b3c4d5e6f",
        "../../etc/passwd",
        "AAAAAAAAAAAAAAAAAAAAA",
        "%00",
        "0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"
        "012345678901234567890123456789"
    };

    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        assert_lives(fixture, ids[i], false);
        assert_int_equal(session_touch(fixture->kv, ids[i], TTL_MS), SESSION_E_NOT_FOUND);
    }
}

static void another_tenants_session_does_not_exist(void **state)
{
    struct fixture *fixture = *state;
    struct session made = make_session(fixture, "agent", "u", TTL_MS), read;
    const struct session_query query = {
        .tenant = "other", .session_id = made.id, .user_id = "u", .entity_id = "agent"
    };
    bool due;

    assert_int_equal(session_get(fixture->kv, "other", made.id, &read), SESSION_E_NOT_FOUND);
    assert_int_equal(session_resolve(fixture->kv, &query, TTL_MS, &read, &due), 0);
    assert_string_not_equal(read.id, made.id);
    assert_string_equal(read.tenant, "other");
}

static void an_expired_session_is_unknown_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct session made = make_session(fixture, "agent", NULL, 20);
    const char *const files[] = { made.id };

    usleep(21000);
    assert_lives(fixture, made.id, false);
    assert_int_equal(session_touch(fixture->kv, made.id, TTL_MS), SESSION_E_NOT_FOUND);
    assert_string_not_equal(resolve(fixture, made.id, "u", "agent", files, 1).id, made.id);
}

static void use_renews_a_session(void **state)
{
    struct fixture *fixture = *state;
    struct session made = make_session(fixture, NULL, NULL, TTL_MS / 2), again, touched;

    usleep(2000);
    again = resolve(fixture, made.id, NULL, NULL, NO_FILES);
    assert_string_equal(again.id, made.id);
    assert_int_equal(again.created_ms, made.created_ms);
    assert_true(again.active_ms >= made.active_ms + 2);
    assert_int_equal(again.expires_ms, again.active_ms + TTL_MS);
    assert_int_equal(session_touch(fixture->kv, made.id, 2 * TTL_MS), 0);
    assert_int_equal(session_get(fixture->kv, TENANT, made.id, &touched), 0);
    assert_int_equal(touched.expires_ms, touched.active_ms + 2 * TTL_MS);
}

static void what_nobody_else_can_know_is_due(void **state)
{
    struct fixture *fixture = *state;
    struct session made, of_entity, named;
    bool due;

    made = resolve_only(fixture, NULL, "me", NULL, NO_FILES, &due);
    assert_true(due);
    assert_int_equal(made.expires_ms, made.active_ms + TTL_MS);
    assert_lives(fixture, made.id, false);
    assert_int_equal(session_record(fixture->kv, &made, TTL_MS), 0);
    assert_lives(fixture, made.id, true);
    resolve_only(fixture, made.id, "me", NULL, NO_FILES, &due);
    assert_true(due);
    of_entity = resolve_only(fixture, NULL, NULL, "agent", NO_FILES, &due);
    assert_false(due);
    assert_lives(fixture, of_entity.id, true);
    named = make_session(fixture, NULL, NULL, TTL_MS);
    resolve_only(fixture, named.id, "me", NULL, NO_FILES, &due);
    assert_false(due); /* it has its user now */
}

/* The sweep might come first. */
static void what_ends_soon_is_renewed_at_once(void **state)
{
    struct fixture *fixture = *state;
    struct session ending = make_session(fixture, NULL, "me", 30000), read;
    bool due;

    resolve_only(fixture, ending.id, "me", NULL, NO_FILES, &due);
    assert_false(due);
    assert_int_equal(session_get(fixture->kv, TENANT, ending.id, &read), 0);
    assert_true(read.expires_ms > ending.expires_ms + 30000);
}

static void a_late_renewal_leaves_the_user_as_it_is(void **state)
{
    struct fixture *fixture = *state;
    struct session named = make_session(fixture, NULL, NULL, TTL_MS), late, read;
    bool due;

    late = resolve_only(fixture, named.id, NULL, NULL, NO_FILES, &due);
    assert_true(due);
    resolve(fixture, named.id, "me", NULL, NO_FILES);
    assert_int_equal(session_record(fixture->kv, &late, TTL_MS), 0);
    assert_int_equal(session_get(fixture->kv, TENANT, named.id, &read), 0);
    assert_string_equal(read.user_id, "me");
}

static void a_late_renewal_keeps_what_has_expired(void **state)
{
    struct fixture *fixture = *state;
    struct session named = make_session(fixture, NULL, "me", TTL_MS), late;
    bool due;

    late = resolve_only(fixture, named.id, "me", NULL, NO_FILES, &due);
    assert_true(due);
    expire_session(fixture, named.id);
    assert_lives(fixture, named.id, false);
    assert_int_equal(session_record(fixture->kv, &late, TTL_MS), 0);
    assert_lives(fixture, named.id, true);
}

static void step_1_the_named_session(void **state)
{
    struct fixture *fixture = *state;
    struct session made = make_session(fixture, NULL, NULL, TTL_MS);
    struct session other = make_session(fixture, "agent", NULL, TTL_MS);

    assert_string_equal(resolve(fixture, made.id, NULL, NULL, NO_FILES).id, made.id);
    /* It wins over the entity's, and does not become the entity's. */
    assert_string_equal(resolve(fixture, made.id, NULL, "agent", NO_FILES).id, made.id);
    assert_string_equal(resolve(fixture, NULL, NULL, "agent", NO_FILES).id, other.id);
    /* Unknown falls through to step 3, "" counts as absent. */
    assert_string_equal(resolve(fixture, "unknown", NULL, "agent", NO_FILES).id, other.id);
    assert_string_equal(resolve(fixture, "", "", "agent", NO_FILES).id, other.id);
}

static void step_2_the_users_session_among_the_files(void **state)
{
    struct fixture *fixture = *state;
    struct session upload = make_session(fixture, NULL, NULL, TTL_MS);
    struct session mine = make_session(fixture, NULL, "me", TTL_MS);
    struct session mine_too = make_session(fixture, NULL, "me", TTL_MS);
    struct session yours = make_session(fixture, NULL, "you", TTL_MS);
    const char *const files[] = { "unknown", upload.id, yours.id, mine.id, mine_too.id };
    struct session first, second;

    assert_string_equal(resolve(fixture, NULL, "me", NULL, files, 5).id, mine.id);
    assert_string_equal(resolve(fixture, NULL, "you", NULL, files, 5).id, yours.id);
    /* Two users and one shared upload: two new sessions, none of them the upload's. */
    first = resolve(fixture, NULL, "a", NULL, files + 1, 1);
    second = resolve(fixture, NULL, "b", NULL, files + 1, 1);
    assert_string_not_equal(first.id, upload.id);
    assert_string_not_equal(second.id, upload.id);
    assert_string_not_equal(first.id, second.id);
    /* Without a user the files select nothing; a user alone neither. */
    assert_string_not_equal(resolve(fixture, NULL, NULL, NULL, files + 3, 1).id, mine.id);
    assert_string_not_equal(resolve(fixture, NULL, "me", NULL, NO_FILES).id, mine.id);
}

static void step_3_the_entitys_last_session(void **state)
{
    struct fixture *fixture = *state;
    struct session first = resolve(fixture, NULL, NULL, "agent", NO_FILES), second;

    assert_string_equal(first.entity_id, "agent");
    assert_string_equal(resolve(fixture, NULL, NULL, "agent", NO_FILES).id, first.id);
    assert_string_not_equal(resolve(fixture, NULL, NULL, "agent-2", NO_FILES).id, first.id);
    usleep(2000);
    second = make_session(fixture, "agent", NULL, TTL_MS); /* as an upload does */
    assert_string_equal(resolve(fixture, NULL, NULL, "agent", NO_FILES).id, second.id);
    usleep(2000);
    resolve(fixture, first.id, NULL, NULL, NO_FILES);
    assert_string_equal(resolve(fixture, NULL, NULL, "agent", NO_FILES).id, first.id);
    expire_session(fixture, first.id);
    assert_string_equal(resolve(fixture, NULL, NULL, "agent", NO_FILES).id, second.id);
}

static void nobody_uses_another_users_session(void **state)
{
    struct fixture *fixture = *state;
    struct session a = resolve(fixture, NULL, "a", "agent", NO_FILES), b;

    b = resolve(fixture, a.id, "b", NULL, NO_FILES); /* step 1 skips it */
    assert_string_not_equal(b.id, a.id);
    b = resolve(fixture, NULL, "b", "agent", NO_FILES); /* step 3 skips it */
    assert_string_not_equal(b.id, a.id);
    assert_string_equal(b.user_id, "b");
    assert_string_equal(resolve(fixture, NULL, "a", "agent", NO_FILES).id, a.id);
    assert_string_equal(resolve(fixture, NULL, "b", "agent", NO_FILES).id, b.id);
    /* A request without user is anybody's. */
    assert_string_equal(resolve(fixture, a.id, NULL, NULL, NO_FILES).user_id, "a");
}

static void a_session_without_user_takes_over_the_first(void **state)
{
    struct fixture *fixture = *state;
    struct session named = make_session(fixture, NULL, NULL, TTL_MS),
                   of_entity = make_session(fixture, "agent", NULL, TTL_MS);
    struct session read;

    assert_string_equal(resolve(fixture, named.id, "a", NULL, NO_FILES).id, named.id);
    assert_int_equal(session_get(fixture->kv, TENANT, named.id, &read), 0);
    assert_string_equal(read.user_id, "a");
    assert_string_not_equal(resolve(fixture, named.id, "b", NULL, NO_FILES).id, named.id);

    assert_string_equal(resolve(fixture, NULL, "a", "agent", NO_FILES).id, of_entity.id);
    assert_string_not_equal(resolve(fixture, NULL, "b", "agent", NO_FILES).id, of_entity.id);
    assert_string_equal(resolve(fixture, NULL, "a", "agent", NO_FILES).id, of_entity.id);
}

static void the_own_session_of_a_busy_entity_is_found(void **state)
{
    struct fixture *fixture = *state;
    struct session mine = resolve(fixture, NULL, "me", "agent", NO_FILES);

    for (int i = 0; i < 3 * LIMIT_ENTITY_CANDIDATES; i++) {
        char user[32];

        snprintf(user, sizeof(user), "user %d", i);
        resolve(fixture, NULL, user, "agent", NO_FILES);
    }
    assert_string_equal(resolve(fixture, NULL, "me", "agent", NO_FILES).id, mine.id);
}

static void the_more_recent_of_own_and_free_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct session own = resolve(fixture, NULL, "me", "agent", NO_FILES), free_one;

    usleep(2000);
    free_one = make_session(fixture, "agent", NULL, TTL_MS);
    assert_string_equal(resolve(fixture, NULL, "me", "agent", NO_FILES).id, free_one.id);
    usleep(2000);
    resolve(fixture, own.id, "me", NULL, NO_FILES);
    assert_string_equal(resolve(fixture, NULL, "me", "agent", NO_FILES).id, own.id);
}

static void long_user_ids_are_told_apart(void **state)
{
    struct fixture *fixture = *state;
    char user[600];
    struct session a, b;

    memset(user, 'u', sizeof(user));
    user[USER_ID_SIZE - 1] = '\0';
    assert_string_equal(resolve(fixture, NULL, user, NULL, NO_FILES).user_id, user);
    user[USER_ID_SIZE - 1] = 'u';
    user[599] = '\0';
    a = resolve(fixture, NULL, user, NULL, NO_FILES);
    assert_int_equal(strlen(a.user_id), 64);
    assert_string_equal(resolve(fixture, a.id, user, NULL, NO_FILES).id, a.id);
    user[598] = 'v';
    b = resolve(fixture, a.id, user, NULL, NO_FILES);
    assert_string_not_equal(b.id, a.id);
}

static void a_damaged_session_is_absent(void **state)
{
    static const char *const damage[] = { "", "{", "[]", "null", "{\"tenant\":\"environment\"}", "{\"tenant\":7}" };
    struct fixture *fixture = *state;

    for (unsigned i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        struct session made = make_session(fixture, "agent", NULL, TTL_MS), found;

        overwrite(fixture, record_session(made.id).text, damage[i]);
        assert_lives(fixture, made.id, false);
        found = resolve(fixture, made.id, NULL, "agent", NO_FILES);
        assert_string_not_equal(found.id, made.id);
        expire_session(fixture, found.id);
    }
}

static void sessions_survive_reopening(void **state)
{
    struct fixture *fixture = *state;
    struct session made = resolve(fixture, NULL, "me", "agent", NO_FILES);

    fixture_close(fixture);
    fixture_open(fixture);
    assert_lives(fixture, made.id, true);
    assert_string_equal(resolve(fixture, NULL, "me", "agent", NO_FILES).id, made.id);
}

#define THREADS 8

struct racer {
    struct fixture *fixture;
    const char *session_id, *entity_id;
    char user[16];
    struct session result;
};

static void *race_main(void *context)
{
    struct racer *racer = context;

    racer->result =
        resolve(racer->fixture, racer->session_id, racer->user[0] ? racer->user : NULL, racer->entity_id, NO_FILES);
    return NULL;
}

/* Runs THREADS resolutions at once; counts how many came to session_id, NULL = to that of the first. */
static unsigned race(struct fixture *fixture, const char *session_id, const char *entity_id, bool users)
{
    struct racer racers[THREADS];
    pthread_t threads[THREADS];
    unsigned n = 0;

    for (unsigned i = 0; i < THREADS; i++) {
        racers[i] = (struct racer){ .fixture = fixture, .session_id = session_id, .entity_id = entity_id };
        if (users)
            snprintf(racers[i].user, sizeof(racers[i].user), "u%u", i);
        assert_int_equal(pthread_create(&threads[i], NULL, race_main, &racers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        n += strcmp(racers[i].result.id, session_id ? session_id : racers[0].result.id) == 0;
    }
    return n;
}

static void only_one_of_many_users_takes_over_a_session(void **state)
{
    struct fixture *fixture = *state;

    for (int round = 0; round < 20; round++) {
        struct session made = make_session(fixture, NULL, NULL, TTL_MS);

        assert_int_equal(race(fixture, made.id, NULL, true), 1);
    }
}

static void the_first_requests_of_an_entity_share_one_session(void **state)
{
    struct fixture *fixture = *state;

    for (int round = 0; round < 20; round++) {
        char entity[16];

        snprintf(entity, sizeof(entity), "agent-%d", round);
        assert_int_equal(race(fixture, NULL, entity, false), THREADS);
    }
}

static void a_full_disk_is_an_error(void **state)
{
    struct scratch scratch;
    struct fixture fixture;
    struct session session;
    int r = 0;

    fixture_open_small(&fixture, &scratch, *state, "size=2m");
    scratch_fill(scratch_path(&scratch, "ballast"));
    for (int i = 0; i < 2000 && r == 0; i++)
        r = session_create(fixture.kv, TENANT, NULL, NULL, TTL_MS, &session);
    assert_int_equal(r, -ENOSPC);
    fixture_close_small(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_session_holds_what_it_was_given),
        TEST(a_session_without_tenant_is_the_environments),
        TEST(parts_of_keys_are_checked),
        TEST(foreign_identifiers_are_unknown),
        TEST(another_tenants_session_does_not_exist),
        TEST(an_expired_session_is_unknown_at_once),
        TEST(use_renews_a_session),
        TEST(what_nobody_else_can_know_is_due),
        TEST(what_ends_soon_is_renewed_at_once),
        TEST(a_late_renewal_leaves_the_user_as_it_is),
        TEST(a_late_renewal_keeps_what_has_expired),
        TEST(step_1_the_named_session),
        TEST(step_2_the_users_session_among_the_files),
        TEST(step_3_the_entitys_last_session),
        TEST(nobody_uses_another_users_session),
        TEST(a_session_without_user_takes_over_the_first),
        TEST(the_own_session_of_a_busy_entity_is_found),
        TEST(the_more_recent_of_own_and_free_is_taken),
        TEST(long_user_ids_are_told_apart),
        TEST(a_damaged_session_is_absent),
        TEST(sessions_survive_reopening),
        TEST(only_one_of_many_users_takes_over_a_session),
        TEST(the_first_requests_of_an_entity_share_one_session),
        TEST(a_full_disk_is_an_error),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

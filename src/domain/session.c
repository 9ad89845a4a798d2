/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/session.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "domain/guard.h"
#include "domain/limits.h"
#include "domain/record.h"
#include "store/digest.h"

/* A renewal may wait for longer than a program takes to begin: a full queue, a store that is slow. */
#define LATE_MS 60000

/* A request's query in the form in which sessions are recorded; "" = absent. */
struct wish {
    const struct session_query *query;
    const char *tenant;
    char entity_id[ENTITY_ID_SIZE];
    char user_id[USER_ID_SIZE];
    int64_t ttl_ms;
};

static bool is_absent(const char *text)
{
    return !text || !text[0];
}

/* Entity and tenant become parts of keys, so what the caller should have refused is refused here as well. */
static int copy_identifier(const char *text, char *ret_text, size_t size)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = text ? strlen(text) : 0;

    if (length >= size || (length && strspn(text, alphabet) != length))
        return -EINVAL;
    memcpy(ret_text, length ? text : "", length + 1);
    return 0;
}

static void copy_user(const char *user_id, char ret_user_id[static USER_ID_SIZE])
{
    size_t length = user_id ? strlen(user_id) : 0;

    if (length < USER_ID_SIZE)
        memcpy(ret_user_id, length ? user_id : "", length + 1);
    else
        digest_bytes_hex(user_id, length, ret_user_id);
}

static int load(struct kv *kv, const char *session_id, struct session *ret_session)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r;

    if (!id_is_ours(session_id))
        return SESSION_E_NOT_FOUND;
    r = kv_get(kv, record_session(session_id).text, &json, &length);
    if (r == KV_E_NOT_FOUND)
        return SESSION_E_NOT_FOUND;
    if (r == 0)
        r = record_decode_session(json, length, session_id, ret_session);
    if (r != -EBADMSG)
        return r;
    log_warning("the record of session %s is damaged and counts as absent", session_id);
    return SESSION_E_NOT_FOUND;
}

int session_find(struct kv *kv, const char *session_id, struct session *ret_session)
{
    struct session session;
    int r = load(kv, session_id, &session);

    if (r != 0)
        return r;
    if (session.expires_ms <= clock_wall_ms())
        return SESSION_E_NOT_FOUND;
    *ret_session = session;
    return 0;
}

int session_is_expired(struct kv *kv, const char *session_id)
{
    struct session session;
    int r = session_find(kv, session_id, &session);

    return r < 0 ? r : r == SESSION_E_NOT_FOUND;
}

int session_get(struct kv *kv, const char *tenant, const char *session_id, struct session *ret_session)
{
    struct session session;
    int r = session_find(kv, session_id, &session);

    if (r != 0)
        return r;
    if (strcmp(session.tenant, tenant) != 0)
        return SESSION_E_NOT_FOUND;
    *ret_session = session;
    return 0;
}

/* Adds to batch all that makes a session findable, by the times in it. */
static int batch_store(struct kv_batch *batch, const struct session *session)
{
    CLEANUP_FREE char *json = NULL;
    size_t length;
    int r = record_encode_session(session, &json, &length);

    if (r < 0)
        return r;
    kv_batch_put(batch, record_session(session->id).text, json, length, 0);
    r = kv_batch_add(batch, RECORD_SESSIONS, session->id, (double)session->expires_ms);
    if (r < 0 || !session->entity_id[0])
        return r;
    kv_batch_add(batch, record_set_entity(session->tenant, session->entity_id).text, session->id,
                 (double)session->active_ms);
    return kv_batch_add(batch, record_set_entity_user(session->tenant, session->entity_id, session->user_id).text,
                        session->id, (double)session->active_ms);
}

static void renew(struct session *session, int64_t ttl_ms)
{
    session->active_ms = clock_wall_ms();
    session->expires_ms = session->active_ms + ttl_ms;
}

/* Writes the session with fresh times in one transaction. If it has just got its user, it leaves the set of those
 * without. */
static int store(struct kv *kv, struct session *session, int64_t ttl_ms, bool adopted)
{
    CLEANUP_KV_BATCH struct kv_batch *batch = NULL;
    int r = kv_batch_new(kv, &batch);

    if (r < 0)
        return r;
    renew(session, ttl_ms);
    r = batch_store(batch, session);
    if (r < 0)
        return r;
    if (adopted && session->entity_id[0])
        kv_batch_remove(batch, record_set_entity_user(session->tenant, session->entity_id, "").text, session->id);
    return kv_full_to_errno(kv_batch_commit(batch));
}

static int make(const char *tenant, const char *entity_id, const char *user_id, struct session *ret_session)
{
    struct session session = { .created_ms = clock_wall_ms() };
    int r = is_absent(tenant) ? -EINVAL : copy_identifier(tenant, session.tenant, sizeof(session.tenant));

    if (r == 0)
        r = copy_identifier(entity_id, session.entity_id, sizeof(session.entity_id));
    if (r < 0)
        return r;
    copy_user(user_id, session.user_id);
    id_generate(session.id);
    *ret_session = session;
    return 0;
}

int session_create(struct kv *kv, const char *tenant, const char *entity_id, const char *user_id, int64_t ttl_ms,
                   struct session *ret_session)
{
    struct session session;
    int r = make(tenant, entity_id, user_id, &session);

    if (r == 0)
        r = store(kv, &session, ttl_ms, false);
    if (r == 0)
        *ret_session = session;
    return r;
}

/* 9.4: somebody else's session is never used; nobody's may be. */
static bool user_may_use(const struct wish *wish, const struct session *session)
{
    return !wish->user_id[0] || !session->user_id[0] || strcmp(wish->user_id, session->user_id) == 0;
}

/* 9.3 step 1. */
static int find_named(struct kv *kv, const struct wish *wish, struct session *ret_session)
{
    struct session session;
    int r;

    if (is_absent(wish->query->session_id))
        return SESSION_E_NOT_FOUND;
    r = session_get(kv, wish->tenant, wish->query->session_id, &session);
    if (r != 0)
        return r;
    if (!user_may_use(wish, &session))
        return SESSION_E_NOT_FOUND;
    *ret_session = session;
    return 0;
}

/* 9.3 step 2: only sessions that are recorded as this user's. */
static int find_of_files(struct kv *kv, const struct wish *wish, struct session *ret_session)
{
    for (unsigned i = 0; wish->user_id[0] && i < wish->query->n_file_sessions; i++) {
        struct session session;
        int r = session_get(kv, wish->tenant, wish->query->file_session_ids[i], &session);

        if (r < 0)
            return r;
        if (r == 0 && strcmp(session.user_id, wish->user_id) == 0) {
            *ret_session = session;
            return 0;
        }
    }
    return SESSION_E_NOT_FOUND;
}

/* The most recently used living session of a set that the user may use. Expired ones that the sweep has not met yet and
 * damaged ones are passed over. */
static int find_newest(struct kv *kv, const struct wish *wish, const char *set, struct session *ret_session)
{
    CLEANUP_FREE struct kv_member *members = NULL;
    size_t n;
    int r = kv_members(kv, set, 0, (double)INT64_MAX, KV_DESCENDING, LIMIT_ENTITY_CANDIDATES, &members, &n);

    for (size_t i = 0; r == 0 && i < n; i++) {
        struct session session;

        r = session_get(kv, wish->tenant, members[i].name, &session);
        if (r == 0 && user_may_use(wish, &session)) {
            *ret_session = session;
            return 0;
        }
        if (r > 0)
            r = 0;
    }
    return r < 0 ? r : SESSION_E_NOT_FOUND;
}

/* 9.3 step 3. With a user, his own sessions and nobody's are two sets, so that a busy entity's other users need not be
 * looked through; the more recently used of the two is taken. */
static int find_of_entity(struct kv *kv, const struct wish *wish, struct session *ret_session)
{
    struct session own, free;
    int r_own, r_free;

    if (!wish->entity_id[0])
        return SESSION_E_NOT_FOUND;
    if (!wish->user_id[0])
        return find_newest(kv, wish, record_set_entity(wish->tenant, wish->entity_id).text, ret_session);
    r_own = find_newest(kv, wish, record_set_entity_user(wish->tenant, wish->entity_id, wish->user_id).text, &own);
    if (r_own < 0)
        return r_own;
    r_free = find_newest(kv, wish, record_set_entity_user(wish->tenant, wish->entity_id, "").text, &free);
    if (r_free < 0)
        return r_free;
    if (r_own != 0 && r_free != 0)
        return SESSION_E_NOT_FOUND;
    *ret_session = r_own == 0 && (r_free != 0 || own.active_ms >= free.active_ms) ? own : free;
    return 0;
}

static int find(struct kv *kv, const struct wish *wish, struct session *ret_session)
{
    static int (*const steps[])(struct kv *, const struct wish *, struct session *) = {
        find_named,
        find_of_files,
        find_of_entity,
    };
    int r = SESSION_E_NOT_FOUND;

    for (unsigned i = 0; i < ARRAY_SIZE(steps) && r == SESSION_E_NOT_FOUND; i++)
        r = steps[i](kv, wish, ret_session);
    return r;
}

/* One that is due gets its times only. */
static int renew_or_store(struct kv *kv, const struct wish *wish, struct session *session, bool adopted, bool due)
{
    if (!due)
        return store(kv, session, wish->ttl_ms, adopted);
    renew(session, wish->ttl_ms);
    return 0;
}

/* The sweep could take it before what is due is written. */
static bool ends_soon(const struct session *session)
{
    return session->expires_ms < clock_wall_ms() + LATE_MS;
}

/* 9.4: a session without user takes over the request's, which others must see at once. Step 2 yields only sessions that
 * have it already. */
static int reuse(struct kv *kv, const struct wish *wish, struct session *session, bool *ret_due)
{
    bool adopted = !session->user_id[0] && wish->user_id[0];

    *ret_due = !adopted && !ends_soon(session);
    if (adopted)
        memcpy(session->user_id, wish->user_id, USER_ID_SIZE);
    return renew_or_store(kv, wish, session, adopted, *ret_due);
}

static int find_and_reuse(struct kv *kv, const struct wish *wish, struct session *ret_session, bool *ret_due)
{
    struct session session;
    int r = find(kv, wish, &session);

    if (r == 0)
        r = reuse(kv, wish, &session, ret_due);
    if (r == 0)
        *ret_session = session;
    return r;
}

/* One without entity can be found by its id alone. */
static int create_wished(struct kv *kv, const struct wish *wish, struct session *ret_session, bool *ret_due)
{
    int r = make(wish->tenant, wish->entity_id, wish->user_id, ret_session);

    *ret_due = !wish->entity_id[0];
    return r ? r : renew_or_store(kv, wish, ret_session, false, *ret_due);
}

static bool wants_none(const struct wish *wish)
{
    return is_absent(wish->query->session_id) && !wish->entity_id[0] &&
           (!wish->user_id[0] || wish->query->n_file_sessions == 0);
}

int session_resolve(struct kv *kv, const struct session_query *query, int64_t ttl_ms, struct session *ret_session,
                    bool *ret_due)
{
    struct wish wish = { .query = query, .tenant = query->tenant, .ttl_ms = ttl_ms };
    int r = copy_identifier(query->entity_id, wish.entity_id, sizeof(wish.entity_id));

    if (r < 0)
        return r;
    copy_user(query->user_id, wish.user_id);
    if (wants_none(&wish))
        return create_wished(kv, &wish, ret_session, ret_due);
    /* Creation is under the guard too: two first requests of one entity share one session. */
    GUARDED;
    r = find_and_reuse(kv, &wish, ret_session, ret_due);
    return r == SESSION_E_NOT_FOUND ? create_wished(kv, &wish, ret_session, ret_due) : r;
}

/* Another request may have given the session its user meanwhile. */
int session_record(struct kv *kv, struct session *session, int64_t ttl_ms)
{
    int r;

    GUARDED;
    r = session_find(kv, session->id, session);
    return r < 0 ? r : store(kv, session, ttl_ms, false);
}

int session_touch(struct kv *kv, const char *session_id, int64_t ttl_ms)
{
    struct session session;
    int r;

    GUARDED;
    r = session_find(kv, session_id, &session);
    return r != 0 ? r : store(kv, &session, ttl_ms, false);
}

int session_batch_drop(struct kv *kv, struct kv_batch *batch, const char *session_id)
{
    struct session session;
    int r = load(kv, session_id, &session);

    if (r < 0)
        return r;
    if (r == 0 && session.entity_id[0]) {
        kv_batch_remove(batch, record_set_entity(session.tenant, session.entity_id).text, session_id);
        kv_batch_remove(batch, record_set_entity_user(session.tenant, session.entity_id, session.user_id).text,
                        session_id);
    }
    kv_batch_delete(batch, record_session(session_id).text);
    return kv_batch_remove(batch, RECORD_SESSIONS, session_id);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* session.h -- the server-side containers of files and state (http-api.md section 9).
 *
 * A session is created by uploads and by executions that found none to reuse; each use renews it. Every session belongs
 * to a tenant (files.md F9): for another tenant it does not exist. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "domain/tenant.h"
#include "store/kv.h"

#define ENTITY_ID_SIZE 41
#define USER_ID_SIZE   256 /* longer user ids are replaced by their SHA-256 in hex */

enum session_outcome {
    SESSION_E_NOT_FOUND = 1, /* unknown, expired, or of another tenant */
};

struct session {
    char id[ID_SIZE];
    char tenant[TENANT_SIZE];
    char entity_id[ENTITY_ID_SIZE]; /* "" = none */
    char user_id[USER_ID_SIZE];     /* "" = none */
    int64_t created_ms, active_ms, expires_ms;
};

/* What a request says about the session it wants; borrowed strings, NULL = absent. */
struct session_query {
    const char *tenant;
    const char *session_id;
    const char *user_id;
    const char *entity_id;
    const char *const *file_session_ids; /* sessions that the file references name, in order */
    unsigned n_file_sessions;
};

/* Makes a new session with this entity and user ("" or NULL = none). Returns 0 or a negative errno. */
int session_create(struct kv *kv, const char *tenant, const char *entity_id, const char *user_id, int64_t ttl_ms,
                   struct session *ret_session);

/* Looks a living session up. Returns 0, SESSION_E_NOT_FOUND or a negative errno. */
int session_get(struct kv *kv, const char *tenant, const char *session_id, struct session *ret_session);

/* The four steps of http-api.md 9.3 with the user rule of 9.4; renews or creates. A new session that can be found by
 * its id alone, and a renewal of which nothing but the times is new in a session that does not end within the minute,
 * need not be written before somebody is told of them: *ret_due is then true, and the caller owes session_record().
 * Returns 0 or a negative errno. */
int session_resolve(struct kv *kv, const struct session_query *query, int64_t ttl_ms, struct session *ret_session,
                    bool *ret_due);

/* Writes a session that is due, with fresh times; one that has expired meanwhile lives again. Returns 0 or a negative
 * errno. */
int session_record(struct kv *kv, struct session *session, int64_t ttl_ms);

/* Renews the session's life (9.2). Returns 0, SESSION_E_NOT_FOUND or a negative errno. */
int session_touch(struct kv *kv, const char *session_id, int64_t ttl_ms);

/* For the rest of the domain and for housekeeping: these look at no tenant. */

/* Looks a living session up. Returns 0, SESSION_E_NOT_FOUND or a negative errno. */
int session_find(struct kv *kv, const char *session_id, struct session *ret_session);

/* True (1) if the session is expired, absent or damaged, else 0, or a negative errno. Stays true only under the lock of
 * guard.h. */
int session_is_expired(struct kv *kv, const char *session_id);

/* Adds to batch what deletes the session's record and its places in all sets. Returns 0 or a negative errno. */
int session_batch_drop(struct kv *kv, struct kv_batch *batch, const char *session_id);

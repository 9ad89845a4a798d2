/* SPDX-License-Identifier: Apache-2.0 */
/* state.h -- what the Python programs of a session leave to each other (exec.md 10.7, security.md S3).
 *
 * A state is opaque bytes that only cells make and read. At rest it is base64: in the hot store for ttl_ms after its
 * last use, and from archive_after_ms of rest on as a blob for archive_ttl_ms. One larger than hot_bytes_max lies in a
 * blob from the start, with a pointer in the hot store. It is bound to tenant, session and user by a keyed digest, and
 * goes when its session goes. What is damaged, forged or bound to somebody else counts as absent and is logged. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "domain/session.h"
#include "store/blob.h"
#include "store/kv.h"

#define STATE_KEY_SIZE 32

enum state_outcome {
    STATE_E_NONE = 1,      /* no state, or none that can be used */
    STATE_E_TOO_LARGE = 2, /* above bytes_max; the earlier state stays */
    STATE_E_GONE = 3,      /* the session has ended meanwhile */
};

enum state_source {
    STATE_FROM_HOT,
    STATE_FROM_ARCHIVE,
};

struct state_rules {
    bool archive;
    int64_t ttl_ms, archive_after_ms, archive_ttl_ms;
    int64_t bytes_max, hot_bytes_max;
    uint8_t key[STATE_KEY_SIZE]; /* of the digest that binds a state; known to all servers of one store, nobody else */
};

struct audit;

/* What all functions work on; one for the process. */
struct state_store {
    struct kv *kv;
    struct blob_store *blobs;
    const struct state_rules *rules;
    struct audit *audit; /* is told what happens to states; NULL = nobody listens */
};

/* Reads the state of a session into ret_bytes, an empty buffer of any ceiling, which the caller deinits. Returns 0,
 * STATE_E_NONE or a negative errno. */
int state_load(const struct state_store *store, const struct session *session, struct buffer *ret_bytes,
               enum state_source *ret_source);

/* Makes the bytes of the regular file fd, from its beginning, the session's state in the place of an earlier one; an
 * empty file removes it. Of several at the same time the last one wins, whole. Returns 0 with the bytes stored,
 * STATE_E_TOO_LARGE, STATE_E_GONE or a negative errno (-ENOSPC: no room). */
int state_save(const struct state_store *store, const struct session *session, int fd, int64_t *ret_size_bytes);

/* For a state that its cell did not hand over because it is larger than allowed: tells of it. Returns
 * STATE_E_TOO_LARGE. */
int state_refuse(const struct state_store *store, const struct session *session, int64_t size_bytes);

/* Begins the state's time in the hot store anew, after a use that changed nothing. Returns 0 or a negative errno. */
int state_renew(const struct state_store *store, const struct session *session);

/* Moves up to limit states that have rested long enough to the archive, and forgets those whose time is over. Returns 0
 * or a negative errno. *ret_seen < limit: that were all. */
int state_archive(const struct state_store *store, unsigned limit, unsigned *ret_seen, unsigned *ret_archived);

/* For file.c: deletes the blob of the session's state, if it has one, and adds to batch what deletes the rest. Under
 * the lock of guard.h. Returns 0 or a negative errno. */
int state_batch_drop(struct kv *kv, struct blob_store *blobs, struct kv_batch *batch, const char *session_id);

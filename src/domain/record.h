/* SPDX-License-Identifier: Apache-2.0 */
/* record.h -- how sessions, files and managed keys lie in the key-value store: the names of records and sets, and the
 * JSON of records.
 *
 * Records (key -> JSON):
 *   session:<session>                       a session; no expiry of the store's, since the sweep must still read it
 *   file:<session>:<file>                   a file of it
 *   alias:<session>:<source session>:<file> id of the session's alias of that source
 *   state:<session>                         its state: JSON, a line feed and, unless a blob holds it, the text
 *   key:<digest>                            a managed key, named by its SHA-256
 *   key-use:<digest>                        what was counted for it, or for a key of the environment
 * Sets (member by score):
 *   sessions                                all sessions by expiry
 *   states                                  sessions with a state that is not archived, by its last use
 *   entity:<tenant>:<entity>                sessions of an entity by last activity
 *   entity:<tenant>:<entity>:<user digest>  the same for one user; the digest of "" stands for no user
 *   files:<session>                         ids of its files by sequence
 *   blob:<key>                              <session>:<file>, or state:<session>, of every record that names the blob
 *   keys                                    digests of the managed keys by creation
 *
 * Decoders are fed with bytes that may be damaged; they return -EBADMSG then, never half a record. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "domain/file.h"
#include "domain/key.h"
#include "domain/session.h"
#include "store/blob.h"
#include "store/digest.h"
#include "store/kv.h"

#define RECORD_SESSIONS "sessions"
#define RECORD_STATES   "states"
#define RECORD_KEYS     "keys"

/* What is known of a state besides its bytes. */
struct state_record {
    char tenant[TENANT_SIZE];
    char user[DIGEST_HEX_SIZE];   /* digest of the session's user when it was saved; "" = it had none */
    char blob[BLOB_KEY_SIZE];     /* where its text is; "" = behind the record */
    char sha256[DIGEST_HEX_SIZE]; /* of its bytes */
    char seal[DIGEST_HEX_SIZE];   /* keyed digest of all that binds it, state.c */
    int64_t size_bytes, used_ms;
};

/* By value, so that a name can be made where it is used: kv_get(kv, record_session(id).text, ...). */
struct record_name {
    char text[KV_KEY_MAX + 1];
};

struct record_name record_session(const char *session_id);
struct record_name record_file(const char *session_id, const char *file_id);
struct record_name record_alias(const char *session_id, const char *source_session_id, const char *source_id);
struct record_name record_state(const char *session_id);
struct record_name record_set_entity(const char *tenant, const char *entity_id);
struct record_name record_set_entity_user(const char *tenant, const char *entity_id, const char *user_id);
struct record_name record_set_files(const char *session_id);
struct record_name record_set_blob(const char *blob);
struct record_name record_reference(const char *session_id, const char *file_id);
struct record_name record_of_reference(const char *reference); /* the file's or the state's record */
bool record_is_of_state(const char *reference);
struct record_name record_key(const char *hash);
struct record_name record_key_use(const char *hash);

/* JSON of a record. *ret_json is the caller's to free(). Returns 0, -EINVAL for values that could not be read back,
 * -ENOMEM. */
int record_encode_session(const struct session *session, char **ret_json, size_t *ret_length);
int record_encode_file(const struct file_record *record, char **ret_json, size_t *ret_length);
int record_encode_state(const struct state_record *record, char **ret_json,
                        size_t *ret_length); /* with the line feed */
int record_encode_key(const struct key *key, char **ret_json, size_t *ret_length);
int record_encode_key_use(const struct key_use *use, char **ret_json, size_t *ret_length);

/* Returns 0, -EBADMSG or -ENOMEM. */
int record_decode_session(const char *json, size_t length, const char *session_id, struct session *ret_session);
int record_decode_file(const char *json, size_t length, const char *session_id, const char *file_id,
                       struct file_record *ret_record);
/* *ret_text_at is where the text begins in value, whose end is the text's. */
int record_decode_state(const char *value, size_t length, struct state_record *ret_record, size_t *ret_text_at);
int record_decode_key(const char *json, size_t length, const char *hash,
                      struct key *ret_key); /* deinited by the caller */
int record_decode_key_use(const char *json, size_t length, struct key_use *ret_use);

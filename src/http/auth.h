/* SPDX-License-Identifier: Apache-2.0 */
/* auth.h -- which key a request presents and what it opens (http-api.md 4). Knows no request.
 *
 * Only SHA-256 digests of keys are kept. A presented key is hashed and compared with all of them in constant time. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

#define AUTH_DIGEST_SIZE 32

struct auth_keys {
    uint8_t (*digests)[AUTH_DIGEST_SIZE];
    size_t n_digests;
    uint8_t master[AUTH_DIGEST_SIZE];
    bool has_master;
};

enum auth_verdict {
    AUTH_GRANTED,
    AUTH_GRANTED_ANONYMOUS, /* authentication is off */
    AUTH_NO_KEY,
    AUTH_UNKNOWN_KEY,
    AUTH_NOT_MASTER, /* a valid key that is not the master key */
    AUTH_NO_MASTER,  /* as AUTH_NOT_MASTER, and there is no master key */
    AUTH_VERDICT_COUNT,
};

/* A presented key; length 0 = none. */
struct auth_credential {
    char *key; /* NUL-terminated copy */
    size_t length;
    uint8_t digest[AUTH_DIGEST_SIZE];
};

/* Hashes the keys of a NULL-terminated list (may be NULL) and the master key (may be NULL). Returns 0 or -ENOMEM. */
int auth_keys_init(struct auth_keys *keys, const char *const *list, const char *master);
void auth_keys_deinit(struct auth_keys *keys);

/* Reads the key from the header values (NULL = absent) by the rules of 4.2. Returns 0 or -ENOMEM. */
int auth_credential_init(struct auth_credential *credential, const char *x_api_key, const char *authorization,
                         bool bearer);
void auth_credential_deinit(struct auth_credential *credential);

/* Decides 4.3, 4.5 and 4.8. needed is HTTP_KEY or HTTP_MASTER. */
enum auth_verdict auth_decide(const struct auth_keys *keys, bool enabled, enum http_auth needed,
                              const struct auth_credential *credential);

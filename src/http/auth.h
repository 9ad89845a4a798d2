/* SPDX-License-Identifier: Apache-2.0 */
/* auth.h -- which key a request presents (http-api.md 4.2). Knows no request, and not which keys are good. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http/http.h"

#define AUTH_DIGEST_SIZE HTTP_KEY_DIGEST_SIZE

/* A presented key; length 0 = none. */
struct auth_credential {
    char *key; /* NUL-terminated copy */
    size_t length;
    uint8_t digest[AUTH_DIGEST_SIZE];
};

/* Reads the key from the header values (NULL = absent) by the rules of 4.2. Returns 0 or -ENOMEM. */
int auth_credential_init(struct auth_credential *credential, const char *x_api_key, const char *authorization,
                         bool bearer);
void auth_credential_deinit(struct auth_credential *credential);

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/auth.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static void digest_key(const char *key, size_t length, uint8_t ret_digest[AUTH_DIGEST_SIZE])
{
    struct sha256_ctx hash;

    sha256_init(&hash);
    sha256_update(&hash, length, (const uint8_t *)key);
    sha256_digest(&hash, AUTH_DIGEST_SIZE, ret_digest);
}

static int keep(struct auth_credential *credential, const char *key, size_t length)
{
    while (length && strchr(" \t", key[0]))
        key++, length--;
    while (length && strchr(" \t", key[length - 1]))
        length--;
    if (!length)
        return 0;
    credential->key = malloc(length + 1);
    if (!credential->key)
        return -ENOMEM;
    memcpy(credential->key, key, length);
    credential->key[length] = '\0';
    credential->length = length;
    digest_key(credential->key, length, credential->digest);
    return 0;
}

/* The key is the user name, or the password if that is empty, or the whole if there is no colon. */
static int keep_basic(struct auth_credential *credential, const char *encoded)
{
    struct base64_decode_ctx decoder;
    size_t length = strlen(encoded), size = BASE64_DECODE_LENGTH(length), user;
    char *text = malloc(size + 1);
    int r = 0;

    if (!text)
        return -ENOMEM;
    base64_decode_init(&decoder);
    if (base64_decode_update(&decoder, &size, (uint8_t *)text, length, encoded) && base64_decode_final(&decoder) &&
        !memchr(text, '\0', size)) {
        text[size] = '\0';
        user = strcspn(text, ":");
        if (user > 0)
            r = keep(credential, text, user);
        else if (text[0] == ':')
            r = keep(credential, text + 1, size - 1);
        explicit_bzero(text, size);
    }
    free(text);
    return r;
}

int auth_credential_init(struct auth_credential *credential, const char *x_api_key, const char *authorization,
                         bool bearer)
{
    const char *value;
    size_t scheme;
    int r;

    *credential = (struct auth_credential){ 0 };
    if (x_api_key) {
        r = keep(credential, x_api_key, strlen(x_api_key));
        if (r < 0 || credential->length)
            return r;
    }
    if (!authorization)
        return 0;
    scheme = strcspn(authorization, " \t");
    value = authorization + scheme;
    value += strspn(value, " \t");
    if (bearer && scheme == 6 && strncasecmp(authorization, "Bearer", 6) == 0)
        return keep(credential, value, strlen(value));
    if (scheme == 5 && strncasecmp(authorization, "Basic", 5) == 0)
        return keep_basic(credential, value);
    return 0;
}

void auth_credential_deinit(struct auth_credential *credential)
{
    if (credential->key)
        explicit_bzero(credential->key, credential->length);
    free(credential->key);
    *credential = (struct auth_credential){ 0 };
}

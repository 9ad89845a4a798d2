/* SPDX-License-Identifier: Apache-2.0 */
#include "http/auth.h"

#include <errno.h>
#include <nettle/base64.h>
#include <nettle/memops.h>
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

int auth_keys_init(struct auth_keys *keys, const char *const *list, const char *master)
{
    static const char *const none[] = { NULL };

    *keys = (struct auth_keys){ 0 };
    list = list ? list : none;
    while (list[keys->n_digests])
        keys->n_digests++;
    keys->digests = calloc(keys->n_digests + 1, AUTH_DIGEST_SIZE);
    if (!keys->digests)
        return -ENOMEM;
    for (size_t i = 0; i < keys->n_digests && list[i]; i++)
        digest_key(list[i], strlen(list[i]), keys->digests[i]);
    keys->has_master = master && master[0];
    if (keys->has_master)
        digest_key(master, strlen(master), keys->master);
    return 0;
}

void auth_keys_deinit(struct auth_keys *keys)
{
    free(keys->digests);
    *keys = (struct auth_keys){ 0 };
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

/* Looks at every digest whatever the result, so that time tells nothing. */
static bool is_listed(const struct auth_keys *keys, const uint8_t digest[AUTH_DIGEST_SIZE])
{
    int found = 0;

    for (size_t i = 0; i < keys->n_digests; i++)
        found |= memeql_sec(keys->digests[i], digest, AUTH_DIGEST_SIZE);
    return found != 0;
}

enum auth_verdict auth_decide(const struct auth_keys *keys, bool enabled, enum http_auth needed,
                              const struct auth_credential *credential)
{
    bool listed = credential->length && is_listed(keys, credential->digest);
    bool master =
        credential->length && keys->has_master && memeql_sec(keys->master, credential->digest, AUTH_DIGEST_SIZE);

    if (needed == HTTP_MASTER) {
        if (!credential->length)
            return AUTH_NO_KEY;
        if (master)
            return AUTH_GRANTED;
        if (!listed)
            return AUTH_UNKNOWN_KEY;
        return keys->has_master ? AUTH_NOT_MASTER : AUTH_NO_MASTER;
    }
    if (!enabled)
        return AUTH_GRANTED_ANONYMOUS;
    if (!credential->length)
        return AUTH_NO_KEY;
    return listed ? AUTH_GRANTED : AUTH_UNKNOWN_KEY;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/tls.h"

#include <errno.h>
#include <gnutls/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "http/http.h"

#define CHAIN_MAX   16
#define KEY_ID_SIZE 64

struct tls_identity {
    struct tls_identity *next; /* one that was shown before */
    gnutls_pcert_st chain[CHAIN_MAX];
    unsigned length;
    gnutls_privkey_t key;
    int64_t expires_s;
    int64_t replaced_us; /* when the next one came */
};

static struct {
    pthread_mutex_t lock;
    struct tls_identity *shown; /* the newest first */
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static int fault(char *error, size_t size, const char *what, int r)
{
    snprintf(error, size, "%s: %s", what, gnutls_strerror(r));
    return r == GNUTLS_E_MEMORY_ERROR ? -ENOMEM : -EINVAL;
}

static int read_chain(struct tls_identity *identity, const char *pem, char *error, size_t error_size)
{
    const gnutls_datum_t text = { (unsigned char *)pem, (unsigned)strlen(pem) };
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    int r = gnutls_x509_crt_list_import2(&list, &n, &text, GNUTLS_X509_FMT_PEM, 0);

    if (r < 0)
        return fault(error, error_size, "the certificate cannot be read", r);
    if (n > CHAIN_MAX) {
        snprintf(error, error_size, "the certificate chain is longer than %d", CHAIN_MAX);
        r = GNUTLS_E_ASN1_DER_ERROR;
    } else {
        identity->length = n;
        identity->expires_s = gnutls_x509_crt_get_expiration_time(list[0]);
        r = gnutls_pcert_import_x509_list(identity->chain, list, &identity->length, GNUTLS_X509_CRT_LIST_SORT);
        if (r < 0) {
            identity->length = 0;
            (void)fault(error, error_size, "the certificate chain does not hold together", r);
        }
    }
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return r < 0 ? -EINVAL : 0;
}

static int read_key(struct tls_identity *identity, const char *pem, char *error, size_t error_size)
{
    const gnutls_datum_t text = { (unsigned char *)pem, (unsigned)strlen(pem) };
    int r = gnutls_privkey_init(&identity->key);

    if (r == 0)
        r = gnutls_privkey_import_x509_raw(identity->key, &text, GNUTLS_X509_FMT_PEM, NULL, 0);
    return r < 0 ? fault(error, error_size, "the key cannot be read", r) : 0;
}

static bool same_key(gnutls_pubkey_t a, gnutls_pubkey_t b)
{
    unsigned char first[KEY_ID_SIZE], second[KEY_ID_SIZE];
    size_t n_first = sizeof(first), n_second = sizeof(second);

    return gnutls_pubkey_get_key_id(a, GNUTLS_KEYID_USE_SHA256, first, &n_first) == 0 &&
           gnutls_pubkey_get_key_id(b, GNUTLS_KEYID_USE_SHA256, second, &n_second) == 0 && n_first == n_second &&
           memcmp(first, second, n_first) == 0;
}

static int match(const struct tls_identity *identity, char *error, size_t error_size)
{
    gnutls_pubkey_t of_key;
    bool same;

    if (gnutls_pubkey_init(&of_key) < 0)
        return -ENOMEM;
    same =
        gnutls_pubkey_import_privkey(of_key, identity->key, 0, 0) == 0 && same_key(of_key, identity->chain[0].pubkey);
    gnutls_pubkey_deinit(of_key);
    if (!same)
        snprintf(error, error_size, "the key is not that of the certificate");
    return same ? 0 : -EINVAL;
}

int tls_identity_new(const char *certificate, const char *key, struct tls_identity **ret_identity, char *error,
                     size_t error_size)
{
    struct tls_identity *identity = calloc(1, sizeof(*identity));
    int r;

    if (!identity)
        return -ENOMEM;
    r = read_chain(identity, certificate, error, error_size);
    if (r == 0)
        r = read_key(identity, key, error, error_size);
    if (r == 0)
        r = match(identity, error, error_size);
    if (r < 0)
        tls_identity_free(identity);
    else
        *ret_identity = identity;
    return r;
}

struct tls_identity *tls_identity_free(struct tls_identity *identity)
{
    if (!identity)
        return NULL;
    for (unsigned i = 0; i < identity->length; i++)
        gnutls_pcert_deinit(&identity->chain[i]);
    if (identity->key)
        gnutls_privkey_deinit(identity->key);
    free(identity);
    return NULL;
}

/* With the lock held. */
static void free_older(struct tls_identity *identity, int64_t before_us)
{
    while (identity->next && identity->next->replaced_us >= before_us)
        identity = identity->next;
    while (identity->next) {
        struct tls_identity *old = identity->next;

        identity->next = old->next;
        tls_identity_free(old);
    }
}

void tls_show(struct tls_identity *identity, int64_t handshake_us)
{
    int64_t now_us = clock_monotonic_us();

    pthread_mutex_lock(&state.lock);
    if (state.shown)
        state.shown->replaced_us = now_us;
    identity->next = state.shown;
    state.shown = identity;
    free_older(identity, now_us - handshake_us);
    pthread_mutex_unlock(&state.lock);
}

void tls_forget(void)
{
    pthread_mutex_lock(&state.lock);
    if (state.shown) {
        free_older(state.shown, INT64_MAX);
        state.shown = tls_identity_free(state.shown);
    }
    pthread_mutex_unlock(&state.lock);
}

int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret_chain,
                 unsigned int *ret_length, gnutls_privkey_t *ret_key)
{
    struct tls_identity *identity;

    (void)session;
    (void)authorities;
    (void)n_authorities;
    (void)algorithms;
    (void)n_algorithms;
    pthread_mutex_lock(&state.lock);
    identity = state.shown;
    pthread_mutex_unlock(&state.lock);
    if (!identity)
        return -1;
    *ret_chain = identity->chain;
    *ret_length = identity->length;
    *ret_key = identity->key;
    return 0;
}

int http_tls_check(const char *certificate, const char *key, int64_t *ret_expires_s, char *error, size_t error_size)
{
    struct tls_identity *identity = NULL;
    int r = tls_identity_new(certificate, key, &identity, error, error_size);

    if (r == 0)
        *ret_expires_s = identity->expires_s;
    tls_identity_free(identity);
    return r;
}

int http_tls_check_authorities(const char *authorities, char *error, size_t error_size)
{
    const gnutls_datum_t text = { (unsigned char *)authorities, (unsigned)strlen(authorities) };
    gnutls_x509_crt_t *list = NULL;
    unsigned n = 0;
    int r = gnutls_x509_crt_list_import2(&list, &n, &text, GNUTLS_X509_FMT_PEM, 0);

    if (r < 0)
        return fault(error, error_size, "the certificates cannot be read", r);
    for (unsigned i = 0; i < n; i++)
        gnutls_x509_crt_deinit(list[i]);
    gnutls_free(list);
    return 0;
}

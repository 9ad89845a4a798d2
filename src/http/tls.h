/* SPDX-License-Identifier: Apache-2.0 */
/* tls.h -- the certificate that a TLS server shows. It can be exchanged while connections live: those that have shaken
 * hands are not touched, later ones get the new one. Internal.
 *
 * The library below asks for the certificate by a function without context, so there is one for the process: one TLS
 * server at a time. */
#pragma once

#include <gnutls/abstract.h>
#include <stddef.h>
#include <stdint.h>

struct tls_identity;

/* Reads a PEM chain, the server's certificate first, and its key. Returns 0, or -EINVAL with a sentence in error, or
 * -ENOMEM. */
int tls_identity_new(const char *certificate, const char *key, struct tls_identity **ret_identity, char *error,
                     size_t error_size);
struct tls_identity *tls_identity_free(struct tls_identity *identity); /* returns NULL, accepts NULL */

/* From now on new connections are shown this one; takes it. The one before lives on for as long as a handshake may take
 * that has begun. */
void tls_show(struct tls_identity *identity, int64_t handshake_us);

/* Frees all that were shown. No server may be running. */
void tls_forget(void);

/* For MHD_OPTION_HTTPS_CERT_CALLBACK. */
int tls_retrieve(gnutls_session_t session, const gnutls_datum_t *authorities, int n_authorities,
                 const gnutls_pk_algorithm_t *algorithms, int n_algorithms, gnutls_pcert_st **ret_chain,
                 unsigned int *ret_length, gnutls_privkey_t *ret_key);

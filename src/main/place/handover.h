/* SPDX-License-Identifier: Apache-2.0 */
/* handover.h -- what serve, as root, hands to the unprivileged api: the checked configuration and the TLS files.
 *
 * It travels as a sealed memfd of NAME=VALUE\0 records, so that no secret is ever in an environment or an argument of
 * any process, and the api needs no right to read the private key's file. */
#pragma once

#include "main/config/config.h"

struct handover {
    struct config config;
    char *tls_certificate; /* PEM text; NULL = plain HTTP */
    char *tls_key;
    char *tls_client_ca; /* NULL = none */
};

void handover_deinit(struct handover *handover);
void handover_wipe_tls(struct handover *handover); /* only what handover_read_tls() read */

/* Reads the TLS files if http-api.md 1.9 asks for TLS; config must be loaded. Returns 0, CONFIG_E_INVALID with a
 * sentence in problems, or a negative errno. */
int handover_read_tls(struct handover *handover, struct buffer *problems);

/* Reads a PEM file of sane size. Returns 0 (the caller wipes and frees *ret_text), -EINVAL if it is none, or another
 * negative errno. */
int handover_read_text(int fd, char **ret_text);

/* Packs everything. Returns 0 (the caller owns *ret_fd) or a negative errno. */
int handover_seal(const struct handover *handover, int *ret_fd);

/* The other end. Returns 0, CONFIG_E_INVALID or a negative errno; the caller deinits in every case. */
int handover_open(struct handover *handover, int fd, struct buffer *problems);

/* SPDX-License-Identifier: Apache-2.0 */
/* gate.h -- who may call, and how often: the product's half of http_gate (http-api.md 4.3 to 4.8, 5).
 *
 * Every request but those of open paths passes gate_authenticate() and then gate_admit(). Both answer from memory; only
 * a managed key that was not seen lately costs a read of the store. What they decide, and nothing else, is what an
 * audit log has to tell of keys and limits. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "domain/keyring.h"
#include "domain/tally.h"
#include "http/http.h"

struct gate;

/* All strings are only read during gate_new(). */
struct gate_options {
    struct key_store *store;     /* borrowed for life */
    const char *api_key;         /* "" = none */
    const char *const *api_keys; /* NULL-terminated */
    const char *master_key;      /* "" = administration is off */
    bool auth_enabled;
    int64_t cache_ttl_ms;
    int64_t failure_limit; /* of one address; 0 = no limit */
    int64_t failure_window_ms;
    bool key_limits;
    struct rate_rule rules[RATE_GROUPS];
};

/* Returns 0 or a negative errno. */
int gate_new(const struct gate_options *options, struct gate **ret_gate);
struct gate *gate_free(struct gate *gate); /* writes the counters; returns NULL, accepts NULL */

/* For http_options; their data is struct api, whose gate it is. */
bool gate_authenticate(const struct http_claim *claim, struct http_principal *ret_principal,
                       struct http_refusal *ret_refusal, void *data);
bool gate_confirm(const struct http_claim *claim, const struct http_principal *principal,
                  struct http_refusal *ret_refusal, void *data);
bool gate_admit(const struct http_claim *claim, const struct http_principal *principal, struct http_rate *ret_rate,
                void *data);

/* Whether a key that was good is not any more, for engine and ptc_runs_options. key_hash: as http_request_key_hash();
 * "" has no end. A fault is no proof: false. data is struct api. */
bool gate_key_is_gone(const char *key_hash, void *data);

/* What the holder of such a key is told. Static. data is struct api. */
const char *gate_key_fault(const char *key_hash, void *data);

struct keyring *gate_keyring(struct gate *gate);
const struct rate_rule *gate_rules(const struct gate *gate); /* RATE_GROUPS of them */

/* The addresses with most failed attempts, highest first, and the sum of all; the counts end on the monotonic clock. */
size_t gate_failures(struct gate *gate, size_t n, struct tally_count *ret_counts, int64_t *ret_total);
int64_t gate_failure_limit(const struct gate *gate);

/* SPDX-License-Identifier: Apache-2.0 */
/* key_body.h -- the JSON bodies of key administration (admin.md A3.2, A3.3), checked, and the record as JSON.
 *
 * Pure: no HTTP, no store. Every violation of a body is told at once, with the name of its field. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "domain/key.h"

enum key_body_outcome {
    KEY_BODY_E_REFUSED = 1, /* the details say why */
};

/* What a body gives; the fields of key that it does not give are as in KEY_INIT. */
struct key_body {
    struct key key;
    bool has_name, has_enabled, has_limits, has_expiry, has_network;
    json_t *details; /* list of violations, as in http-api.md 8.1 */
};

#define KEY_BODY_INIT ((struct key_body){ .key = KEY_INIT })
void key_body_deinit(struct key_body *body);

/* Reads the body of a creation, or of a change, where nothing is required. Returns 0, KEY_BODY_E_REFUSED or -ENOMEM;
 * the caller deinits in every case. */
int key_body_parse(const json_t *root, bool creation, struct key_body *body);

/* Names are shown on terminals and pages: nothing in them may steer those. False for control characters of any kind,
 * separators of lines and what turns the direction of writing. */
bool key_name_is_plain(const char *text, size_t length);

/* The record that clients see; NULL if out of memory. */
json_t *key_body_record(const struct key *key, const struct key_use *use, bool environment);

/* SPDX-License-Identifier: Apache-2.0 */
/* json.h -- what whoever uses jansson needs of it everywhere; the privileged folders do not.
 *
 *     CLEANUP_JSON json_t *body = json_loadb(...);      the reference is given up on every return */
#pragma once

#include <jansson.h>

#include "base/cleanup.h"

static inline void cleanup_json(json_t **json)
{
    json_decref(*json);
}

#define CLEANUP_JSON CLEANUP(cleanup_json)

/* How answers are written: with as many digits as a time in milliseconds needs, and 0.84 stays 0.84. */
#define JSON_ANSWER (JSON_COMPACT | JSON_REAL_PRECISION(15))

/* The text under a key, borrowed; "" if there is none, or something else than text. */
static inline const char *json_member_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));

    return text ? text : "";
}

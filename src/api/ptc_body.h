/* SPDX-License-Identifier: Apache-2.0 */
/* ptc_body.h -- the JSON body of POST /exec/programmatic, checked (ptc.md P2).
 *
 * Pure: no HTTP, no store. What a first request has in common with POST /exec is checked by exec_body.h. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "api/exec_body.h"

#define PTC_MANIFEST_BYTES_MAX (4u << 20) /* names, descriptions and parameters of all tools */

/* What of a body is no execution. Borrowed from the body. */
struct ptc_body {
    const char *token;     /* a continuation: nothing else but the results counts; NULL = a first request */
    const json_t *results; /* list of checked objects, any result in them; NULL = none */
    bool blank;            /* a first request without code; the execution is then not filled */
};

/* Fills *ret_body and, of a first request with code, the zeroed request with its tools. The caller deinits the request
 * whatever is returned. Returns 0, EXEC_BODY_E_REFUSED with *ret_refusal filled, or a negative errno. */
int ptc_body_parse(const json_t *root, const struct language_table *languages, struct execution_request *request,
                   struct ptc_body *ret_body, struct exec_body_refusal *ret_refusal);

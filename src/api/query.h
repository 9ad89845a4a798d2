/* SPDX-License-Identifier: Apache-2.0 */
/* query.h -- the values of query parameters. Each reader leaves *value as it is if the parameter was not given, and
 * returns false after having answered 422. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "http/http.h"

/* true, false, 1 or 0 in any case. A name without a value is a flag that is set. */
bool query_read_flag(struct http_request *request, const char *name, bool *value);

/* A decimal integer from min to max; empty is as not given: forms send those. */
bool query_read_integer(struct http_request *request, const char *name, int64_t min, int64_t max, int64_t *value);

/* The text, or NULL if the parameter is empty or was not given. Borrowed from the request. */
const char *query_text(const struct http_request *request, const char *name);

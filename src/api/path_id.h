/* SPDX-License-Identifier: Apache-2.0 */
/* path_id.h -- the identifiers in the path of the file routes. */
#pragma once

#include <stdbool.h>

#include "domain/file.h"
#include "http/http.h"

/* The identifier that {name} took. NULL if it is none (http-api.md 1.4): then nothing has it. */
const char *path_id(const struct http_request *request, const char *name);

/* Looks up the file that {session_id} and {file_id} name. Returns false after having answered 404 or 503, and told the
 * audit log that the operation ("download"; NULL = not told) failed. */
bool path_file(struct http_request *request, const char *operation, struct file_record *ret_file);

/* SPDX-License-Identifier: Apache-2.0 */
/* multipart.h -- a multipart/form-data body as a stream of parts. Holds one part's headers at most, never its data.
 *
 *     multipart_new(boundary, upload, context, &reader);
 *     while (bytes arrive) multipart_feed(reader, ...);
 *     multipart_finish(reader);
 *     multipart_free(reader);
 *
 * Bounds: MULTIPART_HEADER_MAX bytes of headers a part, MULTIPART_PARTS_MAX parts, MULTIPART_BOUNDARY_MAX of boundary.
 */
#pragma once

#include <stddef.h>

#include "http/http.h"

#define MULTIPART_BOUNDARY_MAX 200
#define MULTIPART_HEADER_MAX   16384
#define MULTIPART_PARTS_MAX    4096

enum multipart_outcome {
    MULTIPART_E_MALFORMED = 1, /* not multipart, cut short, or beyond a bound */
    MULTIPART_E_STOPPED = 2,   /* a callback wants no more; feed nothing further */
};

struct multipart;

/* Finds the boundary in a Content-Type value. Returns its length, 0 if there is none, and a pointer into value. */
size_t multipart_boundary(const char *content_type, const char **ret_boundary);

/* boundary_length 0 = take it from the first line of the body (http-api.md 7.3). Returns 0, MULTIPART_E_MALFORMED for
 * an impossible boundary, or -ENOMEM. The callbacks' open and close are not used here. */
int multipart_new(const char *boundary, size_t boundary_length, const struct http_upload *upload, void *context,
                  struct multipart **ret_reader);
struct multipart *multipart_free(struct multipart *reader); /* returns NULL */

/* Returns 0, an outcome, or the negative errno of a callback; after anything but 0 the reader is spent. */
int multipart_feed(struct multipart *reader, const char *data, size_t length);

/* The body has ended. Returns 0 or MULTIPART_E_MALFORMED; a body without a single byte is fine. */
int multipart_finish(struct multipart *reader);

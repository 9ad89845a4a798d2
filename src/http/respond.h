/* SPDX-License-Identifier: Apache-2.0 */
/* respond.h -- from an answer to the library's response object, with the headers that every response carries. Internal.
 */
#pragma once

#include "http/internal.h"

/* Puts the content type (may be NULL), the caller's headers (may be NULL) and those of http-api.md 6 on a response. */
void respond_decorate(const struct http_request *request, struct MHD_Response *response, const char *content_type,
                      const struct http_header *headers);

/* An error with the security headers that belongs to no request of ours, as a response and as bytes for a connection
 * that is to be closed (the caller's to free()). NULL if out of memory. */
struct MHD_Response *respond_make_orphan(unsigned status, const char *text);
char *respond_write_orphan(unsigned status, const char *text);

/* Starts an answer that the owner may still feed, takes the reference to response. Returns false, with response
 * destroyed, if the client is gone or an answer was given already. */
bool respond_begin(struct http_request *request, struct MHD_Response *response, unsigned status);

/* Wakes the connection of a parked request. The request's lock is held. */
void respond_resume(struct http_request *request);

/* Gives the owner's reference back, if there is an owner. The request must not be touched afterwards. */
void respond_release(struct http_request *request);

/* Ends the wait of a suspended request whose owner will be too late: the server stops. */
void respond_abort(struct http_request *request);

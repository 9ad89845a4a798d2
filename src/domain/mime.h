/* SPDX-License-Identifier: Apache-2.0 */
/* mime.h -- content types (files.md F8) and the Content-Disposition of downloads (F5). */
#pragma once

#define MIME_DEFAULT "application/octet-stream"

/* The type by the name's extension; MIME_DEFAULT if that says nothing. Static. */
const char *mime_guess(const char *name);

/* The value of Content-Disposition for a stored name: plain ASCII, safe in a header. The caller's to free(); NULL
 * without memory. */
char *mime_content_disposition(const char *stored_name);

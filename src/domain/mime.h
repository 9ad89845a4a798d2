/* SPDX-License-Identifier: Apache-2.0 */
/* mime.h -- content types (files.md F8) and the Content-Disposition of downloads (F5). */
#pragma once

#include <stddef.h>

#define MIME_DEFAULT          "application/octet-stream"
#define MIME_TYPE_SIZE        128
#define MIME_DISPOSITION_SIZE 1152 /* enough for any stored name's last segment */

/* The type by the name's extension; MIME_DEFAULT if that says nothing. Static. */
const char *mime_from_name(const char *name);

/* The type to send with a download: the stored one, unless it says nothing; then the name's. Points to either. */
const char *mime_of_download(const char *stored_type, const char *name);

/* Writes the type to store for an upload's part: the received one (NULL = none), or MIME_DEFAULT where that is missing,
 * too long or could not stand in a header. */
void mime_of_upload(const char *received, char ret_type[static MIME_TYPE_SIZE]);

/* Writes the value of Content-Disposition for a stored name: plain ASCII, safe in a header. Returns 0, -ENAMETOOLONG or
 * -ENOMEM. */
int mime_content_disposition(const char *stored_name, char ret_value[static MIME_DISPOSITION_SIZE]);

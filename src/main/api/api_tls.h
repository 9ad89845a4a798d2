/* SPDX-License-Identifier: Apache-2.0 */
/* api_tls.h -- the certificate, read again. */
#pragma once

#include "http/http.h"

/* Shows what the open files hold to connections that come from now on. If they do not fit the old certificate stays;
 * the log says which. */
void api_tls_renew(struct http_server *server, int certificate_fd, int key_fd);

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_tls.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "main/place/handover.h"

static void wipe(char **text)
{
    if (*text)
        explicit_bzero(*text, strlen(*text));
    free(*text);
}

void api_tls_renew(struct http_server *server, int certificate_fd, int key_fd)
{
    CLEANUP(wipe) char *certificate = NULL;
    CLEANUP(wipe) char *key = NULL;
    char error[256] = "";
    int r = handover_read_text(certificate_fd, &certificate);

    if (r == 0)
        r = handover_read_text(key_fd, &key);
    if (r == 0)
        r = http_server_show_certificate(server, certificate, key, error, sizeof(error));
    if (r < 0)
        log_error("the certificate stays as it is: %s", *error ? error : strerror(-r));
    else
        log_info("certificate read again");
}

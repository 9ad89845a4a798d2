/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/log_file.h"

#define PATH_MAX_BYTES 512                                      /* of a path, in the access log */
#define QUOTED_SIZE    (2 * PATH_MAX_BYTES + sizeof("\"\"...")) /* every byte escaped */

void api_log_init(const struct config *config)
{
    const struct log_options options = {
        .level = (enum log_level)config->log_level,
        .json = config->log_format == 0,
        .fd = STDOUT_FILENO,
        .process = "api",
    };

    log_init(&options);
}

void api_log_use(int fd)
{
    int r = log_file_use(fd);

    if (r < 0)
        log_warning("the log cannot go on in its new file: %s", strerror(-r));
    else
        log_info("log file opened again");
}

/* In quotes that nothing in the path can close; a path that was cut has dots behind them. */
static void quote_path(const char *path, char ret_text[static QUOTED_SIZE])
{
    const char *end = path + strnlen(path, PATH_MAX_BYTES);
    char *to = ret_text;

    *to++ = '"';
    for (; path < end; path++) {
        if (*path == '"' || *path == '\\')
            *to++ = '\\';
        *to++ = *path;
    }
    snprintf(to, (size_t)(ret_text + QUOTED_SIZE - to), "\"%s", *end ? "..." : "");
}

/* The path comes last and in quotes: it is decoded, and says what the client likes. */
void api_log_request(const struct http_summary *summary, void *data)
{
    char path[QUOTED_SIZE];

    (void)data;
    quote_path(summary->path, path);
    log_info("%s %u %.2f ms, client %s, key %s, request %s, %" PRIu64 " bytes in%s, path %s", summary->method,
             summary->status, (double)summary->duration_us / 1000.0, summary->client_ip, summary->key_prefix,
             summary->request_id, summary->request_bytes, summary->aborted ? ", aborted" : "", path);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* warden_log.c -- LOG_FILE, opened again after it was renamed. Whoever the warden starts writes where it writes; who is
 * there already is told. */
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "base/log_file.h"
#include "warden/internal.h"

int log_keep_directory(struct warden *w)
{
    if (!w->options->log_name)
        return 0;
    return fcntl((int)w->options->log_dir_fd, F_SETFD, FD_CLOEXEC) < 0 ? error_from_errno() : 0;
}

void log_reopen(struct warden *w)
{
    const struct warden_options *o = w->options;
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (!o->log_name)
        return;
    r = log_file_open((int)o->log_dir_fd, o->log_name, (uid_t)o->api_uid, &fd);
    if (r == 0)
        r = log_file_use(fd);
    if (r < 0) {
        log_warning("LOG_FILE cannot be opened again: %s", strerror(-r));
        return;
    }
    proxy_process_log(&w->proxy, fd);
    keepers_log(w, fd);
    api_renew_log(w);
}

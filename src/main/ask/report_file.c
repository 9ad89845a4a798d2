/* SPDX-License-Identifier: Apache-2.0 */
#include "main/ask/report_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define REAL_DIGITS 6

int report_file_open(const char *command, const char *path, int *ret_fd)
{
    int r;

    if (!path)
        return 0;
    *ret_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (*ret_fd >= 0)
        return 0;
    r = error_from_errno();
    fprintf(stderr, "codecell %s: %s: %s\n", command, path, strerror(-r));
    return r;
}

int report_file_write(int fd, const char *text, size_t length)
{
    /* Only a regular file has an end to move. */
    if (ftruncate(fd, 0) < 0 && errno != EINVAL)
        return error_from_errno();
    return fd_write_full(fd, text, length);
}

int report_file_write_json(int fd, const json_t *report)
{
    CLEANUP_FREE char *text = json_dumps(report, JSON_INDENT(2) | JSON_REAL_PRECISION(REAL_DIGITS));
    int r;

    if (!text)
        return -ENOMEM;
    r = report_file_write(fd, text, strlen(text));
    return r < 0 ? r : fd_write_full(fd, "\n", 1);
}

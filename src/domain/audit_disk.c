/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_disk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

#define HEAD_SIZE 96 /* "00000000000000000042 <hash>\n" and NUL */
#define SEQ_WIDTH 20

void audit_disk_rotated_name(uint64_t number, char ret_name[static AUDIT_ROTATED_SIZE])
{
    snprintf(ret_name, AUDIT_ROTATED_SIZE, AUDIT_FILE_NAME ".%" PRIu64, number);
}

int audit_disk_read_head(int head_fd, struct audit_chain *ret_chain)
{
    char text[HEAD_SIZE] = "", *end;
    ssize_t n = pread(head_fd, text, sizeof(text) - 1, 0);
    struct audit_chain chain;

    if (n < 0)
        return error_from_errno();
    errno = 0;
    chain.seq = strtoull(text, &end, 10);
    if (errno || chain.seq == 0 || *end != ' ' || end != text + SEQ_WIDTH)
        return -ENODATA;
    snprintf(chain.hash, sizeof(chain.hash), "%.*s", DIGEST_HEX_SIZE - 1, end + 1);
    if (!digest_is_hex(chain.hash))
        return -ENODATA;
    *ret_chain = chain;
    return 0;
}

int audit_disk_write_head(int head_fd, const struct audit_chain *chain)
{
    char text[HEAD_SIZE];
    int length = snprintf(text, sizeof(text), "%0*" PRIu64 " %s\n", SEQ_WIDTH, chain->seq, chain->hash);
    ssize_t n = pwrite(head_fd, text, (size_t)length, 0);

    if (n < 0)
        return error_from_errno();
    return n == length ? 0 : -ENOSPC;
}

int audit_disk_read_opening(int fd, struct audit_opening *ret_opening)
{
    char line[AUDIT_LINE_MAX_BYTES + 1];
    ssize_t n = pread(fd, line, sizeof(line), 0);
    const char *end;

    if (n < 0)
        return error_from_errno();
    end = memchr(line, '\n', (size_t)n);
    return end ? audit_chain_read_opening(line, (size_t)(end - line), ret_opening) : AUDIT_CHAIN_E_FORM;
}

int audit_disk_read_end(int fd, int64_t file_bytes, struct audit_chain *ret_last, int64_t *ret_torn_bytes)
{
    char tail[2 * AUDIT_LINE_MAX_BYTES];
    size_t want = file_bytes < (int64_t)sizeof(tail) ? (size_t)file_bytes : sizeof(tail);
    ssize_t n = pread(fd, tail, want, file_bytes - (int64_t)want);
    const char *end, *before, *line;

    *ret_torn_bytes = 0;
    if (n < 0)
        return error_from_errno();
    if (n != (ssize_t)want)
        return -EIO;
    end = memrchr(tail, '\n', want);
    *ret_torn_bytes = end ? tail + want - (end + 1) : n;
    if (!end)
        return want < sizeof(tail) ? AUDIT_CHAIN_E_FORM : AUDIT_DISK_E_TORN;
    before = memrchr(tail, '\n', (size_t)(end - tail));
    line = before ? before + 1 : tail;
    return audit_chain_read(line, (size_t)(end - line), ret_last);
}

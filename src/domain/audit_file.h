/* SPDX-License-Identifier: Apache-2.0 */
/* audit_file.h -- the audit log on disk: audit.log in a directory of its own, rotated to audit.log.1, .2 ... by size.
 *
 * Beside it, audit.log.head holds number and hash of the last line written. It shows that lines are missing at the end,
 * which the chain alone cannot. It is written behind the log, once the lines it speaks for are on the disk: about a
 * second later at most, and never ahead of them, whatever dies.
 *
 * Several processes may write to one log: a server, and the command line for what it does. The lock of the directory is
 * held while lines are written, and whoever takes it looks first where the others left the chain.
 *
 * Lines that were taken away (a log that was emptied, cut, removed or replaced) leave a gap in the chain, and an event
 * "audit", "log_damaged" behind it: whoever finds them gone writes it with the next lines, or by itself if asked. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "domain/audit_chain.h"

struct audit_file_options {
    const char *directory; /* exists; only read by audit_file_open() */
    int64_t max_bytes;     /* a file that has reached it is rotated */
    unsigned max_rotated;  /* older ones are removed; 0 = never rotate */
};

struct audit_file {
    int dir_fd, fd, head_fd; /* -1 = closed */
    int64_t size_bytes, max_bytes;
    unsigned max_rotated;
    struct audit_chain chain;
    bool head_lags;           /* behind chain */
    int64_t settled_us;       /* monotonic; the last attempt of audit_file_settle() */
    enum audit_reason reason; /* for which the log is empty, while it is */
    uint64_t kept_seq;        /* as in struct audit_opening */
    char damage[160];         /* an event that is still to be written; "" = none */
    char note[160];           /* what was found and mended, for the log; "" = nothing. The reader empties it */
    struct buffer others;     /* lines that other processes wrote since, as far as they fit; the reader empties it */
    struct buffer told;       /* events that were written without being given, but for openings; likewise */
};

#define AUDIT_FILE_OTHERS_MAX_BYTES (64 << 10)
#define AUDIT_FILE_INIT                                                                                                \
    ((struct audit_file){ .dir_fd = -1,                                                                                \
                          .fd = -1,                                                                                    \
                          .head_fd = -1,                                                                               \
                          .others = BUFFER_INIT(AUDIT_FILE_OTHERS_MAX_BYTES),                                          \
                          .told = BUFFER_INIT(AUDIT_FILE_OTHERS_MAX_BYTES) })

/* Opens or makes the log and finds where its chain stands. A line that a power failure tore is cut off; if lines are
 * missing the chain goes on behind them, so that the gap stays to be seen. Of a log that was moved away or emptied the
 * processes that have it open know the end: they are waited for, some seconds at most, until one has begun it again.
 * Returns 0 or a negative errno. */
int audit_file_open(struct audit_file *file, const struct audit_file_options *options);
void audit_file_close(struct audit_file *file); /* syncs, head too; accepts AUDIT_FILE_INIT */

/* Writes events, none or each followed by a newline, as lines of the chain, all or none; *ret_lines gets the lines
 * (appended). -ENOSPC comes before the disk is full to the last block, which others need more. Rotates first if it is
 * time, and opens the file again if it was moved away. Returns 0 or a negative errno (-EBUSY: another process holds the
 * log for long); then the same call may be made again later. */
int audit_file_write(struct audit_file *file, const struct buffer *events, struct buffer *ret_lines);

/* Syncs the log and then brings the head up to it, once a second at most. Returns 0 if there is nothing left to do, or
 * the milliseconds after which to call again. */
int64_t audit_file_settle(struct audit_file *file);

/* Looks whether other processes have written, or done something else to the log; which is cheap if none has. Returns
 * true if there is something to write about it: audit_file_write() does so, without any events too. */
bool audit_file_follow(struct audit_file *file);

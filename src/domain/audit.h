/* SPDX-License-Identifier: Apache-2.0 */
/* audit.h -- the audit log (security.md S5): who did what, to files that show tampering (audit_file.h), to the log
 * output, and to a ring in memory that the monitoring endpoints read.
 *
 * audit_post() may be called from any thread and never waits for a disk: it copies the event, built as audit_event.h
 * says, into a bounded queue that one thread of the log's own empties, some milliseconds later. While the disk is full
 * or broken events wait there and the log says so; when the queue is full too they are counted, and the next one that
 * can be written is preceded by an event of type "audit", operation "events_lost", with their number. A server that is
 * killed outright loses what was in the queue. What another process writes to the same files, as the command line does
 * for changes of keys, reaches the ring and the output about a second later; so does what somebody did to the files, as
 * an event "audit", "log_damaged". */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "domain/audit_event.h"

struct audit;

struct audit_options {
    const char *directory;  /* where the files are; NULL = none are written. Only read by audit_new() */
    int64_t max_file_bytes; /* of one file, before it is rotated */
    unsigned max_rotated;   /* rotated files that are kept; 0 = never rotate */
    size_t max_ring_events;
    size_t max_queue_bytes;
    int echo_fd; /* every line goes there as well, unless its reader stalls: then lines are left out of it, and an event
                  * "audit", "events_left_out" there tells how many. -1 = nowhere. Borrowed */
};

struct audit_status {
    uint64_t posted, lost; /* since the start */
    bool failing;          /* the file cannot be written at this moment */
};

/* Opens the files and starts the thread. Returns 0 or a negative errno. */
int audit_new(const struct audit_options *options, struct audit **ret_audit);

/* Writes what is queued, ends the thread. No thread may post any more. Returns NULL; accepts NULL. */
struct audit *audit_free(struct audit *audit);

/* Ends the event and takes a copy. Accepts NULL for audit: nobody is listening. */
void audit_post(struct audit *audit, struct audit_event *event);

struct audit_status audit_status(struct audit *audit);

/* What the ring is asked for; empty members match everything. */
struct audit_filter {
    const char *type;     /* NULL = any */
    const char *severity; /* NULL = any */
    int64_t since_ms;     /* wall clock */
};

/* The newest events that match, newest first, at most limit: a NULL-terminated array of JSON objects, which the caller
 * frees with audit_recent_free(). Returns 0 or -ENOMEM. */
int audit_recent(struct audit *audit, const struct audit_filter *filter, size_t limit, char ***ret_texts);
void audit_recent_free(char **texts); /* accepts NULL */

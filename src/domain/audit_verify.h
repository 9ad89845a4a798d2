/* SPDX-License-Identifier: Apache-2.0 */
/* audit_verify.h -- does an audit log hold what was written, all of it, in order? Reads files that anybody may have
 * changed in any way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "domain/audit_chain.h"

enum audit_end {
    AUDIT_END_WHOLE,
    AUDIT_END_TORN,  /* in the middle of a line */
    AUDIT_END_EMPTY, /* the file has no line at all */
};

/* What the files are of all that there are. */
enum audit_extent {
    AUDIT_EXTENT_CHOSEN, /* whatever somebody picked: may begin anywhere */
    AUDIT_EXTENT_ALL,    /* every file that is there */
    AUDIT_EXTENT_FULL,   /* the same, and as many rotated ones as are kept */
    AUDIT_EXTENT_PART,   /* older ones are there, of a time when more were kept */
};

struct audit_verdict {
    bool sound;
    enum audit_end end;           /* of the last file read; unsound unless whole, but see audit_verify_end() */
    uint64_t first_seq, last_seq; /* what was found in order; 0 = nothing */
    struct audit_chain chain;     /* behind the last good line */
    struct audit_opening opening; /* of the first file */
    uint64_t kept_seq;            /* as the newest opening says that does */
    const char *noted_hash;       /* to be looked for; NULL = none */
    uint64_t noted_seq;           /* the event that has it, which may be the one before the first; 0 = none */
    char problem[256];            /* with the line; "" while sound */
};

/* noted_hash: see there; borrowed. */
void audit_verdict_init(struct audit_verdict *verdict, const char *noted_hash);

/* Checks the lines of one file, which must follow those of the file before, if there was one. Stops at the first
 * problem. Returns 0 with the verdict, or a negative errno if the file cannot be read. */
int audit_verify_file(FILE *file, struct audit_verdict *verdict);

/* Compares the end with the head that was kept beside the last file, and read before the log: a server at work may have
 * moved both on meanwhile. A last file that is torn or empty is sound if the head is reached all the same: it was being
 * written. Only for the verdict on the last file. */
void audit_verify_end(const struct audit_chain *head, struct audit_verdict *verdict);

/* Whether there is a good reason for what is missing before the first event: older files were rotated and let go, the
 * files were chosen so, or the hash that was noted is that of the event before. */
void audit_verify_beginning(enum audit_extent extent, struct audit_verdict *verdict);

/* Whether an event has the hash that was noted, if one was. */
void audit_verify_noted(struct audit_verdict *verdict);

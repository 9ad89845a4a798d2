/* SPDX-License-Identifier: Apache-2.0 */
/* audit_chain.h -- how the lines of an audit log hang together.
 *
 * A line is an event with two more fields at its end, "seq" and "hash". Events are counted from 1. The hash is SHA-256,
 * in hex, over the hash of the line before (64 zeros for the first) and all of this line up to where its hash begins.
 * So a line that was edited, taken out, put in or moved does not fit its neighbour.
 *
 * A file begins with an event that names the hash before it, so that it can be checked without the files before; it
 * says why the file begins there, and with which event the oldest file began that was kept then. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buffer.h"
#include "store/digest.h"

#define AUDIT_LINE_MAX_BYTES 8192 /* that a reader takes for one; twice what is ever written, see audit_event.h */

/* Where a chain stands: the last line. */
struct audit_chain {
    uint64_t seq; /* 0 = none yet */
    char hash[DIGEST_HEX_SIZE];
};

enum audit_chain_outcome {
    AUDIT_CHAIN_E_FORM = 1, /* no line of an audit log */
    AUDIT_CHAIN_E_SEQ,      /* another number was due */
    AUDIT_CHAIN_E_HASH,     /* the line, or one before it, is not what was written */
};

void audit_chain_init(struct audit_chain *chain);
bool audit_chain_equal(const struct audit_chain *a, const struct audit_chain *b);

/* Appends the line of an event (a closed JSON object, see audit_event.h) with its newline to lines. Returns 0 or what
 * buffer_append() returns; chain moves on only with 0. */
int audit_chain_append(struct audit_chain *chain, const char *event, size_t length, struct buffer *lines);

/* Why a file begins where it does. */
enum audit_reason {
    AUDIT_REASON_UNSAID, /* of a log written before reasons were told */
    AUDIT_REASON_FIRST,
    AUDIT_REASON_ROTATED,
    AUDIT_REASON_MOVED, /* somebody moved the file before it away */
    AUDIT_REASON_LOST,  /* the lines before it were taken away */
};

struct audit_opening {
    struct audit_chain before; /* where the chain stood */
    enum audit_reason reason;
    uint64_t kept_seq; /* the first event of the oldest file that was kept; 0 = not known */
};

/* The same for the first line of a file; opening->before is taken from chain. */
int audit_chain_append_opening(struct audit_chain *chain, const struct audit_opening *opening, struct buffer *lines);

/* Reads number and hash of a line (without newline) and checks nothing else. Returns 0 or AUDIT_CHAIN_E_FORM. */
int audit_chain_read(const char *line, size_t length, struct audit_chain *ret_chain);

/* Checks that a line follows chain, which moves on with 0. */
int audit_chain_check(struct audit_chain *chain, const char *line, size_t length);

/* Reads the first line of a file. Returns 0 or AUDIT_CHAIN_E_FORM. */
int audit_chain_read_opening(const char *line, size_t length, struct audit_opening *ret_opening);

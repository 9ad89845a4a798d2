/* SPDX-License-Identifier: Apache-2.0 */
/* audit_verify.h -- does an audit log hold what was written, all of it, in order? Reads files that anybody may have
 * changed in any way. */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "domain/audit_chain.h"

struct audit_verdict {
    bool sound;
    uint64_t first_seq, last_seq; /* what was found in order; 0 = nothing */
    struct audit_chain chain;     /* behind the last good line */
    char problem[256];            /* with the line; "" while sound */
};

void audit_verdict_init(struct audit_verdict *verdict);

/* Checks the lines of one file, which must follow those of the file before, if there was one. Stops at the first
 * problem. Returns 0 with the verdict, or a negative errno if the file cannot be read. */
int audit_verify_file(FILE *file, struct audit_verdict *verdict);

/* Compares the end with the head that was kept beside the last file. */
void audit_verify_end(const struct audit_chain *head, struct audit_verdict *verdict);

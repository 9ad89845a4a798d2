/* SPDX-License-Identifier: Apache-2.0 */
/* code_scan.h -- patterns in a source that a reader of the audit log may want to know of (security.md S2). They block
 * nothing: what holds a program are the walls of its cell. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define CODE_SCAN_WARNINGS_MAX 20

/* Sentences; all of them live as long as the program. */
struct code_scan {
    const char *warnings[CODE_SCAN_WARNINGS_MAX];
    size_t n_warnings;
};

/* Looks at every byte once or twice, whatever the source. python: the patterns of S2.2 as well. */
void code_scan(const char *code, size_t length, bool python, struct code_scan *ret_scan);

/* SPDX-License-Identifier: Apache-2.0 */
/* selftest_print.h -- the table and the JSON of `codecell selftest`. */
#pragma once

#include <jansson.h>
#include <stdio.h>

#include "main/selftest/selftest_case.h"

/* --list: id, promise, and why it is not run if it is not. */
void selftest_print_list(FILE *out);

void selftest_print_head(FILE *out);
void selftest_print_row(FILE *out, const struct selftest_case *row, const struct selftest_result *result);

/* How many cases have each verdict. */
struct selftest_count {
    unsigned of[SELFTEST_DOWN + 1];
};

void selftest_print_count(FILE *out, const struct selftest_count *count, double seconds);

/* One case as JSON; the caller owns it. */
json_t *selftest_json_row(const struct selftest_case *row, const struct selftest_result *result);

/* Host, settings (NULL-terminated "NAME=value", NULL = not known) and cases as the report; keeps no reference to
 * anything. url NULL = a server of its own. The caller owns it. */
json_t *selftest_json_report(const char *url, const char *started, double seconds, const char *const *settings,
                             const struct selftest_count *count, const json_t *cases);

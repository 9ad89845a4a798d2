/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.h -- runs the table of checks and prints a line for each. */
#pragma once

#include <stdio.h>

#include "main/check/check.h"

enum doctor_scope {
    DOCTOR_ALL,      /* every check, every line */
    DOCTOR_AT_START, /* the quick ones; prints only what is not ok */
};

/* Returns how many checks failed. */
int doctor_run(const struct check_context *context, enum doctor_scope scope, FILE *out);

/* SPDX-License-Identifier: Apache-2.0 */
/* doctor.h -- runs the table of checks and prints a line for each. */
#pragma once

#include <stdio.h>

#include "main/check/check.h"

enum doctor_scope {
    DOCTOR_ALL,      /* every check, every line */
    DOCTOR_AS_JSON,  /* the same, each line an object */
    DOCTOR_AT_START, /* the quick ones; prints only what is not ok */
};

/* Returns how many checks failed, and how many of them waiting cannot mend. */
int doctor_run(const struct check_context *context, enum doctor_scope scope, FILE *out, int *ret_lasting);

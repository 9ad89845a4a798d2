/* SPDX-License-Identifier: Apache-2.0 */
/* tenant.h -- to whom sessions, files and executions belong (files.md F9).
 *
 * The keys of the environment are one tenant together, each managed key is one of its own unless it was made with the
 * name of another. What one tenant made does not exist for the others. */
#pragma once

#include <stdbool.h>

#define TENANT_SIZE 65 /* 1 to 64 characters of A-Z a-z 0-9 _ - */

/* The tenant of the environment's keys as it stands in records; data that names no tenant is its own too. */
#define TENANT_ENVIRONMENT "env"

/* The server's own trial executions; no key has it, so nobody sees what they make. */
#define TENANT_PROBE "probe"

enum tenant_outcome {
    TENANT_E_INVALID = 1,  /* not 1 to 64 characters of the alphabet */
    TENANT_E_RESERVED = 2, /* a name of this file */
};

/* The tenant that a client calls name; "environment" is that of the environment's keys. Returns 0 or an outcome. */
int tenant_from_name(const char *name, char ret_tenant[static TENANT_SIZE]);

/* What clients see: the reverse of tenant_from_name(). */
const char *tenant_name(const char *tenant);

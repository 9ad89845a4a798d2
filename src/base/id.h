/* SPDX-License-Identifier: Apache-2.0 */
/* id.h -- identifiers of sessions, files, executions and requests: 21 characters of A-Z a-z 0-9 _ - from the kernel's
 * random generator (126 bits; http-api.md 1.4). */
#pragma once

#include <stdbool.h>

#define ID_LENGTH   21
#define ID_SIZE     (ID_LENGTH + 1)
#define ID_MAX_SIZE 129 /* a foreign identifier is at most 128 bytes */

/* Writes a new identifier. Aborts if the kernel has no randomness, which cannot happen after boot. */
void id_generate(char ret_id[static ID_SIZE]);

/* True if text could be one of our identifiers: exactly 21 characters of the alphabet. */
bool id_is_ours(const char *text);

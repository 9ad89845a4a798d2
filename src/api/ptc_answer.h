/* SPDX-License-Identifier: Apache-2.0 */
/* ptc_answer.h -- the answers of POST /exec/programmatic (ptc.md P4, P7).
 *
 * Pure. Every function returns 0 with a text from malloc, or a negative errno. */
#pragma once

#include <stddef.h>

#include "engine/admission.h"

/* The program waits: its calls, its output so far and the token to go on with. */
int ptc_answer_paused(const struct execution_job *job, const char *token, char **ret_text, size_t *ret_length);

/* The program ended, well or not. The reason is added to the result's stderr. */
int ptc_answer_ended(struct execution_job *job, char **ret_text, size_t *ret_length);

/* There is no program, or no result of it. session_id may be NULL; the output may be "". */
int ptc_answer_error(const char *error, const char *session_id, const char *err, char **ret_text, size_t *ret_length);

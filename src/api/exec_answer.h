/* SPDX-License-Identifier: Apache-2.0 */
/* exec_answer.h -- the result of an execution as the JSON document of POST /exec (exec.md 10.9, 10.10; extensions.md
 * X1).
 *
 * Pure: the result is complete, nothing is looked up. */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "engine/execution.h"

/* Renders the answer. *ret_text is NUL-terminated and the caller's to free(). Returns 0, -EILSEQ if a text of the
 * result is not UTF-8 (the engine's fault), or -ENOMEM. */
int exec_answer_render(const char *execution_id, const struct execution_result *result, char **ret_text,
                       size_t *ret_length);

/* The same without stdout and stderr, for those who send these by themselves. */
int exec_answer_render_rest(const char *execution_id, const struct execution_result *result, char **ret_text);

/* The same as an object, which is the caller's. */
int exec_answer_json(const char *execution_id, const struct execution_result *result, json_t **ret_answer);

/* What a program printed, as a JSON string; NULL if it is not UTF-8, or without memory. */
json_t *exec_answer_text(const struct buffer *text);

/* Adds the member usage to an object. Returns 0 or a negative errno. */
int exec_answer_add_usage(json_t *object, const struct execution_usage *usage);

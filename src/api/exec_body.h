/* SPDX-License-Identifier: Apache-2.0 */
/* exec_body.h -- the JSON body of POST /exec, checked and turned into an execution (exec.md 10.1 to 10.4).
 *
 * Pure: no HTTP, no store. The order of checks is the contract's: shape (422, every violation at once), language (400),
 * blank code (400). */
#pragma once

#include <jansson.h>
#include <stddef.h>

#include "engine/execution.h"
#include "engine/language.h"

#define EXEC_BODY_ARG_BYTES_MAX 131071 /* what execve() takes as one argument */
/* All together, with their NULs and pointers. It takes two MiB, which are also the environment's and the runtime's. */
#define EXEC_BODY_ARGS_BYTES_MAX (1536 * 1024)

enum exec_body_outcome {
    EXEC_BODY_E_REFUSED = 1, /* the client's fault: answer with the refusal */
};

/* Why a body was refused, ready for an error answer (http-api.md 8.1). */
struct exec_body_refusal {
    int status;      /* 422 or 400 */
    char error[160]; /* the text of "error" */
    json_t *details; /* list; the holder's to release */
    json_t *extra;   /* further members of the answer, or NULL; the holder's to release */
};

#define EXEC_BODY_REFUSAL_INIT ((struct exec_body_refusal){ .status = 0 })
void exec_body_refusal_deinit(struct exec_body_refusal *refusal);

/* Fills what the client decides of a zeroed request (language, code, args, ids, files, input, timeout_ms) from a JSON
 * object. The caller deinits the request whatever is returned. Returns 0, EXEC_BODY_E_REFUSED with *ret_refusal filled,
 * or a negative errno. */
int exec_body_parse(const json_t *root, const struct language_table *languages, struct execution_request *request,
                    struct exec_body_refusal *ret_refusal);

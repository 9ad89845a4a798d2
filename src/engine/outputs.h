/* SPDX-License-Identifier: Apache-2.0 */
/* outputs.h -- from what the harvest found to the files of the answer (exec.md 10.9).
 *
 * Entries arrive in the order of the file system; of the new and changed ones only the first MAX_OUTPUT_FILES by path
 * are kept open, so that a program with a hundred thousand files costs a handful of descriptors. */
#pragma once

#include "engine/execution.h"
#include "engine/inputs.h"
#include "wire/message.h"

struct output_candidate {
    char path[WIRE_PATH_SIZE];
    char name[FILE_NAME_SIZE]; /* stored name */
    int fd;
    int64_t size_bytes;
    struct input *input; /* changed input, or NULL */
};

struct outputs {
    struct engine *engine;
    const struct execution_request *request;
    struct inputs *inputs;
    struct execution_result *result;     /* its truncation is filled as entries arrive */
    struct output_candidate *candidates; /* sorted by path */
    size_t n_candidates;
    bool unreached; /* there is more where results or inputs may be */
};

/* Returns 0 or -ENOMEM. */
int outputs_init(struct outputs *outputs, struct engine *engine, const struct execution_request *request,
                 struct inputs *inputs, struct execution_result *result);
void outputs_deinit(struct outputs *outputs);

/* One entry of the harvest; owns fd. For cell_request.entry with the outputs as context. Returns 0 or a negative errno.
 */
int outputs_entry(void *context, const struct wire_entry *entry, int fd);

/* Stores the candidates under the session and writes files, deleted_files and delivery figures of the result. complete:
 * the harvest saw everything. Returns 0 or a negative errno. */
int outputs_store(struct outputs *outputs, const char *session_id, bool complete);

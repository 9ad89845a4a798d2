/* SPDX-License-Identifier: Apache-2.0 */
/* outcome.h -- how a run ended, in words: the table of exec.md 10.8.6 and extensions.md X1.
 *
 * Decided from what waitid and the cgroup said and from what this server did itself, never from the program's output or
 * from an exit code that merely looks like a signal. */
#pragma once

#include "engine/cell_client.h"
#include "engine/execution.h"

struct outcome_limits {
    int64_t timeout_ms;
    int64_t memory_bytes;
    size_t output_bytes; /* of each stream */
    bool bare;           /* texts as the program wrote them, without the table's sentences */
};

/* Fills the texts alone, from the output so far. Returns 0 or a negative errno. */
int outcome_texts(const struct cell_outcome *cell, const struct outcome_limits *limits,
                  struct execution_result *result);

/* Fills outcome, exit_code, signal, texts and the measured part of usage. notes are put after stderr. Returns 0 or a
 * negative errno. */
int outcome_decide(const struct cell_outcome *cell, const struct language *language,
                   const struct outcome_limits *limits, const struct buffer *notes, struct execution_result *result);

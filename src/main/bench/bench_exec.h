/* SPDX-License-Identifier: Apache-2.0 */
/* bench_exec.h -- POST /exec, timed and compared with what must come out.
 *
 *     CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&server);
 *     r = bench_exec(&client, &call, &answer, note, sizeof(note)); */
#pragma once

#include "base/id.h"
#include "main/ask/caller.h"
#include "main/bench/bench_row.h"

/* One execution and what must come out of it. */
struct bench_call {
    const char *language, *code;
    const char *expected;   /* the whole of stdout */
    const char *session_id; /* NULL or "" = a session of its own */
};

struct bench_answer {
    double ms;
    char session_id[ID_MAX_SIZE];
    char warm[BENCH_WARM_SIZE]; /* where the cell came from; "" = not said */
};

enum {
    BENCH_EXEC_E_WRONG = 1, /* refused, failed, or another stdout; the note says what came */
};

/* Runs it and compares. note gets a sentence when the answer is wrong. Returns 0, BENCH_EXEC_E_WRONG or a negative
 * errno. */
int bench_exec(struct caller *client, const struct bench_call *call, struct bench_answer *ret_answer, char *note,
               size_t note_size);

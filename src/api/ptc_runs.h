/* SPDX-License-Identifier: Apache-2.0 */
/* ptc_runs.h -- programs that wait for the results of their tool calls (ptc.md P8): jobs by token, and a deadline each.
 *
 * A token is found once, by the key that started the run. A program goes when its time is over, when its key is no good
 * any more, when its execution is cancelled, when too many wait, and when the server stops. One thread looks after all
 * of them. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/admission.h"

#define PTC_TOKEN_SIZE (2 * ID_LENGTH + 1) /* 252 random bits */

struct ptc_runs;

struct ptc_runs_options {
    unsigned max_waiting; /* beyond it one is dropped, the oldest of the key that has most */
    int64_t max_bytes;    /* the same for the memory that they hold together */
    int64_t ttl_ms;
    bool (*key_is_gone)(const char *key_hash, void *data); /* asked once a second for each that waits */
    void *data;
    void (*dropped)(struct execution_job *job); /* its result says cancelled; frees its context. NULL = nothing to do */
};

int ptc_runs_new(const struct ptc_runs_options *options, struct ptc_runs **ret_runs);

/* Makes a token. */
void ptc_runs_token(char ret_token[static PTC_TOKEN_SIZE]);

enum ptc_runs_outcome {
    PTC_RUNS_E_OVER = 1, /* it was cancelled, or the server stops */
    PTC_RUNS_E_NONE = 2, /* none may wait on this server */
    PTC_RUNS_E_FULL = 3, /* its key holds most memory of all, by it alone: it would be the one to go */
};

/* Takes a job that admission ended as paused, to be found by token: it may be gone when this returns. Returns 0, or an
 * outcome or -ENOMEM; then it stays the caller's. */
int ptc_runs_add(struct ptc_runs *runs, struct execution_job *job, const char *token);

/* The job that waits under this token, of this tenant and key (a hash); it is the caller's then. NULL = there is none.
 */
struct execution_job *ptc_runs_take(struct ptc_runs *runs, const char *token, const char *tenant, const char *key_hash);

/* Kills a job's program, which ends as cancelled, and frees the job. */
void ptc_runs_drop(struct ptc_runs *runs, struct execution_job *job);

/* How many wait. For tests. */
unsigned ptc_runs_waiting(struct ptc_runs *runs);

/* Drops all, and takes no more. */
void ptc_runs_stop(struct ptc_runs *runs);
struct ptc_runs *ptc_runs_free(struct ptc_runs *runs); /* stops first; returns NULL, accepts NULL */

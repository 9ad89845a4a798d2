/* SPDX-License-Identifier: Apache-2.0 */
/* admission.h -- who runs when (extensions.md X2).
 *
 * max_concurrent worker threads run jobs; at most max_queued wait, first come first served within a key and round-robin
 * between keys. A job that would wait longer than max_queue_seconds is refused at once, one that has waited so long
 * later. A waiting job costs no thread, and neither does one whose program waits for its client: that one keeps its
 * cell until it is resumed or abandoned, and there is another slot in its place. */
#pragma once

#include <stdbool.h>

#include "base/id.h"
#include "engine/execution.h"

enum admission_outcome {
    ADMISSION_E_FULL = 1,     /* 503 Server is at capacity */
    ADMISSION_E_STOPPING = 2, /* 503 Service is shutting down */
};

struct admission;

/* How often a job ticks, unless its tick_us is set otherwise. */
#define ADMISSION_TICK_US 3000000ll /* exec.md 10.11 */

/* How a job ended. Exactly one call for every accepted job, on a worker thread (or the ticker's, for jobs that
 * waited too long, or that nobody waits for any more). */
enum admission_end {
    ADMISSION_DONE,      /* result is filled */
    ADMISSION_PAUSED,    /* the program waits for its client (execution.h): the job is the callee's, to be resumed or
                            abandoned */
    ADMISSION_REFUSED,   /* as EXECUTION_E_REFUSED: error says why */
    ADMISSION_FAILED,    /* infrastructure fault: error says why */
    ADMISSION_OVERDUE,   /* waited too long in the queue */
    ADMISSION_FORBIDDEN, /* its key ended while it waited; a program that was to go on is killed */
    ADMISSION_CANCELLED, /* the client hung up while waiting, or a drain's grace was over: nothing ran, and of the
                            result there is only the outcome and how long it waited */
};

/* Whether the result of a job that ended so says what became of the program. */
static inline bool admission_has_outcome(enum admission_end end)
{
    return end == ADMISSION_DONE || end == ADMISSION_CANCELLED;
}

/* done: hands the result over; the callee takes ownership of request and result (heap, from execution_job_new).
 * tick: called about every tick_us after the request was received until done, also while waiting; may be NULL. */
struct execution_job {
    struct execution_request request;
    struct execution_result result;
    char error[256];
    void (*done)(struct execution_job *job, enum admission_end end);
    void (*tick)(struct execution_job *job);
    int64_t tick_us;
    void *context;

    /* admission's own */
    struct execution *paused; /* a program that waits */
    struct execution_job *next;
    int64_t n_ticks;
    bool overdue;
    bool resumed; /* it has begun, and goes on */
};

struct execution_job *execution_job_new(void);
struct execution_job *execution_job_free(struct execution_job *job); /* deinits request and result; returns NULL */

int admission_new(struct engine *engine, struct admission **ret_admission);

/* Queues a job. Returns 0 (the job is admission's until done), ADMISSION_E_FULL with *ret_retry_after_seconds set,
 * ADMISSION_E_STOPPING or -ENOMEM; then the job stays the caller's and done is not called. */
int admission_submit(struct admission *admission, struct execution_job *job, unsigned *ret_retry_after_seconds);

/* Goes on with a paused job, before any of its key that has not begun. Its client_fd and received_us are those of the
 * request that brought the answers. Returns 0 (the job is admission's until done), ADMISSION_E_STOPPING or -ENOMEM, and
 * then nothing changed. */
int admission_resume(struct admission *admission, struct execution_job *job);

/* Kills the program of a paused job, which stays the caller's; done is not called. */
void admission_abandon(struct execution_job *job);

/* Numbers for health and metrics; those that wait to go on wait too. */
unsigned admission_running(struct admission *admission);
unsigned admission_waiting(struct admission *admission);

/* Refuses new jobs, lets running and waiting ones end for up to grace_ms, then cancels them; joins all threads. */
void admission_drain(struct admission *admission, int64_t grace_ms);
struct admission *admission_free(struct admission *admission);

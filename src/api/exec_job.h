/* SPDX-License-Identifier: Apache-2.0 */
/* exec_job.h -- what the routes that run a program have in common: from a request to a job of the admission, and from
 * the job's end to the answer. */
#pragma once

#include "api/api.h"
#include "engine/admission.h"

enum exec_job_outcome {
    EXEC_JOB_E_ANSWERED = 1, /* there is no job: the request was answered */
};

#define EXEC_JOB_NOT_QUEUED            "Unexpected error during code execution: it could not be queued"
#define EXEC_JOB_OVERDUE_RETRY_SECONDS 5 /* after which one that waited too long is told to come again */

/* Makes a job of a body of POST /exec and of what exec_job_identify() adds; context, done and tick are the caller's to
 * set. Returns 0 or EXEC_JOB_E_ANSWERED. */
int exec_job_new(struct http_request *request, struct execution_job **ret_job);

/* Fills in what the server knows of a new execution besides the body: its id, whose it is and what that key's programs
 * may reach, the connection to watch, and its entry among all executions. Returns 0, RUNNING_E_FULL or a negative
 * errno. */
int exec_job_identify(struct http_request *request, struct execution_request *execution);

/* Gives up a job that could not be prepared: answers 500, logs the error and frees the job, which may be NULL. */
void exec_job_fault(struct http_request *request, struct execution_job *job, int error);

/* Suspends the request and hands the job over; from then on its callbacks own both. Returns 0 or EXEC_JOB_E_ANSWERED;
 * then the job was freed, its context not. */
int exec_job_submit(struct http_request *request, struct execution_job *job);

/* Sends a blank, so that the client and whatever is between sees that somebody works (exec.md 10.11). Begins the answer
 * for it unless *begun. */
void exec_job_sign_of_life(struct http_request *request, const char *execution_id, bool *begun);

/* The final call: JSON text from malloc, as the whole answer or as the end of one that was begun. */
void exec_job_send(struct http_request *request, const char *execution_id, bool begun, char *text, size_t length);

/* How a route sends the end of what it answers, whether the beginning is out or not. context is the job's. */
struct exec_job_answer {
    void (*result)(void *context, const struct execution_job *job);
    void (*error)(void *context, unsigned status, const char *text);
    void (*capacity)(void *context, unsigned retry_after_seconds);
};

/* The job has ended: writes the audit log, ends the run, answers, frees the job. Its context is still the caller's. */
void exec_job_end(struct http_request *request, struct execution_job *job, enum admission_end end,
                  const struct exec_job_answer *answer);

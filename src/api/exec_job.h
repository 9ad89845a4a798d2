/* SPDX-License-Identifier: Apache-2.0 */
/* exec_job.h -- from a request with the body of POST /exec to a job of the admission: what the routes that run a
 * program have in common. */
#pragma once

#include "api/api.h"
#include "engine/admission.h"

enum exec_job_outcome {
    EXEC_JOB_E_ANSWERED = 1, /* there is no job: the request was answered */
};

/* Makes a job of the body and of what the server knows about the request; context, done and tick are the caller's to
 * set. Returns 0 or EXEC_JOB_E_ANSWERED. */
int exec_job_new(struct http_request *request, struct execution_job **ret_job);

/* The same in case of a fault: answers, frees the job. */
void exec_job_fault(struct http_request *request, struct execution_job *job, int error);

/* Suspends the request and hands the job over; from then on its callbacks own both. Returns 0 or EXEC_JOB_E_ANSWERED;
 * then the job was freed, its context not. */
int exec_job_submit(struct http_request *request, struct execution_job *job);

/* How a route sends the end of what it answers, whether the beginning is out or not. context is the job's. */
struct exec_job_answer {
    void (*result)(void *context, const struct execution_job *job);
    void (*error)(void *context, unsigned status, const char *text);
    void (*capacity)(void *context, unsigned retry_after_seconds);
};

/* The job has ended: writes the audit log, ends the run, answers, frees the job. Its context is still the caller's. */
void exec_job_end(struct http_request *request, struct execution_job *job, enum admission_end end,
                  const struct exec_job_answer *answer);

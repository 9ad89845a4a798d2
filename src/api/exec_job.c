/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exec_job.h"

#include <errno.h>
#include <stdio.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/exec_body.h"
#include "base/cleanup.h"
#include "engine/running.h"

#define OVERDUE_RETRY_SECONDS 5

static void cleanup_refusal(struct exec_body_refusal *refusal)
{
    exec_body_refusal_deinit(refusal);
}

/* What the server knows about a request, besides its body. Returns 0, RUNNING_E_FULL or a negative errno. */
static int fill(struct execution_request *job, const struct api *api, struct http_request *request)
{
    id_generate(job->execution_id);
    snprintf(job->tenant, sizeof(job->tenant), "%s", http_request_tenant(request));
    snprintf(job->queue, sizeof(job->queue), "%s", http_request_key_hash(request));
    network_choose(api, request, job);
    job->received_us = http_request_received_us(request);
    job->client_fd = http_request_dup_fd(request);
    if (job->client_fd < 0)
        return job->client_fd;
    return running_add(api->engine->running, job->execution_id, job->tenant, job->queue, &job->run);
}

void exec_job_fault(struct http_request *request, struct execution_job *job, int error)
{
    if (job)
        run_forget(job->request.run);
    execution_job_free(job);
    answer_fault(request, 500, "An unexpected error occurred", "cannot prepare the execution", error);
}

int exec_job_new(struct http_request *request, struct execution_job **ret_job)
{
    CLEANUP(cleanup_refusal) struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    struct api *api = http_request_data(request);
    json_t *body = http_json_object(request);
    struct execution_job *job;
    int r;

    if (!body)
        return EXEC_JOB_E_ANSWERED;
    job = execution_job_new();
    r = job ? exec_body_parse(body, api->engine->languages, &job->request, &refusal) : -ENOMEM;
    json_decref(body);
    if (r == EXEC_BODY_E_REFUSED) {
        execution_job_free(job);
        answer_error(request, (unsigned)refusal.status, refusal.error, refusal.details, refusal.extra, NULL);
        return EXEC_JOB_E_ANSWERED;
    }
    if (r == 0)
        r = fill(&job->request, api, request);
    if (r == 0) {
        *ret_job = job;
        return 0;
    }
    if (r == RUNNING_E_FULL) {
        execution_job_free(job);
        answer_capacity(request, 1);
    } else
        exec_job_fault(request, job, r);
    return EXEC_JOB_E_ANSWERED;
}

int exec_job_submit(struct http_request *request, struct execution_job *job)
{
    struct api *api = http_request_data(request);
    unsigned retry_after_seconds = 1;
    int r;

    http_request_suspend(request); /* before, for the job may be done before this returns */
    r = admission_submit(api->admission, job, &retry_after_seconds);
    if (r == 0)
        return 0;
    run_forget(job->request.run);
    execution_job_free(job);
    if (r == ADMISSION_E_FULL)
        answer_capacity(request, retry_after_seconds);
    else if (r == ADMISSION_E_STOPPING)
        http_respond_error(request, 503, "Service is shutting down", NULL, 0, NULL);
    else
        answer_fault(request, 503, "Unexpected error during code execution: it could not be queued", "admission", r);
    return EXEC_JOB_E_ANSWERED;
}

/* The engine has logged it. */
static void answer_failure(const struct execution_job *job, const struct exec_job_answer *answer)
{
    char text[sizeof(job->error) + 64];

    snprintf(text, sizeof(text), "Unexpected error during code execution: %s", job->error);
    answer->error(job->context, 503, text);
}

void exec_job_end(struct http_request *request, struct execution_job *job, enum admission_end end,
                  const struct exec_job_answer *answer)
{
    struct api *api = http_request_data(request);

    http_request_close_after(request, TAKE_FD(job->result.keeper_fd));
    audited_execution(request, job, end);
    run_done(job->request.run, admission_has_outcome(end) ? &job->result : NULL);
    switch (end) {
    case ADMISSION_DONE:
        if (job->result.outcome == OUTCOME_OK)
            readiness_succeeded(&api->readiness);
        answer->result(job->context, job);
        break;
    case ADMISSION_FAILED:
        answer_failure(job, answer);
        break;
    case ADMISSION_OVERDUE:
        answer->capacity(job->context, OVERDUE_RETRY_SECONDS);
        break;
    case ADMISSION_PAUSED:
    case ADMISSION_REFUSED:   /* neither without tools */
    case ADMISSION_CANCELLED: /* nobody reads it, unless the server stops */
        answer->error(job->context, 503, "Service is shutting down");
        break;
    }
    execution_job_free(job);
}

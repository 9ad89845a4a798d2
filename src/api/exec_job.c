/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exec_job.h"

#include <errno.h>
#include <stdio.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/exec_body.h"
#include "api/gate.h"
#include "base/cleanup.h"
#include "engine/running.h"

int exec_job_identify(struct http_request *request, struct execution_request *execution)
{
    const struct api *api = http_request_data(request);
    struct execution_request *x = execution;

    id_generate(x->execution_id);
    snprintf(x->tenant, sizeof(x->tenant), "%s", http_request_tenant(request));
    snprintf(x->queue, sizeof(x->queue), "%s", http_request_key_hash(request));
    network_choose(api, request, x);
    x->received_us = http_request_received_us(request);
    x->client_fd = http_request_dup_fd(request);
    if (x->client_fd < 0)
        return x->client_fd;
    return running_add(api->engine->running, x->execution_id, x->tenant, x->queue, &x->run);
}

void exec_job_fault(struct http_request *request, struct execution_job *job, int error)
{
    if (job)
        run_forget(job->request.run);
    execution_job_free(job);
    answer_unexpected(request, "cannot prepare the execution", error);
}

int exec_job_new(struct http_request *request, struct execution_job **ret_job)
{
    CLEANUP(exec_body_refusal_deinit) struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
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
        r = exec_job_identify(request, &job->request);
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
        answer_fault(request, 503, EXEC_JOB_NOT_QUEUED, "admission", r);
    return EXEC_JOB_E_ANSWERED;
}

void exec_job_sign_of_life(struct http_request *request, const char *execution_id, bool *begun)
{
    const struct http_header headers[] = { { "X-Execution-Id", execution_id }, { NULL, NULL } };

    if (!*begun)
        http_stream_begin(request, 200, "application/json", headers);
    *begun = true;
    /* A client that is gone or does not read is noticed by its descriptor, not here. */
    (void)http_stream_write(request, " ", 1, 0);
}

void exec_job_send(struct http_request *request, const char *execution_id, bool begun, char *text, size_t length)
{
    const struct http_header headers[] = { { "X-Execution-Id", execution_id }, { NULL, NULL } };

    if (begun)
        http_stream_end(request, text, length);
    else
        http_respond(request, 200, "application/json", headers, text, length);
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
        answer->capacity(job->context, EXEC_JOB_OVERDUE_RETRY_SECONDS);
        break;
    case ADMISSION_FORBIDDEN:
        answer->error(job->context, 401, gate_key_fault(job->request.queue, api));
        break;
    case ADMISSION_PAUSED:
    case ADMISSION_REFUSED:   /* neither without tools */
    case ADMISSION_CANCELLED: /* nobody reads it, unless the server stops */
        answer->error(job->context, 503, "Service is shutting down");
        break;
    }
    execution_job_free(job);
}

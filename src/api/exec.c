/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c -- POST /exec: decode, hand to admission, answer when it is done (exec.md 10; streaming 10.11).
 *
 * The request is suspended before the job is submitted, for the job may be done before the handler returns. From then
 * on admission's callbacks own it, one at a time. */
#include "api/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/exec_answer.h"
#include "api/exec_body.h"
#include "base/cleanup.h"
#include "base/log.h"

#define OVERDUE_RETRY_SECONDS 5
#define JSON_TYPE             "application/json"

/* An execution on its way to its answer. */
struct call {
    struct api *api;
    struct http_request *request;
    bool streaming; /* status and headers are out: whatever comes is body */
};

/* Sends bytes from malloc as the end of whatever was begun. */
static void call_end(struct call *call, const char *execution_id, unsigned status, char *text, size_t length)
{
    const struct http_header headers[] = { { "X-Execution-Id", execution_id }, { NULL, NULL } };

    if (call->streaming)
        http_stream_end(call->request, text, length);
    else
        http_respond(call->request, status, JSON_TYPE, headers, text, length);
}

/* An error after streaming began is a body like any other (10.11, point 5). Takes the body. */
static void call_end_error(struct call *call, json_t *body)
{
    char *text = json_dumps(body, JSON_COMPACT | JSON_REAL_PRECISION(15));

    json_decref(body);
    http_stream_end(call->request, text, text ? strlen(text) : 0);
}

static void call_fail(struct call *call, unsigned status, const char *text)
{
    if (call->streaming)
        call_end_error(call, http_error_json(call->request, status, text, NULL, 0));
    else
        http_respond_error(call->request, status, text, NULL, 0, NULL);
}

static void call_done(struct call *call, const struct execution_job *job)
{
    const char *execution_id = job->request.execution_id;
    size_t length;
    char *text;
    int r = exec_answer_render(execution_id, &job->result, &text, &length);

    if (job->result.outcome == OUTCOME_OK)
        readiness_succeeded(&call->api->readiness);
    if (r < 0) {
        log_error("Execution %s: cannot render the answer: %s", execution_id, strerror(-r));
        call_fail(call, 500, "An unexpected error occurred");
        return;
    }
    call_end(call, execution_id, 200, text, length);
}

/* The engine has logged it. */
static void call_fault(struct call *call, const struct execution_job *job)
{
    char text[sizeof(job->error) + 64];

    snprintf(text, sizeof(text), "Unexpected error during code execution: %s", job->error);
    call_fail(call, 503, text);
}

static void call_overdue(struct call *call)
{
    if (call->streaming)
        call_end_error(call, answer_capacity_json(call->request, OVERDUE_RETRY_SECONDS));
    else
        answer_capacity(call->request, OVERDUE_RETRY_SECONDS);
}

static void on_tick(struct execution_job *job)
{
    struct call *call = job->context;
    const struct http_header headers[] = { { "X-Execution-Id", job->request.execution_id }, { NULL, NULL } };

    if (!call->streaming)
        http_stream_begin(call->request, 200, JSON_TYPE, headers);
    call->streaming = true;
    /* A client that is gone or does not read is noticed by its descriptor, not here. */
    (void)http_stream_write(call->request, " ", 1, 0);
}

static void on_done(struct execution_job *job, enum admission_end end)
{
    struct call *call = job->context;

    audited_execution(call->request, job, end);
    switch (end) {
    case ADMISSION_DONE:
        call_done(call, job);
        break;
    case ADMISSION_FAILED:
        call_fault(call, job);
        break;
    case ADMISSION_OVERDUE:
        call_overdue(call);
        break;
    case ADMISSION_PAUSED:
    case ADMISSION_REFUSED: /* neither without tools */
    case ADMISSION_CANCELLED: /* nobody reads it, unless the server stops */
        call_fail(call, 503, "Service is shutting down");
        break;
    }
    free(call);
    execution_job_free(job);
}

/* Hands the job over, or answers why not. */
static void submit(struct api *api, struct http_request *request, struct execution_job *job)
{
    unsigned retry_after_seconds = 1;
    int r;

    http_request_suspend(request);
    r = admission_submit(api->admission, job, &retry_after_seconds);
    if (r == 0)
        return;
    free(job->context);
    execution_job_free(job);
    if (r == ADMISSION_E_FULL)
        answer_capacity(request, retry_after_seconds);
    else if (r == ADMISSION_E_STOPPING)
        http_respond_error(request, 503, "Service is shutting down", NULL, 0, NULL);
    else
        answer_fault(request, 503, "Unexpected error during code execution: it could not be queued", "admission", r);
}

/* What the server knows about a request, besides its body. Returns 0 or a negative errno. */
static int job_fill(struct execution_job *job, struct api *api, struct http_request *request)
{
    struct call *call = calloc(1, sizeof(*call));

    if (!call)
        return -ENOMEM;
    *call = (struct call){ .api = api, .request = request };
    job->context = call;
    job->done = on_done;
    job->tick = on_tick;
    id_generate(job->request.execution_id);
    snprintf(job->request.tenant, sizeof(job->request.tenant), "%s", http_request_tenant(request));
    snprintf(job->request.queue, sizeof(job->request.queue), "%s", http_request_key_hash(request));
    job->request.received_us = http_request_received_us(request);
    job->request.client_fd = http_request_dup_fd(request);
    return job->request.client_fd < 0 ? job->request.client_fd : 0;
}

static void cleanup_refusal(struct exec_body_refusal *refusal)
{
    exec_body_refusal_deinit(refusal);
}

void handle_exec(struct http_request *request)
{
    CLEANUP(cleanup_refusal) struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    struct api *api = http_request_data(request);
    struct execution_job *job;
    json_t *body;
    int r;

    body = http_json_object(request);
    if (!body)
        return;
    job = execution_job_new();
    r = job ? exec_body_parse(body, api->engine->languages, &job->request, &refusal) : -ENOMEM;
    json_decref(body);
    if (r == 0)
        r = job_fill(job, api, request);
    if (r == 0) {
        submit(api, request, job);
        return;
    }
    if (job)
        free(job->context);
    execution_job_free(job);
    if (r == EXEC_BODY_E_REFUSED)
        answer_error(request, (unsigned)refusal.status, refusal.error, refusal.details, refusal.extra, NULL);
    else
        answer_fault(request, 500, "An unexpected error occurred", "cannot prepare the execution", r);
}

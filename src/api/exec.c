/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c -- POST /exec: decode, hand to admission, answer when it is done (exec.md 10; streaming 10.11).
 *
 * Once the job is submitted, admission's callbacks own the request, one at a time. */
#include "api/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/exec_answer.h"
#include "api/exec_job.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "engine/running.h"

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
    run_done(job->request.run, admission_has_outcome(end) ? &job->result : NULL);
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
    case ADMISSION_REFUSED:   /* neither without tools */
    case ADMISSION_CANCELLED: /* nobody reads it, unless the server stops */
        call_fail(call, 503, "Service is shutting down");
        break;
    }
    free(call);
    execution_job_free(job);
}

void handle_exec(struct http_request *request)
{
    CLEANUP_FREE struct call *call = calloc(1, sizeof(*call));
    struct execution_job *job;

    if (exec_job_new(request, &job) != 0)
        return;
    if (!call) {
        exec_job_fault(request, job, -ENOMEM);
        return;
    }
    *call = (struct call){ .api = http_request_data(request), .request = request };
    run_carry(job->request.run, NULL, job->request.feed);
    job->context = call;
    job->done = on_done;
    job->tick = on_tick;
    if (exec_job_submit(request, job) == 0)
        call = NULL;
}

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
#include "api/exec_answer.h"
#include "api/exec_job.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/running.h"

/* An execution on its way to its answer. */
struct call {
    struct http_request *request;
    bool streaming; /* status and headers are out: whatever comes is body */
};

/* An error after streaming began is a body like any other (10.11, point 5). Takes the body. */
static void call_end_error(struct call *call, json_t *body)
{
    char *text = json_dumps(body, JSON_ANSWER);

    json_decref(body);
    http_stream_end(call->request, text, text ? strlen(text) : 0);
}

static void answer_with_error(void *context, unsigned status, const char *text)
{
    struct call *call = context;

    if (call->streaming)
        call_end_error(call, http_error_json(call->request, status, text, NULL, 0));
    else
        http_respond_error(call->request, status, text, NULL, 0, NULL);
}

static void answer_with_capacity(void *context, unsigned retry_after_seconds)
{
    struct call *call = context;

    if (call->streaming)
        call_end_error(call, answer_capacity_json(call->request, retry_after_seconds));
    else
        answer_capacity(call->request, retry_after_seconds);
}

static void answer_with_result(void *context, const struct execution_job *job)
{
    struct call *call = context;
    const char *execution_id = job->request.execution_id;
    size_t length;
    char *text;
    int r = exec_answer_render(execution_id, &job->result, &text, &length);

    if (r < 0) {
        log_error("execution %s: cannot render the answer: %s", execution_id, strerror(-r));
        answer_with_error(call, 500, ANSWER_UNEXPECTED);
        return;
    }
    exec_job_send(call->request, execution_id, call->streaming, text, length);
}

static void on_tick(struct execution_job *job)
{
    struct call *call = job->context;

    exec_job_sign_of_life(call->request, job->request.execution_id, &call->streaming);
}

static void on_done(struct execution_job *job, enum admission_end end)
{
    static const struct exec_job_answer answer = { answer_with_result, answer_with_error, answer_with_capacity };
    CLEANUP_FREE struct call *call = job->context;

    exec_job_end(call->request, job, end, &answer);
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
    *call = (struct call){ .request = request };
    run_carry(job->request.run, NULL, job->request.feed);
    job->context = call;
    job->done = on_done;
    job->tick = on_tick;
    if (exec_job_submit(request, job) == 0)
        call = NULL;
}

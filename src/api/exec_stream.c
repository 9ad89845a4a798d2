/* SPDX-License-Identifier: Apache-2.0 */
/* exec_stream.c -- POST /exec/stream: as /exec, with output that is told while it comes (extensions.md X4).
 *
 * The answer begins with the program, or with the first sign of life before that; until then a failure has the status
 * it has at /exec. From then on the body is a source that the client pulls from (live.h), and this file only adds to
 * it. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/events.h"
#include "api/exec_answer.h"
#include "api/exec_job.h"
#include "api/handlers.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/running.h"

#define TICK_US 500000 /* how late a sign of life may be */

struct call {
    struct http_request *request;
    struct execution_job *job;
};

static void open_answer(void *context)
{
    struct call *call = context;
    const struct execution_request *run = &call->job->request;
    int r = events_begin(call->request, run->live, run->execution_id, 0, true);

    if (r != 0) /* the final call answers 500 */
        log_error("execution %s: no stream: %s", run->execution_id, strerror(-r));
}

/* Sends an error object: as the answer, or as what the answer's result would have been. Takes the body. */
static void end_with_error(struct call *call, unsigned status, json_t *body)
{
    CLEANUP_FREE char *text = NULL;

    if (!live_is_open(call->job->request.live)) {
        http_respond_json(call->request, status, body);
        return;
    }
    text = body ? json_dumps(body, JSON_ANSWER) : NULL;
    json_decref(body);
    live_fail(call->job->request.live, text ? text : "{}");
    http_stream_end(call->request, NULL, 0);
}

static void answer_with_error(void *context, unsigned status, const char *text)
{
    struct call *call = context;

    end_with_error(call, status, http_error_json(call->request, status, text, NULL, 0));
}

static void answer_with_capacity(void *context, unsigned retry_after_seconds)
{
    struct call *call = context;

    if (live_is_open(call->job->request.live))
        end_with_error(call, 503, answer_capacity_json(call->request, retry_after_seconds));
    else
        answer_capacity(call->request, retry_after_seconds);
}

static void answer_with_result(void *context, const struct execution_job *job)
{
    struct call *call = context;
    struct live *live = job->request.live;
    const char *suffixes[] = { job->result.out.data ? job->result.out.data : "",
                               job->result.err.data ? job->result.err.data : "" };
    CLEANUP_FREE char *text = NULL;
    int r = exec_answer_render_rest(job->request.execution_id, &job->result, &text);

    if (r < 0) {
        log_error("execution %s: cannot render the answer: %s", job->request.execution_id, strerror(-r));
        answer_with_error(call, 500, ANSWER_UNEXPECTED);
        return;
    }
    live_started(live, job->request.execution_id, job->result.session_id); /* if it was cancelled before it began */
    live_finish(live, text, suffixes);
    http_stream_end(call->request, NULL, 0);
}

static void on_tick(struct execution_job *job)
{
    if (clock_monotonic_us() - job->request.received_us >= ADMISSION_TICK_US)
        live_open(job->request.live);
    live_beat(job->request.live);
}

static void on_done(struct execution_job *job, enum admission_end end)
{
    static const struct exec_job_answer answer = { answer_with_result, answer_with_error, answer_with_capacity };
    CLEANUP_FREE struct call *call = job->context;

    exec_job_end(call->request, job, end, &answer);
}

/* Returns 0 or a negative errno. */
static int prepare(struct call *call, struct http_request *request, struct execution_job *job)
{
    struct api *api = http_request_data(request);
    struct engine *engine = api->engine;
    int r;

    *call = (struct call){ request, job };
    r = live_new(engine->work_dir_fd, (size_t)engine->max_output_bytes, open_answer, call, &job->request.live);
    if (r < 0)
        return r;
    run_carry(job->request.run, job->request.live, job->request.feed);
    job->context = call;
    job->done = on_done;
    job->tick = on_tick;
    job->tick_us = TICK_US;
    return 0;
}

void handle_exec_stream(struct http_request *request)
{
    CLEANUP_FREE struct call *call = calloc(1, sizeof(*call));
    struct execution_job *job;
    int r;

    if (exec_job_new(request, &job) != 0)
        return;
    r = call ? prepare(call, request, job) : -ENOMEM;
    if (r < 0)
        exec_job_fault(request, job, r);
    else if (exec_job_submit(request, job) == 0)
        call = NULL;
}

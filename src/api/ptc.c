/* SPDX-License-Identifier: Apache-2.0 */
/* ptc.c -- POST /exec/programmatic and its cancellation: programs that call tools which live at the client (ptc.md).
 *
 * A run is one job from its first request to its end. While its program waits the job lies in ptc_runs.h, without a
 * request; each continuation brings it one. Whoever holds the job, the request's thread, admission or the table, is the
 * only one to touch it. */
#include "api/handlers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/exec_job.h"
#include "api/gate.h"
#include "api/ptc.h"
#include "api/ptc_answer.h"
#include "api/ptc_body.h"
#include "api/ptc_requests.h"
#include "api/ptc_results.h"
#include "api/ptc_runs.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "base/log.h"
#include "engine/running.h"

#define REQUEST_ID_HEADER "X-LibreChat-Code-Request-ID"

/* What answers the request that a run has now. */
struct call {
    struct api *api;
    struct http_request *request; /* NULL while the program waits */
    bool streaming;               /* status and headers are out: whatever comes is body */
    bool audited;                 /* the run was noted when it began to wait for the first time */
    struct audited_client client;
    char request_id[PTC_REQUEST_ID_MAX + 1];
    char execution_id[ID_SIZE];
};

/* Before the final call: nobody can cancel it any more. */
static void end_named(const struct call *call)
{
    if (call->request_id[0])
        ptc_requests_end(call->api->ptc_requests, call->request_id);
}

/* The final call of a request. The call is a copy of the job's, which may be gone. */
static void end_text(const struct call *call, char *text, size_t length)
{
    end_named(call);
    exec_job_send(call->request, call->execution_id, call->streaming, text, length);
}

/* The same with an object, which it takes; the status counts unless the answer was begun. */
static void end_json(const struct call *call, unsigned status, json_t *body)
{
    char *text;

    if (call->streaming) {
        text = json_dumps(body, JSON_ANSWER);
        json_decref(body);
        end_text(call, text, text ? strlen(text) : 0);
    } else {
        end_named(call);
        http_respond_json(call->request, status, body);
    }
}

/* What rendered, or a 500. */
static void end_rendered(const struct call *call, int r, char *text, size_t length)
{
    if (r == 0) {
        end_text(call, text, length);
        return;
    }
    log_error("execution %s: cannot render the answer: %s", call->execution_id, strerror(-r));
    end_json(call, 500, http_error_json(call->request, 500, ANSWER_UNEXPECTED, NULL, 0));
}

static void end_error(const struct call *call, const char *error, const char *session_id, const char *err)
{
    size_t length = 0;
    char *text = NULL;
    int r = ptc_answer_error(error, session_id, err, &text, &length);

    end_rendered(call, r, text, length);
}

static void end_capacity(const struct call *call, unsigned retry_after_seconds)
{
    if (call->streaming) {
        end_json(call, 503, answer_capacity_json(call->request, retry_after_seconds));
        return;
    }
    end_named(call);
    answer_capacity(call->request, retry_after_seconds);
}

static void end_ended(const struct call *call, struct execution_job *job)
{
    size_t length = 0;
    char *text = NULL;
    int r = ptc_answer_ended(job, &text, &length);

    if (job->result.outcome == OUTCOME_OK)
        readiness_succeeded(&call->api->readiness);
    end_rendered(call, r, text, length);
}

static void end_failed(const struct call *call, const struct execution_job *job)
{
    const char *session_id = job->result.session_id[0] ? job->result.session_id : NULL;
    char text[sizeof(job->error) + 32], line[sizeof(text) + 1];

    snprintf(text, sizeof(text), "Execution failed: %s", job->error);
    snprintf(line, sizeof(line), "%s\n", text);
    end_error(call, text, session_id, line);
}

static void free_job(struct execution_job *job)
{
    free(job->context);
    execution_job_free(job);
}

static const struct {
    int outcome; /* of ptc_runs_add() */
    const char *text;
} not_waiting[] = {
    { PTC_RUNS_E_OVER, "Execution cancelled" },
    { PTC_RUNS_E_NONE, "Programs may not wait for tool results on this server (PTC_MAX_PAUSED is 0)" },
    { PTC_RUNS_E_FULL, "The program holds too much memory to wait for tool results beside others (PTC_MEMORY_MB)" },
};

static void end_not_waiting(const struct call *call, int r, const char *session_id)
{
    for (size_t i = 0; i < ARRAY_SIZE(not_waiting); i++)
        if (not_waiting[i].outcome == r) {
            end_error(call, not_waiting[i].text, session_id, "");
            return;
        }
    end_rendered(call, r, NULL, 0);
}

/* The program waits: the client hears of its calls, and the job rests. */
static void end_paused(struct execution_job *job)
{
    struct call *own = job->context, call = *own;
    char token[PTC_TOKEN_SIZE], session_id[ID_SIZE], *text = NULL;
    size_t length = 0;
    int r;

    ptc_runs_token(token);
    r = ptc_answer_paused(job, token, &text, &length);
    own->request = NULL;
    own->streaming = false;
    own->request_id[0] = '\0';
    snprintf(session_id, sizeof(session_id), "%s", job->result.session_id);
    if (r == 0)
        r = ptc_runs_add(call.api->ptc_runs, job, token);
    if (r == 0) {
        end_text(&call, text, length); /* the job may be somebody else's by now */
        return;
    }
    ptc_runs_drop(call.api->ptc_runs, job);
    end_not_waiting(&call, r, session_id);
    free(text);
}

static void on_tick(struct execution_job *job)
{
    struct call *call = job->context;

    exec_job_sign_of_life(call->request, call->execution_id, &call->streaming);
}

static void on_done(struct execution_job *job, enum admission_end end)
{
    struct call *call = job->context;
    bool dropped = end == ADMISSION_FORBIDDEN && call->audited; /* it had begun */

    if (end != ADMISSION_PAUSED || !call->audited)
        audited_execution(call->request, job, end);
    if (dropped)
        audited_dropped(call->api, &call->client, job);
    call->audited = true;
    if (end == ADMISSION_PAUSED) {
        end_paused(job);
        return;
    }
    run_done(job->request.run, admission_has_outcome(end) || dropped ? &job->result : NULL);
    switch (end) {
    case ADMISSION_DONE:
        end_ended(call, job);
        break;
    case ADMISSION_REFUSED:
        end_error(call, job->error, job->result.session_id, "");
        break;
    case ADMISSION_OVERDUE:
        end_capacity(call, EXEC_JOB_OVERDUE_RETRY_SECONDS);
        break;
    case ADMISSION_FORBIDDEN:
        end_json(call, 401,
                 http_error_json(call->request, 401, gate_key_fault(job->request.queue, call->api), NULL, 0));
        break;
    case ADMISSION_CANCELLED:
        end_error(call, "Execution cancelled", job->result.session_id[0] ? job->result.session_id : NULL, "");
        break;
    case ADMISSION_PAUSED:
    case ADMISSION_FAILED:
        end_failed(call, job);
        break;
    }
    free_job(job);
}

/* Notes whom the call answers from here on. */
static void take_request(struct call *call, struct http_request *request)
{
    audited_client(request, &call->client);
    call->request = request;
}

/* Gives a job that waits the request that goes on with it. Returns 0 or a negative errno. */
static int attach(struct execution_job *job, struct http_request *request)
{
    int fd = http_request_dup_fd(request);

    if (fd < 0)
        return fd;
    cleanup_close_fd(&job->request.client_fd);
    job->request.client_fd = fd;
    job->request.received_us = http_request_received_us(request);
    take_request(job->context, request);
    return 0;
}

/* Returns 0, RUNNING_E_FULL or a negative errno. */
static int fill(struct execution_job *job, struct http_request *request)
{
    struct call *call = calloc(1, sizeof(*call));
    struct api *api = http_request_data(request);
    int r;

    if (!call)
        return -ENOMEM;
    call->api = api;
    job->context = call;
    job->done = on_done;
    job->tick = on_tick;
    job->request.tools->rounds_max = api->ptc_max_round_trips;
    r = exec_job_identify(request, &job->request);
    memcpy(call->execution_id, job->request.execution_id, ID_SIZE);
    take_request(call, request);
    return r;
}

/* An answer before there is a job. */
static void answer_now(struct http_request *request, const char *error)
{
    const struct call call = { .api = http_request_data(request), .request = request };

    end_error(&call, error, NULL, "");
}

/* Notes the name that the client gave to its request. Returns 0, or what ptc_requests_begin() says after the request
 * was answered. */
static int begin_named(struct execution_job *job, struct http_request *request, const char *request_id)
{
    struct call *call = job->context;
    int r;

    if (!request_id)
        return 0;
    r = ptc_requests_begin(call->api->ptc_requests, request_id, job->request.queue, job->request.run);
    if (r == 0)
        snprintf(call->request_id, sizeof(call->request_id), "%s", request_id);
    else if (r == PTC_REQUEST_E_TAKEN)
        http_respond_error(request, 409, "Programmatic request ID is already in use", NULL, 0, NULL);
    else if (r == PTC_REQUEST_E_CANCELLED)
        answer_now(request, "Execution cancelled");
    else
        answer_capacity(request, 1);
    return r;
}

/* Admission did not take the job. */
static void end_unqueued(const struct call *call, int r)
{
    const char *text = "Service is shutting down";

    if (r < 0) {
        log_error("execution %s: cannot be queued: %s", call->execution_id, strerror(-r));
        text = EXEC_JOB_NOT_QUEUED;
    }
    end_json(call, 503, http_error_json(call->request, 503, text, NULL, 0));
}

static void submit(struct execution_job *job, struct http_request *request)
{
    struct call *call = job->context, copy = *call;
    unsigned retry_after_seconds = 1;
    int r;

    http_request_suspend(request); /* before, for the job may be done before this returns */
    r = admission_submit(call->api->admission, job, &retry_after_seconds);
    if (r == 0)
        return;
    run_forget(job->request.run);
    free_job(job);
    if (r == ADMISSION_E_FULL)
        end_capacity(&copy, retry_after_seconds);
    else
        end_unqueued(&copy, r);
}

/* Takes the job. */
static void start(struct execution_job *job, struct http_request *request, const char *request_id)
{
    int r = fill(job, request);

    if (r == 0) {
        if (begin_named(job, request, request_id) == 0) {
            submit(job, request);
            return;
        }
        run_forget(job->request.run);
    }
    free_job(job);
    if (r == RUNNING_E_FULL)
        answer_capacity(request, 1);
    else if (r < 0)
        answer_unexpected(request, "cannot prepare the execution", r);
}

static const json_t *find_result(const json_t *results, const char *id)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *result = json_array_get(results, i);

        if (strcmp(json_string_value(json_object_get(result, "call_id")), id) == 0)
            return result;
    }
    return NULL;
}

static int answer_failure(struct tool_channel *channel, const struct tool_call *call, const json_t *result)
{
    const json_t *message = json_object_get(result, "error_message");
    const char *text = json_string_length(message) > 0 ? json_string_value(message) : "Tool call failed";

    return tool_channel_error(channel, call, text,
                              json_string_length(message) > 0 ? json_string_length(message) : strlen(text));
}

static int answer_call(struct tool_channel *channel, const struct tool_call *call, const json_t *result,
                       const struct http_request *request)
{
    const char *text;
    char missing[64];
    size_t length;

    if (!result) {
        snprintf(missing, sizeof(missing), "No result supplied for tool call %s", call->id);
        return tool_channel_error(channel, call, missing, strlen(missing));
    }
    if (json_is_true(json_object_get(result, "is_error")))
        return answer_failure(channel, call, result);
    text = http_request_body(request, &length);
    text = ptc_results_at(text, length, json_object_get(result, "result"), &length);
    return tool_channel_result(channel, call, text, length);
}

static int answer_calls(struct tool_channel *channel, const json_t *results, const struct http_request *request)
{
    int r = 0;

    for (const struct tool_call *call = channel->calls; call && r == 0; call = call->next)
        r = answer_call(channel, call, find_result(results, call->id), request);
    tool_channel_clear(channel);
    return r;
}

/* Hands the results to a job and the job to admission. */
static void go_on(struct execution_job *job, struct http_request *request, const json_t *results)
{
    struct call *call = job->context, copy;
    int r = answer_calls(job->request.tools, results, request);

    if (r == 0)
        r = attach(job, request);
    copy = *call;
    if (r < 0) {
        ptc_runs_drop(copy.api->ptc_runs, job);
        copy.request = request;
        log_error("execution %s: cannot go on: %s", copy.execution_id, strerror(-r));
        end_json(&copy, 500, http_error_json(request, 500, ANSWER_UNEXPECTED, NULL, 0));
        return;
    }
    http_request_suspend(request);
    r = admission_resume(copy.api->admission, job);
    if (r == 0)
        return;
    ptc_runs_drop(copy.api->ptc_runs, job);
    end_unqueued(&copy, r);
}

static void handle_continuation(struct http_request *request, const char *request_id, const struct ptc_body *body)
{
    struct api *api = http_request_data(request);
    struct execution_job *job =
        ptc_runs_take(api->ptc_runs, body->token, http_request_tenant(request), http_request_key_hash(request));

    int r = 0;

    if (!job) {
        answer_now(request, "Invalid or expired continuation token");
        return;
    }
    r = begin_named(job, request, request_id);
    if (r == 0)
        go_on(job, request, body->results);
    else if (r == PTC_REQUEST_E_CANCELLED || ptc_runs_add(api->ptc_runs, job, body->token) != 0)
        ptc_runs_drop(api->ptc_runs, job);
}

/* Takes the body. */
static void handle_body(struct http_request *request, const char *request_id, json_t *root)
{
    CLEANUP(exec_body_refusal_deinit) struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    CLEANUP_JSON json_t *owned = root;
    struct api *api = http_request_data(request);
    struct execution_job *job = execution_job_new();
    struct ptc_body body = { 0 };
    int r = job ? ptc_body_parse(root, api->engine->languages, &job->request, &body, &refusal) : -ENOMEM;

    if (r == 0 && !body.token && !body.blank) {
        start(job, request, request_id);
        return;
    }
    execution_job_free(job);
    if (r == EXEC_BODY_E_REFUSED)
        answer_error(request, (unsigned)refusal.status, refusal.error, refusal.details, refusal.extra, NULL);
    else if (r < 0)
        answer_unexpected(request, "cannot prepare the execution", r);
    else if (body.token)
        handle_continuation(request, request_id, &body);
    else
        answer_now(request, "Either 'code' or 'continuation_token' must be provided");
}

/* The body's object, with places for the results in it; NULL after an answer. */
static json_t *parse(struct http_request *request)
{
    CLEANUP(buffer_deinit) struct buffer rest = BUFFER_INIT(SIZE_MAX / 2); /* not much larger than the body */
    size_t length;
    const char *body = http_request_body(request, &length);
    int r = ptc_results_cut(body, length, &rest);

    if (r < 0 && r != -EBADMSG) {
        answer_unexpected(request, "cannot read the results", r);
        return NULL;
    }
    return r == 0 && rest.data ? http_json_object_of(request, rest.data, rest.length) : http_json_object(request);
}

void handle_programmatic(struct http_request *request)
{
    const char *request_id = http_request_header(request, REQUEST_ID_HEADER);
    json_t *root;

    if (request_id && !ptc_request_id_is_valid(request_id)) {
        http_respond_error(request, 400, "Invalid programmatic request ID", NULL, 0, NULL);
        return;
    }
    root = parse(request);
    if (root)
        handle_body(request, request_id, root);
}

void handle_programmatic_cancel(struct http_request *request)
{
    struct api *api = http_request_data(request);
    CLEANUP_JSON json_t *root = http_json_object(request);
    const json_t *id;

    if (!root)
        return;
    id = json_object_get(root, "request_id");
    if (!json_is_string(id) || strlen(json_string_value(id)) != json_string_length(id) ||
        !ptc_request_id_is_valid(json_string_value(id))) {
        http_respond_error(request, 400, "Invalid or missing request_id", NULL, 0, NULL);
        return;
    }
    switch (ptc_requests_cancel(api->ptc_requests, json_string_value(id), http_request_key_hash(request))) {
    case PTC_CANCEL_REQUESTED:
        http_respond_json(request, 202, json_pack("{s:s}", "status", "cancellation_requested"));
        break;
    case PTC_CANCEL_COMPLETED:
        http_respond_json(request, 200, json_pack("{s:s}", "status", "already_completed"));
        break;
    case PTC_CANCEL_FOREIGN:
        http_respond_error(request, 403, "Programmatic request belongs to another principal", NULL, 0, NULL);
        break;
    case PTC_CANCEL_FAILED:
        answer_capacity(request, 1);
        break;
    }
}

/* ---- the life of what the handlers share ---- */

static void on_dropped(struct execution_job *job)
{
    struct call *call = job->context;

    if (call->audited)
        audited_dropped(call->api, &call->client, job);
    free(call);
}

int ptc_init(struct api *api)
{
    const struct ptc_runs_options options = {
        .max_waiting = api->ptc_max_paused,
        .max_bytes = api->engine->paused_memory.budget_bytes,
        .ttl_ms = api->ptc_pause_ttl_ms,
        .key_is_gone = gate_key_is_gone,
        .data = api,
        .dropped = on_dropped,
    };
    int r = ptc_requests_new(&api->ptc_requests);

    return r ? r : ptc_runs_new(&options, &api->ptc_runs);
}

void ptc_stop(struct api *api)
{
    if (api->ptc_runs)
        ptc_runs_stop(api->ptc_runs);
}

void ptc_deinit(struct api *api)
{
    api->ptc_runs = ptc_runs_free(api->ptc_runs);
    api->ptc_requests = ptc_requests_free(api->ptc_requests);
}

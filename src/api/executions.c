/* SPDX-License-Identifier: Apache-2.0 */
/* executions.c -- an execution asked after by its id: how it is, its events, its input, its end (extensions.md X4, X5).
 *
 * Only the key that started it finds it; to everybody else it does not exist. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/events.h"
#include "api/exec_answer.h"
#include "api/handlers.h"
#include "api/query.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "engine/feed.h"
#include "engine/running.h"

#define FULL_RETRY_SECONDS 1

static const char *const state_names[] = {
    [RUN_QUEUED] = "queued",
    [RUN_RUNNING] = "running",
    [RUN_WAITING] = "waiting",
    [RUN_DONE] = "done",
};

static void cleanup_run(struct run **run)
{
    run_unref(*run);
}

/* A reference, or NULL after having answered 404. */
static struct run *find(struct http_request *request)
{
    struct api *api = http_request_data(request);
    struct run *run = running_find(api->engine->running, http_request_param(request, "execution_id"),
                                   http_request_tenant(request), http_request_key_hash(request));

    if (!run)
        http_respond_error(request, 404, "Execution not found", NULL, 0, NULL);
    return run;
}

static void answer_nothing(struct http_request *request)
{
    http_respond(request, 204, NULL, NULL, NULL, 0);
}

/* What there is of it. Returns NULL without memory. */
static json_t *status_json(const struct run_status *status)
{
    json_t *json = json_pack("{s:s, s:s?, s:s}", "execution_id", status->execution_id, "session_id",
                             status->session_id[0] ? status->session_id : NULL, "state", state_names[status->state]);

    if (!json || !status->has_result)
        return json;
    if (json_object_set_new(json, "outcome", json_string(execution_outcome_name(status->outcome))) == 0 &&
        exec_answer_add_usage(json, &status->usage) == 0)
        return json;
    json_decref(json);
    return NULL;
}

void handle_execution(struct http_request *request)
{
    CLEANUP(cleanup_run) struct run *run = find(request);
    struct run_status status;
    char *text = NULL;
    json_t *json;

    if (!run)
        return;
    run_status(run, &status);
    json = status_json(&status);
    if (json)
        text = json_dumps(json, JSON_ANSWER);
    json_decref(json);
    if (text)
        http_respond(request, 200, "application/json", NULL, text, strlen(text));
    else
        answer_unexpected(request, "cannot render the execution", -ENOMEM);
}

void handle_execution_cancel(struct http_request *request)
{
    CLEANUP(cleanup_run) struct run *run = find(request);

    if (!run)
        return;
    run_cancel(run);
    answer_nothing(request);
}

/* The header by which a reader that was cut off goes on. Returns false after having answered. */
static bool read_last_event(struct http_request *request, uint64_t *ret_id)
{
    const char *text = http_request_header(request, "Last-Event-ID");
    char *end = NULL;

    *ret_id = 0;
    if (!text || !text[0])
        return true;
    errno = 0;
    if (text[0] >= '1' && text[0] <= '9')
        *ret_id = strtoull(text, &end, 10);
    if (end && *end == '\0' && errno == 0)
        return true;
    http_respond_error(request, 400, "Last-Event-ID is not the id of an event", NULL, 0, NULL);
    return false;
}

static void cleanup_live(struct live **live)
{
    live_unref(*live);
}

void handle_execution_stream(struct http_request *request)
{
    CLEANUP(cleanup_run) struct run *run = find(request);
    CLEANUP(cleanup_live) struct live *live = NULL;
    struct run_status status;
    uint64_t after_id;
    int r;

    if (!run || !read_last_event(request, &after_id))
        return;
    live = run_live(run);
    if (!live) {
        http_respond_error(request, 404, "Execution has no stream", NULL, 0, NULL);
        return;
    }
    run_status(run, &status);
    http_request_suspend(request);
    r = events_begin(request, live, status.execution_id, after_id, false);
    if (r == 0)
        http_stream_end(request, NULL, 0);
    else if (r == LIVE_E_UNKNOWN)
        http_respond_error(request, 400, "Last-Event-ID is not the id of an event", NULL, 0, NULL);
    else
        answer_unexpected(request, "cannot follow the execution", r);
}

static void answer_full(struct http_request *request, size_t length)
{
    char text[96], seconds[16];
    const struct http_header headers[] = { { "Retry-After", seconds }, { NULL, NULL } };

    snprintf(seconds, sizeof(seconds), "%d", FULL_RETRY_SECONDS);
    snprintf(text, sizeof(text), "Request body too large. At most %dMB of input may wait", FEED_BYTES >> 20);
    if (length > FEED_BYTES)
        http_respond_error(request, 413, text, NULL, 0, NULL);
    else
        http_respond_error(request, 503, "The program has not read its input yet", NULL, 0, headers);
}

static void cleanup_feed(struct feed **feed)
{
    feed_unref(*feed);
}

void handle_execution_stdin(struct http_request *request)
{
    CLEANUP(cleanup_run) struct run *run = find(request);
    CLEANUP(cleanup_feed) struct feed *feed = NULL;
    const char *body;
    size_t length;
    bool eof = false;
    int r;

    if (!run || !query_read_flag(request, "eof", &eof))
        return;
    body = http_request_body(request, &length);
    feed = run_feed(run);
    r = feed ? feed_put(feed, body, length, eof) : FEED_E_CLOSED;
    if (r == 0)
        answer_nothing(request);
    else if (r == FEED_E_CLOSED)
        http_respond_error(request, 409, "Standard input is not open", NULL, 0, NULL);
    else if (r == FEED_E_FULL)
        answer_full(request, length);
    else
        answer_unexpected(request, "cannot keep input", r);
}

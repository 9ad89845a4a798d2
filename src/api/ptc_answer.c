/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ptc_answer.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_answer.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "engine/json_text.h"
#include "engine/text.h"
#include "engine/tool_frame.h"

#define CALLS_BYTES_MAX (256u << 20) /* far above what a channel keeps, six bytes for each of its */
#define REASON_SIZE     256

static int append_text(struct buffer *to, const char *text)
{
    return buffer_append(to, text, strlen(text));
}

/* Appends any bytes as a JSON string. */
static int append_string(struct buffer *to, const char *text, size_t length)
{
    CLEANUP(buffer_deinit) struct buffer clean = BUFFER_INIT(3 * length + sizeof(TEXT_TRUNCATED));
    CLEANUP_JSON json_t *string = NULL;
    CLEANUP_FREE char *quoted = NULL;
    int r = text_clean(&clean, text, length, 3 * length);

    if (r < 0)
        return r;
    string = exec_answer_text(&clean);
    quoted = string ? json_dumps(string, JSON_ENCODE_ANY) : NULL;
    return quoted ? append_text(to, quoted) : -ENOMEM;
}

/* What is an object goes to the client as the program wrote it, anything else as a text (P6.3). */
static int append_call(struct buffer *to, const struct tool_call *call)
{
    int r = append_text(to, "{\"id\":\"");

    if (r == 0)
        r = append_text(to, call->id);
    if (r == 0)
        r = append_text(to, "\",\"name\":");
    if (r == 0)
        r = append_string(to, call->name, strlen(call->name));
    if (r == 0)
        r = append_text(to, ",\"input\":");
    if (r == 0)
        r = json_text_is_object(call->argument, call->argument_length)
                ? buffer_append(to, call->argument, call->argument_length)
                : append_string(to, call->argument, call->argument_length);
    return r ? r : append_text(to, call->next ? "}," : "}");
}

static int append_calls(struct buffer *to, const struct tool_call *calls)
{
    int r = append_text(to, ",\"tool_calls\":[");

    for (const struct tool_call *call = calls; call && r == 0; call = call->next)
        r = append_call(to, call);
    return r ? r : append_text(to, "]}");
}

/* Renders an object with the calls as one more member. */
static int render(const json_t *answer, const struct tool_call *calls, char **ret_text, size_t *ret_length)
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(CALLS_BYTES_MAX);
    CLEANUP_FREE char *object = json_dumps(answer, JSON_ANSWER);
    int r = object ? buffer_append(&text, object, strlen(object) - 1) : -ENOMEM;

    if (r == 0)
        r = append_calls(&text, calls);
    if (r < 0)
        return r;
    *ret_length = text.length;
    *ret_text = TAKE_PTR(text.data);
    return 0;
}

int ptc_answer_paused(const struct execution_job *job, const char *token, char **ret_text, size_t *ret_length)
{
    CLEANUP_JSON
    json_t *answer =
        json_pack("{s:s, s:s, s:s, s:o, s:o, s:[], s:n}", "status", "tool_call_required", "session_id",
                  job->result.session_id, "continuation_token", token, "stdout", exec_answer_text(&job->result.out),
                  "stderr", exec_answer_text(&job->result.err), "files", "error");

    return answer ? render(answer, job->request.tools->calls, ret_text, ret_length) : -ENOMEM;
}

int ptc_answer_error(const char *error, const char *session_id, const char *err, char **ret_text, size_t *ret_length)
{
    CLEANUP_JSON
    json_t *answer = json_pack("{s:s, s:s?, s:n, s:s, s:s, s:[], s:s}", "status", "error", "session_id", session_id,
                               "continuation_token", "stdout", "", "stderr", err, "files", "error", error);

    return answer ? render(answer, NULL, ret_text, ret_length) : -ENOMEM;
}

/* Why a run failed: what the caller is told, and what stderr holds besides. "" = nothing. */
struct reason {
    char error[TOOL_FAILURE_BYTES_MAX + 1];
    char err[REASON_SIZE];
};

static void __attribute__((format(printf, 2, 3))) set_both(struct reason *reason, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(reason->error, REASON_SIZE, format, args);
    va_end(args);
    memcpy(reason->err, reason->error, REASON_SIZE);
}

/* By what the program did with its channel. Returns false if that explains nothing. */
static bool explain_channel(const struct tool_channel *channel, struct reason *reason)
{
    switch (channel->end) {
    case TOOL_CHANNEL_UNREGISTERED:
        set_both(reason, "Sandbox requested an unregistered tool: %s", channel->culprit);
        return true;
    case TOOL_CHANNEL_BROKEN:
        set_both(reason, "Execution failed: the program broke the protocol of tool calls");
        return true;
    case TOOL_CHANNEL_EXHAUSTED:
        set_both(reason, "Maximum round trips (%u) exceeded", channel->rounds);
        return true;
    case TOOL_CHANNEL_OPEN:
        break;
    }
    return false;
}

static void explain_exit(const struct execution_job *job, struct reason *reason)
{
    const struct tool_channel *channel = job->request.tools;

    if (channel->failure) {
        snprintf(reason->error, sizeof(reason->error), "%s", channel->failure);
        return;
    }
    set_both(reason, "Sandbox exited with code %d", job->result.exit_code);
    if (job->result.err.length > 0)
        reason->err[0] = '\0';
}

static void explain(const struct execution_job *job, struct reason *reason)
{
    const struct execution_result *result = &job->result;

    *reason = (struct reason){ .error = "" };
    if (explain_channel(job->request.tools, reason))
        return;
    switch (result->outcome) {
    case OUTCOME_OK:
        break;
    case OUTCOME_CANCELLED:
        snprintf(reason->error, sizeof(reason->error), "Execution cancelled");
        break;
    case OUTCOME_TIMEOUT:
        snprintf(reason->error, sizeof(reason->error), "Execution failed or timed out");
        snprintf(reason->err, sizeof(reason->err), "Execution timed out after %" PRId64 " seconds",
                 (result->timeout_ms + 999) / 1000);
        break;
    case OUTCOME_OUT_OF_MEMORY:
        set_both(reason, "Out of memory");
        break;
    case OUTCOME_OUTPUT_LIMIT:
        set_both(reason, "stdout length exceeded");
        break;
    default:
        explain_exit(job, reason);
        break;
    }
}

static int append_line(struct buffer *text, const char *line)
{
    int r = 0;

    if (line[0] == '\0')
        return 0;
    text->ceiling += REASON_SIZE * 3;
    if (text->length > 0 && text->data[text->length - 1] != '\n')
        r = append_text(text, "\n");
    if (r == 0)
        r = text_clean(text, line, strlen(line), text->ceiling);
    return r < 0 ? r : append_text(text, "\n");
}

/* The program's own words, as far as they are text. */
static json_t *error_text(const char *error)
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(3 * TOOL_FAILURE_BYTES_MAX + sizeof(TEXT_TRUNCATED));

    if (text_clean(&text, error, strlen(error), text.ceiling - sizeof(TEXT_TRUNCATED)) < 0)
        return NULL;
    return exec_answer_text(&text);
}

int ptc_answer_ended(struct execution_job *job, char **ret_text, size_t *ret_length)
{
    CLEANUP_JSON json_t *answer = NULL;
    bool failed = job->request.tools->end != TOOL_CHANNEL_OPEN || job->result.outcome != OUTCOME_OK;
    struct reason reason;
    int r;

    explain(job, &reason);
    r = append_line(&job->result.err, reason.err);
    if (r < 0)
        return r;
    r = exec_answer_json(job->request.execution_id, &job->result, &answer);
    if (r < 0)
        return r;
    if (json_object_set_new(answer, "status", json_string(failed ? "error" : "completed")) < 0 ||
        json_object_set_new(answer, "continuation_token", json_null()) < 0 ||
        json_object_set_new(answer, "error", failed ? error_text(reason.error) : json_null()) < 0)
        return -ENOMEM;
    return render(answer, NULL, ret_text, ret_length);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/bench/bench_exec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define NOTE_SHOWS 100 /* bytes of a wrong answer */
#define HTTP_OK    200

static int prepare_call(struct caller *client, const struct bench_call *call)
{
    CLEANUP_JSON json_t *body = json_pack("{s:s, s:s}", "lang", call->language, "code", call->code);
    CLEANUP_FREE char *text = NULL;

    if (call->session_id && *call->session_id &&
        json_object_set_new(body, "session_id", json_string(call->session_id)) < 0)
        return -ENOMEM;
    text = json_dumps(body, JSON_COMPACT);
    return text ? caller_prepare(client, "POST", "/exec", text) : -ENOMEM;
}

/* What an interpreter says last says most. */
static const char *last_bytes(const char *text)
{
    size_t length = strlen(text);

    return length > NOTE_SHOWS ? text + length - NOTE_SHOWS : text;
}

static int judge_answer(const struct bench_call *call, int status, const json_t *body, char *note, size_t note_size)
{
    const char *out = json_member_text(body, "stdout"), *outcome = json_member_text(body, "outcome"),
               *err = json_member_text(body, "stderr");

    if (status == HTTP_OK && strcmp(outcome, "ok") == 0 && strcmp(out, call->expected) == 0)
        return 0;
    if (status != HTTP_OK)
        snprintf(note, note_size, "%s: status %d: %.*s", call->language, status, NOTE_SHOWS,
                 json_member_text(body, "error"));
    else
        snprintf(note, note_size, "%s: outcome %s, stdout '%.*s', stderr '%s'", call->language, outcome, NOTE_SHOWS,
                 out, last_bytes(err));
    return BENCH_EXEC_E_WRONG;
}

int bench_exec(struct caller *client, const struct bench_call *call, struct bench_answer *ret_answer, char *note,
               size_t note_size)
{
    CLEANUP_JSON json_t *parsed = NULL;
    const char *body = NULL;
    size_t length = 0;
    int r = prepare_call(client, call);

    if (r == 0)
        r = caller_send(client, &ret_answer->ms, &body, &length);
    if (r < 0) {
        snprintf(note, note_size, "%s: no answer: %s", call->language, strerror(-r));
        return r;
    }
    parsed = json_loadb(body, length, 0, NULL);
    snprintf(ret_answer->session_id, sizeof(ret_answer->session_id), "%s", json_member_text(parsed, "session_id"));
    snprintf(ret_answer->warm, sizeof(ret_answer->warm), "%s",
             json_member_text(json_object_get(parsed, "usage"), "warm"));
    return judge_answer(call, r, parsed, note, note_size);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/audited.h"

#include <stdio.h>
#include <string.h>

#include "domain/audit.h"
#include "domain/code_scan.h"
#include "domain/key_event.h"
#include "store/digest.h"

#define CODE_HASH_LENGTH 16
#define ENDPOINT_SIZE    1024

static struct audit *audit_of(const struct http_request *request)
{
    const struct api *api = http_request_data(request);

    return api->engine->audit;
}

/* Method and path; a longer path is cut, it is the client's own. */
static void endpoint(struct audit_event *event, const char *method, const char *path)
{
    char text[ENDPOINT_SIZE];

    snprintf(text, sizeof(text), "%s %s", method, path);
    audit_text(event, "endpoint", text);
}

void audited_attempt(const struct http_attempt *attempt, void *data)
{
    const struct api *api = data;
    struct audit_event event;

    audit_begin(&event, "authentication", attempt->granted ? AUDIT_INFO : AUDIT_WARNING);
    audit_flag(&event, "success", attempt->granted);
    audit_text(&event, "api_key_prefix", attempt->key_prefix);
    audit_text(&event, "client_ip", attempt->client_ip);
    endpoint(&event, attempt->method, attempt->path);
    if (attempt->reason)
        audit_text(&event, "reason", attempt->reason);
    audit_text(&event, "request_id", attempt->request_id);
    audit_post(api->engine->audit, &event);
}

void audited_limit(const struct api *api, const struct http_claim *claim, const char *type, const char *period,
                   int64_t limit, int64_t used)
{
    struct audit_event event;

    audit_begin(&event, "rate_limit", AUDIT_WARNING);
    audit_text(&event, "limit_type", type);
    audit_text(&event, "period", period);
    audit_number(&event, "limit", limit);
    audit_number(&event, "used", used);
    audit_text(&event, "client_ip", claim->client_ip);
    audit_text(&event, "api_key_prefix", claim->has_key ? claim->key_prefix : "none");
    endpoint(&event, claim->method, claim->path);
    audit_text(&event, "request_id", claim->request_id);
    audit_post(api->engine ? api->engine->audit : NULL, &event);
}

void audited_key(struct http_request *request, const char *operation, const char *key_hash, const char *name,
                 const struct key_change *change, bool success)
{
    struct audit_event event;

    key_event_begin(&event, operation, key_hash, name, change, success);
    audit_text(&event, "client_ip", http_request_client_ip(request));
    audit_text(&event, "request_id", http_request_id(request));
    audit_post(audit_of(request), &event);
}

static void hash_code(const struct execution_request *request, char ret_hash[static CODE_HASH_LENGTH + 1])
{
    char hex[DIGEST_HEX_SIZE];

    digest_bytes_hex(request->code, request->code_length, hex);
    snprintf(ret_hash, CODE_HASH_LENGTH + 1, "%.*s", CODE_HASH_LENGTH, hex);
}

/* What a run came to, and the session if it had one. */
static void conclusion(struct audit_event *event, const struct execution_job *job, enum admission_end end)
{
    bool done = end == ADMISSION_DONE, waits = end == ADMISSION_PAUSED;

    audit_text(event, "session_id", done || waits ? job->result.session_id : NULL);
    if (!waits)
        audit_flag(event, "success", done && job->result.outcome == OUTCOME_OK);
    audit_text(event, "outcome",
               waits                        ? "waiting"
               : admission_has_outcome(end) ? execution_outcome_name(job->result.outcome)
                                            : NULL);
    audit_number(event, "execution_time_ms", done ? (int64_t)(job->result.usage.wall_ms + 0.5) : 0);
}

static void begin_execution(struct audit_event *event, const struct execution_job *job, enum admission_end end)
{
    const struct execution_request *run = &job->request;
    char hash[CODE_HASH_LENGTH + 1];
    struct code_scan scan;

    code_scan(run->code, run->code_length, strcmp(run->language->code, "py") == 0, &scan);
    hash_code(run, hash);
    audit_begin(event, "code_execution", scan.n_warnings > 0 ? AUDIT_WARNING : AUDIT_INFO);
    audit_text(event, "execution_id", run->execution_id);
    audit_text(event, "language", run->language->code);
    audit_text(event, "code_hash", hash);
    conclusion(event, job, end);
    audit_list(event, "warnings", scan.warnings, scan.n_warnings);
    if (run->network == EXECUTION_NETWORK_WAN) {
        audit_flag(event, "wan_access", true);
        audit_flag(event, "com.code-interpreter.wan-access", true); /* the label */
    }
}

static void tell_forbidden(struct http_request *request)
{
    const struct http_attempt attempt = {
        .request_id = http_request_id(request),
        .method = http_request_method(request),
        .path = http_request_path(request),
        .client_ip = http_request_client_ip(request),
        .key_prefix = http_request_key_prefix(request),
        .reason = "the key ended while the execution waited",
    };

    audited_attempt(&attempt, http_request_data(request));
}

void audited_execution(struct http_request *request, const struct execution_job *job, enum admission_end end)
{
    struct audit_event event;

    if (end == ADMISSION_FORBIDDEN) {
        tell_forbidden(request);
        return;
    }
    if (!audit_of(request) || end == ADMISSION_OVERDUE)
        return; /* what never ran */
    begin_execution(&event, job, end);
    audit_text(&event, "api_key_prefix", http_request_key_prefix(request));
    audit_text(&event, "client_ip", http_request_client_ip(request));
    audit_text(&event, "request_id", http_request_id(request));
    audit_post(audit_of(request), &event);
}

void audited_client(const struct http_request *request, struct audited_client *ret_client)
{
    snprintf(ret_client->key_prefix, sizeof(ret_client->key_prefix), "%s", http_request_key_prefix(request));
    snprintf(ret_client->ip, sizeof(ret_client->ip), "%s", http_request_client_ip(request));
}

void audited_dropped(const struct api *api, const struct audited_client *client, const struct execution_job *job)
{
    struct audit_event event;

    if (!api->engine->audit)
        return;
    begin_execution(&event, job, ADMISSION_DONE);
    audit_text(&event, "api_key_prefix", client->key_prefix);
    audit_text(&event, "client_ip", client->ip);
    audit_post(api->engine->audit, &event);
}

void audited_file(struct http_request *request, const char *operation, const char *session_id, const char *file_id,
                  const char *filename, bool success)
{
    struct audit_event event;

    audit_begin(&event, "file_operation", success ? AUDIT_INFO : AUDIT_WARNING);
    audit_text(&event, "operation", operation);
    audit_text(&event, "session_id", session_id);
    audit_text(&event, "file_id", file_id);
    audit_text(&event, "filename", filename);
    audit_flag(&event, "success", success);
    audit_text(&event, "client_ip", http_request_client_ip(request));
    audit_text(&event, "api_key_prefix", http_request_key_prefix(request));
    audit_text(&event, "request_id", http_request_id(request));
    audit_post(audit_of(request), &event);
}

static void audited_session(struct http_request *request, const char *session_id)
{
    struct audit_event event;

    audit_begin(&event, "session", AUDIT_INFO);
    audit_text(&event, "operation", "created");
    audit_text(&event, "session_id", session_id);
    audit_text(&event, "client_ip", http_request_client_ip(request));
    audit_text(&event, "request_id", http_request_id(request));
    audit_post(audit_of(request), &event);
}

void audited_upload(struct http_request *request, const struct intake *intake, const struct session *session)
{
    if (session)
        audited_session(request, session->id);
    for (size_t i = 0; i < intake->n_files; i++) {
        const struct intake_file *file = intake->files[i];
        bool stored = session && file->fault == INTAKE_FINE;

        audited_file(request, "upload", session ? session->id : NULL, stored ? file->record.id : NULL,
                     stored ? file->record.name : file->received, stored);
    }
}

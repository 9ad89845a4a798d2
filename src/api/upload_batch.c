/* SPDX-License-Identifier: Apache-2.0 */
/* upload_batch.c -- POST /upload/batch: many files into a new session, each with a result of its own (files.md F2). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/handlers.h"
#include "api/upload_intake.h"
#include "base/cleanup.h"
#include "base/log.h"

static const struct intake_rules rules = { .unnamed = "unknown", .type_deferred = true };

static int open_form(struct http_request *request, void **ret_context)
{
    return intake_open(request, &rules, ret_context);
}

const struct http_upload upload_batch_reception = {
    .open = open_form,
    .part_begin = intake_part_begin,
    .part_data = intake_part_data,
    .part_end = intake_part_end,
    .close = intake_close,
};

/* Skills ship what the whitelist does not know; their files are never run by themselves. */
static void types_judge(struct intake *intake)
{
    if (intake->marks.agent && intake->api->agent_bypass_extensions)
        return;
    for (size_t i = 0; i < intake->n_files; i++)
        if (intake->files[i]->fault == INTAKE_FINE && !intake_type_allowed(intake, intake->files[i]))
            intake->files[i]->fault = INTAKE_BAD_TYPE;
}

static json_t *fault_text(const struct intake *intake, const struct intake_file *file)
{
    switch (file->fault) {
    case INTAKE_TOO_LARGE:
        return json_sprintf("File exceeds %uMB limit", intake_max_file_mb(intake));
    case INTAKE_BAD_NAME:
        return json_sprintf("Invalid filename: %s", file->reason);
    case INTAKE_BAD_TYPE:
        return json_sprintf("File type not allowed: %s", file->received);
    default:
        return json_string("Failed to store file");
    }
}

static json_t *file_json(const struct intake *intake, const struct intake_file *file)
{
    if (file->fault == INTAKE_FINE)
        return json_pack("{s:s, s:s, s:s}", "status", "success", "fileId", file->record.id, "filename",
                         file->record.name);
    return json_pack("{s:s, s:o, s:o}", "status", "error", "filename",
                     json_stringn(file->received, file->received_length), "error", fault_text(intake, file));
}

static json_t *batch_json(const struct intake *intake, const struct session *session)
{
    json_t *files = json_array();
    size_t n_failed = 0;

    for (size_t i = 0; i < intake->n_files; i++) {
        n_failed += intake->files[i]->fault != INTAKE_FINE;
        json_array_append_new(files, file_json(intake, intake->files[i]));
    }
    return json_pack("{s:s, s:s, s:s, s:o, s:i, s:i}", "message",
                     n_failed == 0                ? "success"
                     : n_failed < intake->n_files ? "partial"
                                                  : "error",
                     "storage_session_id", session->id, "session_id", session->id, "files", files, "succeeded",
                     (int)(intake->n_files - n_failed), "failed", (int)n_failed);
}

/* Makes each file durable; one that cannot be is at fault, the others go on. */
static void files_finish(struct http_request *request, struct intake *intake)
{
    for (size_t i = 0; i < intake->n_files; i++) {
        struct intake_file *file = intake->files[i];
        int r = file->fault == INTAKE_FINE ? intake_finish_file(intake, file) : 0;

        if (!r)
            continue;
        log_error("Upload %s: cannot store a file: %s", http_request_id(request),
                  r < 0 ? strerror(-r) : "no space left");
        file->fault = INTAKE_STORAGE;
    }
}

/* On an offload thread. */
static void finish_and_answer(void *context)
{
    struct http_request *request = context;
    struct intake *intake = http_request_upload_context(request);
    struct session session;
    int r;

    types_judge(intake);
    files_finish(request, intake);
    r = intake_store(intake, http_request_tenant(request), &session);
    audited_upload(request, intake, r < 0 ? NULL : &session);
    if (r < 0)
        answer_fault(request, 500, "Failed to upload files", "cannot store a batch", r);
    else
        http_respond_json(request, 200, batch_json(intake, &session));
}

void handle_upload_batch(struct http_request *request)
{
    struct intake *intake = http_request_upload_context(request);
    char text[96];

    if (!intake || (intake->n_files == 0 && !intake->too_many)) {
        answer_invalid(request, "body -> file", "missing", "At least one file required");
    } else if (!intake_marks_settle(request, intake)) {
        return;
    } else if (intake->too_many) {
        snprintf(text, sizeof(text), "Too many files in batch. Maximum %u files allowed per upload.",
                 intake->api->max_upload_files);
        http_respond_error(request, 413, text, NULL, 0, NULL);
    } else
        answer_offloaded(request, finish_and_answer);
}

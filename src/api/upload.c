/* SPDX-License-Identifier: Apache-2.0 */
/* upload.c -- POST /upload: one or more files into a new session, all or none (files.md F1). */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/handlers.h"
#include "api/upload_intake.h"
#include "base/cleanup.h"

#define UPLOAD_FAILED "Failed to upload files"

static const struct intake_rules rules = { .either_name = true, .all_or_none = true };

static int open_form(struct http_request *request, void **ret_context)
{
    return intake_open(request, &rules, ret_context);
}

const struct http_upload upload_reception = {
    .open = open_form,
    .part_begin = intake_part_begin,
    .part_data = intake_part_data,
    .part_end = intake_part_end,
    .close = intake_close,
};

/* The file whose fault comes first in the order of F1's checks, or NULL. */
static const struct intake_file *worst_file(const struct intake *intake)
{
    const struct intake_file *worst = NULL;

    for (size_t i = 0; i < intake->n_files; i++)
        if (intake->files[i]->fault != INTAKE_FINE && (!worst || intake->files[i]->fault < worst->fault))
            worst = intake->files[i];
    return worst;
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct http_request *request, unsigned status, const char *format, ...)
{
    CLEANUP_FREE char *text = NULL;
    va_list args;
    int n;

    va_start(args, format);
    n = vasprintf(&text, format, args);
    va_end(args);
    if (n < 0)
        text = NULL;
    http_respond_error(request, status, text ? text : UPLOAD_FAILED, NULL, 0, NULL);
}

/* Answers if something is wrong with the files. Returns false then. */
static bool files_are_fine(struct http_request *request, const struct intake *intake)
{
    const struct intake_file *worst = worst_file(intake);
    enum intake_fault fault = worst ? worst->fault : INTAKE_FINE;

    if (intake->too_many && fault != INTAKE_TOO_LARGE)
        fault = INTAKE_TOO_MANY;
    if (fault != INTAKE_FINE)
        audited_upload(request, intake, NULL);
    switch (fault) {
    case INTAKE_FINE:
        return true;
    case INTAKE_TOO_LARGE:
        refuse(request, 413, "File %s exceeds maximum size of %uMB", worst->received, intake_max_file_mb(intake));
        break;
    case INTAKE_TOO_MANY:
        refuse(request, 413, "Too many files. Maximum %u files allowed", intake->api->max_upload_files);
        break;
    case INTAKE_BAD_NAME:
        refuse(request, 400, "Invalid filename: %s", worst->reason);
        break;
    case INTAKE_BAD_TYPE:
        refuse(request, 415, "File type not allowed: %s", worst->received);
        break;
    case INTAKE_STORAGE:
        answer_fault(request, 500, UPLOAD_FAILED, "cannot store an upload", -ENOSPC);
        break;
    }
    return false;
}

static json_t *upload_json(const struct intake *intake, const struct session *session)
{
    json_t *files = json_array();

    for (size_t i = 0; i < intake->n_files; i++)
        json_array_append_new(files, json_pack("{s:s, s:s}", "filename", intake->files[i]->record.name, "fileId",
                                               intake->files[i]->record.id));
    return json_pack("{s:s, s:s, s:s, s:o}", "message", "success", "storage_session_id", session->id, "session_id",
                     session->id, "files", files);
}

/* Makes all files durable and their records with them. Returns 0, a positive outcome or a negative errno. */
static int finish(struct http_request *request, struct intake *intake, struct session *ret_session)
{
    for (size_t i = 0; i < intake->n_files; i++) {
        int r = intake_finish_file(intake, intake->files[i]);

        if (r)
            return r;
    }
    return intake_store(intake, http_request_tenant(request), ret_session);
}

/* On an offload thread. */
static void finish_and_answer(void *context)
{
    struct http_request *request = context;
    struct intake *intake = http_request_upload_context(request);
    struct session session;
    int r = finish(request, intake, &session);

    audited_upload(request, intake, r ? NULL : &session);
    if (r)
        answer_fault(request, 500, UPLOAD_FAILED, "cannot store an upload", r < 0 ? r : -ENOSPC);
    else
        http_respond_json(request, 200, upload_json(intake, &session));
}

void handle_upload(struct http_request *request)
{
    struct intake *intake = http_request_upload_context(request);

    if (!intake || (intake->n_files == 0 && !intake->too_many))
        answer_invalid(request, "body -> files", "missing", "Field required");
    else if (intake_marks_settle(request, intake) && files_are_fine(request, intake))
        answer_offloaded(request, finish_and_answer);
}

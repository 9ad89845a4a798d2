/* SPDX-License-Identifier: Apache-2.0 */
/* audited.h -- what the handlers tell the audit log (security.md S5.2), one call a fact. All of it is to be said before
 * the final call of the request. */
#pragma once

#include "api/api.h"
#include "api/upload_intake.h"
#include "domain/key.h"
#include "engine/admission.h"

/* http_options.attempted; data is the struct api. */
void audited_attempt(const struct http_attempt *attempt, void *data);

/* A request that a limit refused. type: "auth_failures", "api_key" or "endpoint". */
void audited_limit(const struct api *api, const struct http_claim *claim, const char *type, const char *period,
                   int64_t limit, int64_t used);

/* A change of a managed key, or an attempt at one: key_event.h says what of. */
void audited_key(struct http_request *request, const char *operation, const char *key_hash, const char *name,
                 const struct key_change *change, bool success);

/* After a run, however it ended, and when its program begins to wait for its client. Looks for patterns in its source
 * (S2): they are warnings and block nothing. */
void audited_execution(struct http_request *request, const struct execution_job *job, enum admission_end end);

/* Who asked for a run, for what happens to it when there is no request. */
struct audited_client {
    char key_prefix[32], ip[48];
};

void audited_client(const struct http_request *request, struct audited_client *ret_client);

/* The end of a run that was noted as waiting for its client, and was given up. */
void audited_dropped(const struct api *api, const struct audited_client *client, const struct execution_job *job);

/* operation: "upload", "download" or "delete". file_id and filename may be NULL, session_id too. */
void audited_file(struct http_request *request, const char *operation, const char *session_id, const char *file_id,
                  const char *filename, bool success);

/* Every file of a form. session: the new one, or NULL if nothing was stored. */
void audited_upload(struct http_request *request, const struct intake *intake, const struct session *session);

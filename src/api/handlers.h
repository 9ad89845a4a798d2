/* SPDX-License-Identifier: Apache-2.0 */
/* handlers.h -- what the table in routes.c points to. One file an endpoint group. */
#pragma once

#include "api/api.h"

void handle_exec(struct http_request *request);        /* exec.c */
void handle_exec_stream(struct http_request *request); /* exec_stream.c, extensions.md X4 */

void handle_execution(struct http_request *request); /* executions.c, X5 */
void handle_execution_cancel(struct http_request *request);
void handle_execution_stream(struct http_request *request); /* X4 */
void handle_execution_stdin(struct http_request *request);

void handle_programmatic(struct http_request *request); /* ptc.c, ptc.md */
void handle_programmatic_cancel(struct http_request *request);

void handle_upload(struct http_request *request); /* upload.c, files.md F1 */
extern const struct http_upload upload_reception;
void handle_upload_batch(struct http_request *request); /* upload_batch.c, F2 */
extern const struct http_upload upload_batch_reception;

void handle_files(struct http_request *request);       /* files.c, F3 */
void handle_object(struct http_request *request);      /* F4 */
void handle_file_delete(struct http_request *request); /* F6 */
void handle_download(struct http_request *request);    /* download.c, F5 */

void handle_health(struct http_request *request); /* health.c, admin.md A1 */
void handle_health_detailed(struct http_request *request);
void handle_health_redis(struct http_request *request);
void handle_health_s3(struct http_request *request);
void handle_health_nsjail(struct http_request *request);
void handle_ready(struct http_request *request); /* extensions.md X2 */

void handle_keys(struct http_request *request); /* admin_keys.c, admin.md A3 */
void handle_key_create(struct http_request *request);
void handle_key_change(struct http_request *request);
void handle_key_revoke(struct http_request *request);

void handle_security_auth_stats(struct http_request *request); /* security.c, admin.md A5 */
void handle_security_rate_limits(struct http_request *request);
void handle_security_events(struct http_request *request);

void handle_docs(struct http_request *request); /* docs.c, A6 */
void handle_openapi(struct http_request *request);
void handle_config(struct http_request *request);

void handle_languages(struct http_request *request); /* languages.c, X3 */

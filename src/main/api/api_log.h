/* SPDX-License-Identifier: Apache-2.0 */
/* api_log.h -- the api's log: where it goes, and one line per request. */
#pragma once

#include "http/http.h"
#include "main/config/config.h"

/* Lines go to stdout, which serve has pointed at LOG_FILE if there is one. */
void api_log_init(const struct config *config);

/* Lines go there from now on: LOG_FILE, which the warden has opened again. */
void api_log_use(int fd);

/* http_options.completed: the access log. */
void api_log_request(const struct http_summary *summary, void *data);

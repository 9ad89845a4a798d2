/* SPDX-License-Identifier: Apache-2.0 */
/* events.h -- an answer that is the events of an execution (extensions.md X4). */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/live.h"
#include "http/http.h"

/* Begins the answer of a suspended request: the events after after_id, 0 = all, and those to come. holds_back as in
 * live.h. The request's owner still makes the final call, http_stream_end() without last. Returns 0, or a negative
 * errno or outcome of live_reader_new(): then there is no answer yet. */
int events_begin(struct http_request *request, struct live *live, const char *execution_id, uint64_t after_id,
                 bool holds_back);

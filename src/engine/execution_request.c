/* SPDX-License-Identifier: Apache-2.0 */
/* What an execution was asked and what came of it: the memory of both (execution.h). */
#include <jansson.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "engine/execution.h"
#include "engine/feed.h"
#include "engine/live.h"
#include "engine/running.h"

void execution_request_deinit(struct execution_request *request)
{
    for (size_t i = 0; i < request->n_args; i++)
        free(request->args[i]);
    for (size_t i = 0; i < request->n_files; i++) {
        struct execution_file *file = &request->files[i];

        free(file->id);
        free(file->storage_session_id);
        free(file->name);
        free(file->resource_id);
        free(file->kind);
        free(file->entity_id);
    }
    free(request->args);
    free(request->files);
    free(request->code);
    free(request->user_id);
    free(request->entity_id);
    free(request->session_id);
    tool_channel_free(request->tools);
    cleanup_close_fd(&request->client_fd);
    run_unref(request->run);
    live_unref(request->live);
    feed_unref(request->feed);
    *request = (struct execution_request){ .client_fd = -1 };
}

void execution_result_deinit(struct execution_result *result)
{
    for (char **name = result->deleted_files; name && *name; name++)
        free(*name);
    for (unsigned i = 0; i < result->truncation.n_names; i++)
        free(result->truncation.names[i]);
    free(result->deleted_files);
    free(result->files);
    json_decref(result->shown);
    buffer_deinit(&result->out);
    buffer_deinit(&result->err);
    *result = (struct execution_result){ .keeper_fd = result->keeper_fd };
}

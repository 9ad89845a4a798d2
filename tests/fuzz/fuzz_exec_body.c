/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /exec, from JSON text to a checked execution. What was accepted must keep its promises. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "api/exec_body.h"
#include "http/json_foreign.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct language_table languages = {
    .languages = { { .code = "py", .aliases = { "python" }, .available = true },
                   { .code = "go", .reason = "install the package golang-go" } },
    .n_languages = 2,
};

static void check_accepted(const struct execution_request *request)
{
    size_t args_bytes = 0;

    assert(request->language && request->language->available);
    assert(request->code && request->code_length > 0);
    assert(request->timeout_ms == 0 || (request->timeout_ms >= 1000 && request->timeout_ms <= 300000));
    assert(!request->entity_id || (request->entity_id[0] && strlen(request->entity_id) < ENTITY_ID_SIZE));
    assert(!request->session_id || (request->session_id[0] && strlen(request->session_id) < ID_MAX_SIZE));
    assert(request->n_args <= EXECUTION_ARGS_MAX && request->n_files <= EXECUTION_FILES_MAX);
    for (size_t i = 0; i < request->n_args; i++) {
        size_t length = strlen(request->args[i]);

        assert(length > 0 && length <= EXEC_BODY_ARG_BYTES_MAX);
        args_bytes += sizeof(char *) + length + 1;
    }
    assert(args_bytes <= EXEC_BODY_ARGS_BYTES_MAX);
    for (size_t i = 0; i < request->n_files; i++) {
        assert(strlen(request->files[i].id) < ID_MAX_SIZE &&
               strlen(request->files[i].storage_session_id) < ID_MAX_SIZE);
        assert(strlen(request->files[i].name) < FILE_NAME_SIZE);
        assert(request->files[i].resource_id && request->files[i].kind && request->files[i].entity_id);
    }
}

static void check_refused(const struct exec_body_refusal *refusal)
{
    assert(refusal->status == 400 || refusal->status == 422);
    assert(refusal->error[0] && json_array_size(refusal->details) > 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct execution_request request = { .client_fd = -1 };
    struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    json_t *root = json_foreign_parse((const char *)data, size);
    int r;

    if (!json_is_object(root)) {
        json_decref(root);
        return 0;
    }
    r = exec_body_parse(root, &languages, &request, &refusal);
    json_decref(root);
    if (r == 0)
        check_accepted(&request);
    else if (r == EXEC_BODY_E_REFUSED)
        check_refused(&refusal);
    execution_request_deinit(&request);
    exec_body_refusal_deinit(&refusal);
    return 0;
}

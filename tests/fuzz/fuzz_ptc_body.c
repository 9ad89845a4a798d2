/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /exec/programmatic. What was accepted must keep its promises. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "api/ptc_body.h"
#include "engine/tool_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char runtime[] = "/usr/bin/python3";

static struct language_table languages = {
    .languages = { { .code = "py", .aliases = { "python" }, .tools = { runtime }, .available = true },
                   { .code = "go", .available = true } },
    .n_languages = 2,
};

static void check_tools(const struct tool_channel *tools)
{
    json_t *manifest = json_loadb(tools->manifest, tools->manifest_length, 0, NULL);

    assert(tools->n_names <= TOOL_COUNT_MAX && json_array_size(manifest) == tools->n_names);
    for (size_t i = 0; i < tools->n_names; i++) {
        const json_t *entry = json_array_get(manifest, i);

        assert(tools->names[i][0] && strlen(tools->names[i]) <= TOOL_NAME_BYTES_MAX);
        assert(strcmp(json_string_value(json_object_get(entry, "name")), tools->names[i]) == 0);
        assert(json_is_string(json_object_get(entry, "description")) &&
               json_is_array(json_object_get(entry, "parameters")));
    }
    json_decref(manifest);
}

static void check_accepted(const struct ptc_body *body, const struct execution_request *request)
{
    for (size_t i = 0; i < json_array_size(body->results); i++)
        assert(json_is_string(json_object_get(json_array_get(body->results, i), "call_id")));
    if (body->token || body->blank)
        return;
    assert(request->language->tools[0] && request->code_length > 0 && request->tools);
    check_tools(request->tools);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    struct execution_request request = { .client_fd = -1 };
    json_t *root = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    struct ptc_body body;
    int r;

    if (!json_is_object(root)) {
        json_decref(root);
        return 0;
    }
    r = ptc_body_parse(root, &languages, &request, &body, &refusal);
    assert(r == 0 || r == EXEC_BODY_E_REFUSED);
    if (r == 0)
        check_accepted(&body, &request);
    else
        assert(refusal.status == 422 && refusal.error[0] && json_array_size(refusal.details) > 0);
    exec_body_refusal_deinit(&refusal);
    execution_request_deinit(&request);
    json_decref(root);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The body of POST /exec/programmatic. What was accepted must keep its promises. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "api/ptc_body.h"
#include "api/ptc_results.h"
#include "engine/json_text.h"
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

static json_t *parse(const char *text, size_t length)
{
    struct buffer rest = BUFFER_INIT(SIZE_MAX / 2);
    int r = ptc_results_cut(text, length, &rest);
    json_t *root;

    assert(r == 0 || r == -EBADMSG);
    root = r == 0 && rest.data ? json_loadb(rest.data, rest.length, JSON_ALLOW_NUL, NULL)
                               : json_loadb(text, length, JSON_ALLOW_NUL, NULL);
    buffer_deinit(&rest);
    return root;
}

/* Whatever is handed to the program is JSON of the body's. */
static void check_places(const json_t *results, const char *text, size_t size)
{
    for (size_t i = 0; i < json_array_size(results); i++) {
        const json_t *place = json_object_get(json_array_get(results, i), "result");
        struct json_text_part key, value;
        struct json_text_walk walk;
        char *list;
        size_t n;
        const char *at = ptc_results_at(text, size, place, &n);

        assert(!place || at != text);
        list = malloc(n + 2);
        assert(list);
        list[0] = '[';
        memcpy(list + 1, at, n);
        list[n + 1] = ']';
        assert(json_text_open(list, n + 2, &walk) && json_text_next(&walk, &key, &value) == 1 && value.length == n);
        free(list);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    struct execution_request request = { .client_fd = -1 };
    json_t *root = parse((const char *)data, size);
    struct ptc_body body;
    int r;

    if (!json_is_object(root)) {
        json_decref(root);
        return 0;
    }
    r = ptc_body_parse(root, &languages, &request, &body, &refusal);
    assert(r == 0 || r == EXEC_BODY_E_REFUSED);
    if (r == 0) {
        check_accepted(&body, &request);
        check_places(body.results, (const char *)data, size);
    } else
        assert(refusal.status == 422 && refusal.error[0] && json_array_size(refusal.details) > 0);
    exec_body_refusal_deinit(&refusal);
    execution_request_deinit(&request);
    json_decref(root);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ptc_body.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "engine/tool_frame.h"

#define RESULTS_MAX TOOL_CALLS_MAX

/* The violations found so far. */
struct check {
    json_t *details;
    int error; /* a negative errno that ends the checks */
};

static bool is_given(const json_t *value)
{
    return value && !json_is_null(value);
}

static void violate(struct check *check, const char *list, size_t index, const char *name, const char *code,
                    const char *message)
{
    char field[96];
    json_t *detail;

    if (name)
        snprintf(field, sizeof(field), "body -> %s -> %zu -> %s", list, index, name);
    else
        snprintf(field, sizeof(field), "body -> %s", list);
    detail = json_pack("{s:s, s:s, s:s}", "field", field, "message", message, "code", code);
    if (json_array_append_new(check->details, detail) < 0)
        check->error = -ENOMEM;
}

enum kind {
    KIND_NAME, /* a non-empty text without NUL of at most TOOL_NAME_BYTES_MAX */
    KIND_TEXT,
    KIND_OBJECT,
    KIND_FLAG,
};

/* A member of the items of a list. Absent and null count as not given. */
struct member {
    const char *name;
    enum kind kind;
    bool required;
};

static const struct member tool_members[] = {
    { "name", KIND_NAME, true },
    { "description", KIND_TEXT, false },
    { "parameters", KIND_OBJECT, false },
};

static const struct member result_members[] = {
    { "call_id", KIND_TEXT, true },
    { "is_error", KIND_FLAG, false },
    { "error_message", KIND_TEXT, false },
};

static bool is_kind(const json_t *value, enum kind kind)
{
    switch (kind) {
    case KIND_NAME:
        return json_is_string(value) && json_string_length(value) > 0 &&
               json_string_length(value) <= TOOL_NAME_BYTES_MAX &&
               strlen(json_string_value(value)) == json_string_length(value);
    case KIND_TEXT:
        return json_is_string(value);
    case KIND_OBJECT:
        return json_is_object(value);
    case KIND_FLAG:
        return json_is_boolean(value);
    }
    return false;
}

static const struct {
    const char *code, *message;
} complaints[] = {
    [KIND_NAME] = { "string_type", "Input should be a text of 1 to 1024 bytes without null characters" },
    [KIND_TEXT] = { "string_type", "Input should be a valid string" },
    [KIND_OBJECT] = { "model_attributes_type", "Input should be a valid object" },
    [KIND_FLAG] = { "bool_parsing", "Input should be a valid boolean" },
};

static void check_item(struct check *check, const char *list, size_t index, const json_t *item,
                       const struct member *members, size_t n_members)
{
    if (!json_is_object(item)) {
        violate(check, list, index, "", "model_attributes_type", "Input should be a valid object");
        return;
    }
    for (size_t i = 0; i < n_members; i++) {
        const json_t *value = json_object_get(item, members[i].name);
        enum kind kind = members[i].kind;

        if (is_given(value) && !is_kind(value, kind))
            violate(check, list, index, members[i].name, complaints[kind].code, complaints[kind].message);
        else if (!is_given(value) && members[i].required)
            violate(check, list, index, members[i].name, value ? complaints[kind].code : "missing", "Field required");
    }
}

static void check_list(struct check *check, const char *name, const json_t *list, size_t most,
                       const struct member *members, size_t n_members)
{
    if (!is_given(list))
        return;
    if (!json_is_array(list))
        violate(check, name, 0, NULL, "list_type", "Input should be a valid list");
    else if (json_array_size(list) > most)
        violate(check, name, 0, NULL, "too_long", "List should have at most 1024 items");
    else
        for (size_t i = 0; i < json_array_size(list) && !check->error; i++)
            check_item(check, name, i, json_array_get(list, i), members, n_members);
}

static int refuse(struct check *check, struct exec_body_refusal *refusal)
{
    if (check->error)
        return check->error;
    if (json_array_size(check->details) == 0)
        return 0;
    *refusal = (struct exec_body_refusal){ .status = 422, .details = json_incref(check->details) };
    snprintf(refusal->error, sizeof(refusal->error), "Request validation failed");
    return EXEC_BODY_E_REFUSED;
}

static int check_results(const json_t *root, struct ptc_body *body, struct exec_body_refusal *refusal)
{
    CLEANUP_JSON json_t *details = json_array();
    struct check check = { .details = details };
    const json_t *list = json_object_get(root, "tool_results");

    if (!details)
        return -ENOMEM;
    check_list(&check, "tool_results", list, RESULTS_MAX, result_members, ARRAY_SIZE(result_members));
    body->results = is_given(list) ? list : NULL;
    return refuse(&check, refusal);
}

static int append_name(json_t *names, const char *name)
{
    for (size_t i = 0; i < json_array_size(names); i++)
        if (strcmp(json_string_value(json_array_get(names, i)), name) == 0)
            return 0;
    return json_array_append_new(names, json_string(name)) < 0 ? -ENOMEM : 0;
}

/* The names of a tool's parameters in the order of positional arguments: required ones first (P5.4). */
static json_t *parameter_names(json_t *schema)
{
    CLEANUP_JSON json_t *names = json_array();
    json_t *properties = json_object_get(schema, "properties"), *required = json_object_get(schema, "required");
    const char *key;
    json_t *value;
    size_t i;
    int r = names ? 0 : -ENOMEM;

    json_array_foreach(required, i, value)
    {
        const char *name = json_string_value(value);

        if (r == 0 && name && strlen(name) == json_string_length(value) && json_object_get(properties, name))
            r = append_name(names, name);
    }
    json_object_foreach(properties, key, value)
    {
        if (r == 0)
            r = append_name(names, key);
    }
    return r == 0 ? TAKE_PTR(names) : NULL;
}

static int describe_tool(json_t *manifest, const json_t *tool)
{
    json_t *description = json_object_get(tool, "description"), *entry;

    entry = json_pack("{s:O, s:o, s:o}", "name", json_object_get(tool, "name"), "description",
                      is_given(description) ? json_incref(description) : json_string(""), "parameters",
                      parameter_names(json_object_get(tool, "parameters")));
    return json_array_append_new(manifest, entry) < 0 ? -ENOMEM : 0;
}

/* What the agent inside the cell is told of the tools. */
static int make_manifest(const json_t *tools, char **ret_manifest)
{
    CLEANUP_JSON json_t *manifest = json_array();
    int r = manifest ? 0 : -ENOMEM;

    for (size_t i = 0; i < json_array_size(tools) && r == 0; i++)
        r = describe_tool(manifest, json_array_get(tools, i));
    if (r == 0)
        *ret_manifest = json_dumps(manifest, JSON_COMPACT | JSON_ENSURE_ASCII);
    return r ? r : *ret_manifest ? 0 : -ENOMEM;
}

static int copy_names(const json_t *tools, size_t n, char **names)
{
    for (size_t i = 0; i < n; i++) {
        names[i] = strdup(json_string_value(json_object_get(json_array_get(tools, i), "name")));
        if (!names[i])
            return -ENOMEM;
    }
    return 0;
}

static int make_channel(struct check *check, const json_t *tools, struct tool_channel **ret_channel)
{
    size_t n = json_array_size(tools);
    CLEANUP_FREE char *manifest = NULL;
    char **names;
    int r = make_manifest(tools, &manifest);

    if (!manifest)
        return r < 0 ? r : -ENOMEM;
    if (strlen(manifest) > PTC_MANIFEST_BYTES_MAX) {
        violate(check, "tools", 0, NULL, "too_long", "Tools should have at most 4 MiB together");
        return 0;
    }
    names = calloc(n + 1, sizeof(*names));
    if (!names)
        return -ENOMEM;
    r = copy_names(tools, n, names);
    *ret_channel = tool_channel_new(names, n, TAKE_PTR(manifest));
    return r == 0 && !*ret_channel ? -ENOMEM : r;
}

static int take_tools(struct check *check, const json_t *root, struct execution_request *request)
{
    const json_t *tools = json_object_get(root, "tools");
    size_t n_before = json_array_size(check->details);

    check_list(check, "tools", tools, TOOL_COUNT_MAX, tool_members, ARRAY_SIZE(tool_members));
    if (check->error || json_array_size(check->details) > n_before)
        return check->error;
    return make_channel(check, tools, &request->tools);
}

/* The name must mean a language which can call tools. */
static void check_language(struct check *check, const char *lang, const struct language_table *languages)
{
    const struct language *language = language_find(languages, lang);

    if (!language || !language->tools[0])
        violate(check, "lang", 0, NULL, "unsupported_language", "Programs that call tools cannot be in this language");
    else if (!language->available)
        violate(check, "lang", 0, NULL, "language_unavailable", "This language is not installed on this server");
}

/* The members of a first request that POST /exec has too, as it has them. */
static json_t *as_exec(const json_t *root)
{
    static const char *const shared[] = { "code", "session_id", "user_id", "entity_id", "files", "timeout" };
    CLEANUP_JSON json_t *body = json_object();
    json_t *lang = json_object_get(root, "lang");

    if (!is_given(lang))
        lang = json_object_get(root, "language");
    if (json_object_set_new(body, "lang", is_given(lang) ? json_incref(lang) : json_string("py")) < 0)
        return NULL;
    for (size_t i = 0; i < ARRAY_SIZE(shared); i++) {
        json_t *value = json_object_get(root, shared[i]);

        if (value && json_object_set(body, shared[i], value) < 0)
            return NULL;
    }
    if (!is_given(json_object_get(body, "code")) && json_object_set_new(body, "code", json_string("")) < 0)
        return NULL;
    return TAKE_PTR(body);
}

/* Takes the members that POST /exec has too. What it refuses for its shape is one more violation; the language is
 * judged here, so that else it is the code that is blank. Returns 0 or a negative errno. */
static int take_exec(struct check *check, const json_t *exec, const struct language_table *languages,
                     struct execution_request *request, bool *ret_blank)
{
    struct exec_body_refusal refusal = EXEC_BODY_REFUSAL_INIT;
    int r = exec_body_parse(exec, languages, request, &refusal);

    if (r == EXEC_BODY_E_REFUSED) {
        *ret_blank = refusal.status == 400;
        r = !*ret_blank && json_array_extend(check->details, refusal.details) < 0 ? -ENOMEM : 0;
    }
    exec_body_refusal_deinit(&refusal);
    return r;
}

static int take_first(const json_t *root, const struct language_table *languages, struct execution_request *request,
                      struct ptc_body *body, struct exec_body_refusal *refusal)
{
    CLEANUP_JSON json_t *exec = as_exec(root);
    CLEANUP_JSON json_t *details = json_array();
    const char *lang = json_string_value(json_object_get(exec, "lang"));
    const json_t *token = json_object_get(root, "continuation_token");
    struct check check = { .details = details };
    int r;

    if (!exec || !details)
        return -ENOMEM;
    if (is_given(token) && !json_is_string(token))
        violate(&check, "continuation_token", 0, NULL, "string_type", "Input should be a valid string");
    if (lang) /* if it is no text, the shape is refused */
        check_language(&check, lang, languages);
    r = take_tools(&check, root, request);
    if (r == 0)
        r = take_exec(&check, exec, languages, request, &body->blank);
    return r ? r : refuse(&check, refusal);
}

int ptc_body_parse(const json_t *root, const struct language_table *languages, struct execution_request *request,
                   struct ptc_body *ret_body, struct exec_body_refusal *ret_refusal)
{
    const json_t *token = json_object_get(root, "continuation_token");

    *ret_body = (struct ptc_body){ 0 };
    if (json_string_length(token) > 0) {
        ret_body->token = json_string_value(token);
        if (strlen(ret_body->token) != json_string_length(token))
            ret_body->token = ""; /* none of ours holds a NUL */
        return check_results(root, ret_body, ret_refusal);
    }
    return take_first(root, languages, request, ret_body, ret_refusal);
}

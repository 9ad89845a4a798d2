/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_body.h"

/* A body on its way through the parser. */
struct trial {
    struct execution_request request;
    struct exec_body_refusal refusal;
    int r;
};

static struct language_table languages = {
    .languages = {
        { .code = "py", .name = "Python", .aliases = { "python", "python3" }, .available = true },
        { .code = "go", .name = "Go", .aliases = { "golang" }, .reason = "install the package golang-go" },
    },
    .n_languages = 2,
};

static void parse_bytes(struct trial *trial, const char *body, size_t length)
{
    json_error_t error;
    json_t *root = json_loadb(body, length, JSON_ALLOW_NUL, &error);

    assert_non_null(root);
    *trial = (struct trial){ .request.client_fd = -1, .refusal = EXEC_BODY_REFUSAL_INIT };
    trial->r = exec_body_parse(root, &languages, &trial->request, &trial->refusal);
    json_decref(root);
}

static void parse(struct trial *trial, const char *body)
{
    parse_bytes(trial, body, strlen(body));
}

static void finish(struct trial *trial)
{
    execution_request_deinit(&trial->request);
    exec_body_refusal_deinit(&trial->refusal);
}

static const char *detail(const struct trial *trial, size_t index, const char *key)
{
    return json_string_value(json_object_get(json_array_get(trial->refusal.details, index), key));
}

static void expect_refusal(const char *body, int status, const char *field, const char *code)
{
    struct trial trial;

    parse(&trial, body);
    if (trial.r != EXEC_BODY_E_REFUSED || trial.refusal.status != status ||
        json_array_size(trial.refusal.details) != 1 || strcmp(detail(&trial, 0, "field"), field) != 0 ||
        strcmp(detail(&trial, 0, "code"), code) != 0) {
        char *details = json_dumps(trial.refusal.details, JSON_COMPACT);

        fail_msg("%.200s: %d, status %d, %s", body, trial.r, trial.refusal.status, details ? details : "no details");
    }
    assert_non_null(detail(&trial, 0, "message"));
    finish(&trial);
}

static void test_takes_every_field(void **state)
{
    static const char body[] =
        "{\"lang\":\"PY\",\"code\":\"print(1)\",\"args\":[\"a b\",42],\"user_id\":\"u-17\","
        "\"entity_id\":\"agent_7\",\"session_id\":\"s\",\"timeout\":20000,\"intent\":{},"
        "\"runtime_session_hint\":\"x\",\"files\":[{\"id\":\"f1\",\"storage_session_id\":\"new\","
        "\"session_id\":\"old\",\"name\":\"a/b.csv\",\"resource_id\":\"r\",\"kind\":\"skill\","
        "\"version\":3,\"entity_id\":\"e\"},{\"id\":\"f2\",\"session_id\":\"old\",\"name\":\"c\"}]}";
    struct trial trial;
    const struct execution_file *files;

    (void)state;
    parse(&trial, body);
    assert_int_equal(trial.r, 0);
    assert_string_equal(trial.request.language->code, "py");
    assert_string_equal(trial.request.code, "print(1)");
    assert_int_equal(trial.request.code_length, 8);
    assert_int_equal(trial.request.n_args, 2);
    assert_string_equal(trial.request.args[0], "a b");
    assert_string_equal(trial.request.args[1], "42");
    assert_string_equal(trial.request.user_id, "u-17");
    assert_string_equal(trial.request.entity_id, "agent_7");
    assert_string_equal(trial.request.session_id, "s");
    assert_int_equal(trial.request.timeout_ms, 20000);
    assert_int_equal(trial.request.n_files, 2);
    files = trial.request.files;
    assert_string_equal(files[0].storage_session_id, "new");
    assert_string_equal(files[0].name, "a/b.csv");
    assert_string_equal(files[0].resource_id, "r");
    assert_string_equal(files[0].kind, "skill");
    assert_string_equal(files[0].entity_id, "e");
    assert_true(files[0].has_version);
    assert_int_equal(files[0].version, 3);
    assert_string_equal(files[1].storage_session_id, "old");
    assert_string_equal(files[1].kind, "");
    assert_false(files[1].has_version);
    finish(&trial);
}

static void test_empty_and_null_count_as_absent(void **state)
{
    static const char *const bodies[] = {
        "{\"lang\":\"py\",\"code\":\"x\",\"user_id\":\"\",\"entity_id\":\"\",\"session_id\":\"\",\"args\":\"\","
        "\"files\":[]}",
        "{\"lang\":\"py\",\"code\":\"x\",\"user_id\":null,\"entity_id\":null,\"session_id\":null,\"args\":null,"
        "\"files\":null,\"timeout\":null}",
        "{\"lang\":\"py\",\"code\":\"x\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct trial trial;

        parse(&trial, bodies[i]);
        assert_int_equal(trial.r, 0);
        assert_null(trial.request.user_id);
        assert_null(trial.request.entity_id);
        assert_null(trial.request.session_id);
        assert_int_equal(trial.request.n_args, 0);
        assert_int_equal(trial.request.n_files, 0);
        assert_int_equal(trial.request.timeout_ms, 0);
        finish(&trial);
    }
}

static void test_args_are_normalised(void **state)
{
    static const struct {
        const char *args;
        const char *expected[4];
    } cases[] = {
        { "[]", { NULL } },
        { "\"  \"", { NULL } },
        { "\"\\u3000\\u00a0\"", { NULL } },
        { "\"arg with spaces\"", { "arg with spaces" } },
        { "[\"a\", null, \"\", \" \", \"b\"]", { "a", "b" } },
        { "[42, true, false, 1.5]", { "42", "true", "false", "1.5" } },
        { "[0.1, -3, 1e300, 2.0]", { "0.1", "-3", "1e+300", "2.0" } },
        { "7", { "7" } },
        { "true", { "true" } },
        { "{\"a\": [1, \"x\"]}", { "{\"a\":[1,\"x\"]}" } },
        { "[[1, 2], {}]", { "[1,2]", "{}" } },
        { "\"a\\u0000b\"", { "a" } },
        { "[\"a\\u0000b\", \"\\u0000b\", \" \\u0000b\", {\"a\": \"\\u0000\"}]", { "a", "{\"a\":\"\\u0000\"}" } },
        { "\" \\u4e16 \"", { " \u4e16 " } },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct trial trial;
        char body[256];
        size_t n = 0;

        snprintf(body, sizeof(body), "{\"lang\":\"py\",\"code\":\"x\",\"args\":%s}", cases[i].args);
        parse(&trial, body);
        assert_int_equal(trial.r, 0);
        for (; n < 4 && cases[i].expected[n]; n++) {
            assert_true(n < trial.request.n_args);
            assert_string_equal(trial.request.args[n], cases[i].expected[n]);
        }
        assert_int_equal(trial.request.n_args, n);
        finish(&trial);
    }
}

static void test_one_violation_each(void **state)
{
#define BASE "\"lang\":\"py\",\"code\":\"x\""
    static const struct {
        const char *body, *field, *code;
    } cases[] = {
        { "{\"lang\":\"py\"}", "body -> code", "missing" },
        { "{\"code\":\"x\"}", "body -> lang", "missing" },
        { "{\"lang\":\"py\",\"code\":null}", "body -> code", "string_type" },
        { "{\"lang\":\"py\",\"code\":5}", "body -> code", "string_type" },
        { "{\"lang\":[],\"code\":\"x\"}", "body -> lang", "string_type" },
        { "{\"lang\":\"py\\u0000\",\"code\":\"x\"}", "body -> lang", "value_error" },
        { "{" BASE ",\"user_id\":7}", "body -> user_id", "string_type" },
        { "{" BASE ",\"user_id\":\"a\\u0000b\"}", "body -> user_id", "value_error" },
        { "{" BASE ",\"session_id\":{}}", "body -> session_id", "string_type" },
        { "{" BASE ",\"entity_id\":\"a b\"}", "body -> entity_id", "string_pattern_mismatch" },
        { "{" BASE ",\"entity_id\":\"\u00e9\"}", "body -> entity_id", "string_pattern_mismatch" },
        { "{" BASE ",\"entity_id\":\"a\\u0000\"}", "body -> entity_id", "value_error" },
        { "{" BASE ",\"entity_id\":\"aaaaaaaaaabbbbbbbbbbccccccccccdddddddddde\"}", "body -> entity_id",
          "string_too_long" },
        { "{" BASE ",\"timeout\":999}", "body -> timeout", "greater_than_equal" },
        { "{" BASE ",\"timeout\":300001}", "body -> timeout", "less_than_equal" },
        { "{" BASE ",\"timeout\":-9223372036854775808}", "body -> timeout", "greater_than_equal" },
        { "{" BASE ",\"timeout\":\"abc\"}", "body -> timeout", "int_parsing" },
        { "{" BASE ",\"timeout\":\"\"}", "body -> timeout", "int_parsing" },
        { "{" BASE ",\"timeout\":\"99999999999999999999\"}", "body -> timeout", "int_parsing" },
        { "{" BASE ",\"timeout\":1500.5}", "body -> timeout", "int_type" },
        { "{" BASE ",\"timeout\":1e300}", "body -> timeout", "int_type" },
        { "{" BASE ",\"timeout\":true}", "body -> timeout", "int_type" },
        { "{" BASE ",\"files\":{}}", "body -> files", "list_type" },
        { "{" BASE ",\"files\":\"x\"}", "body -> files", "list_type" },
        { "{" BASE ",\"files\":[7]}", "body -> files -> 0", "model_attributes_type" },
        { "{" BASE ",\"files\":[{\"id\":\"x\",\"name\":\"y\"}]}", "body -> files -> 0 -> storage_session_id",
          "missing" },
        { "{" BASE ",\"files\":[{\"id\":\"x\",\"name\":\"y\",\"session_id\":\"\"}]}",
          "body -> files -> 0 -> storage_session_id", "missing" },
        { "{" BASE ",\"files\":[{\"id\":\"x\",\"name\":\"y\",\"session_id\":1}]}", "body -> files -> 0 -> session_id",
          "string_type" },
        { "{" BASE ",\"files\":[{\"id\":\"x\",\"session_id\":\"s\"}]}", "body -> files -> 0 -> name", "missing" },
        { "{" BASE ",\"files\":[{\"name\":\"x\",\"session_id\":\"s\"}]}", "body -> files -> 0 -> id", "missing" },
        { "{" BASE ",\"files\":[{\"id\":\"x\",\"name\":\"y\",\"session_id\":\"s\",\"resource_id\":\"r\\u0000\"}]}",
          "body -> files -> 0 -> resource_id", "value_error" },
        { "{" BASE ",\"files\":[{\"id\":\"x\",\"name\":\"y\",\"session_id\":\"s\",\"version\":\"v\"}]}",
          "body -> files -> 0 -> version", "int_parsing" },
    };
#undef BASE

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        expect_refusal(cases[i].body, 422, cases[i].field, cases[i].code);
}

static void test_all_violations_are_reported_together(void **state)
{
    static const char *const fields[] = {
        "body -> code",
        "body -> lang",
        "body -> entity_id",
        "body -> files -> 1 -> storage_session_id",
        "body -> files -> 1 -> id",
        "body -> files -> 1 -> name",
        "body -> timeout",
    };
    struct trial trial;

    (void)state;
    parse(&trial,
          "{\"entity_id\":\"a b\",\"timeout\":1,\"files\":[{\"id\":\"i\",\"name\":\"n\",\"session_id\":\"s\"},{}]}");
    assert_int_equal(trial.r, EXEC_BODY_E_REFUSED);
    assert_string_equal(trial.refusal.error, "Request validation failed");
    assert_int_equal(json_array_size(trial.refusal.details), sizeof(fields) / sizeof(fields[0]));
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
        assert_string_equal(detail(&trial, i, "field"), fields[i]);
    finish(&trial);
}

static void test_order_is_shape_language_code(void **state)
{
    (void)state;
    expect_refusal("{\"lang\":\"cobol\",\"code\":\"\",\"timeout\":1}", 422, "body -> timeout", "greater_than_equal");
    expect_refusal("{\"lang\":\"cobol\",\"code\":\"\"}", 400, "lang", "unsupported_language");
    expect_refusal("{\"lang\":\"go\",\"code\":\"\"}", 400, "lang", "language_unavailable");
    expect_refusal("{\"lang\":\"py\",\"code\":\"\"}", 400, "code", "empty_code");
    expect_refusal("{\"lang\":\"py\",\"code\":\" \\n\\t\\u2003 \"}", 400, "code", "empty_code");
}

static void test_language_texts(void **state)
{
    struct trial trial;
    char body[4096], name[2000];

    (void)state;
    parse(&trial, "{\"lang\":\"cobol\",\"code\":\"x\"}");
    assert_string_equal(trial.refusal.error, "Unsupported programming language: cobol");
    assert_string_equal(detail(&trial, 0, "message"), "Language 'cobol' is not supported");
    finish(&trial);

    parse(&trial, "{\"lang\":\"golang\",\"code\":\"x\"}");
    assert_string_equal(trial.refusal.error, "Language 'go' is not installed on this server");
    assert_string_equal(detail(&trial, 0, "message"), "install the package golang-go");
    assert_string_equal(json_string_value(json_object_get(trial.refusal.extra, "reason")),
                        "install the package golang-go");
    finish(&trial);

    for (size_t i = 0; i + 3 < sizeof(name); i += 3)
        memcpy(name + i, "\u4e16", 4);
    snprintf(body, sizeof(body), "{\"lang\":\"%s\",\"code\":\"x\"}", name);
    parse(&trial, body);
    assert_int_equal(trial.refusal.status, 400);
    assert_int_equal(strlen(trial.refusal.error), strlen("Unsupported programming language: ") + 63);
    finish(&trial);
}

static void test_code_may_hold_anything(void **state)
{
    struct trial trial;

    (void)state;
    parse(&trial, "{\"lang\":\"py\",\"code\":\"a\\u0000b\\u0001\xe4\xb8\x96\"}");
    assert_int_equal(trial.r, 0);
    assert_int_equal(trial.request.code_length, 7);
    assert_memory_equal(trial.request.code, "a\0b\x01\xe4\xb8\x96", 8);
    finish(&trial);
}

static void test_numbers_in_every_spelling(void **state)
{
    static const char *const spellings[] = { "5000", "5000.0", "\"5000\"", "5e3" };

    (void)state;
    for (size_t i = 0; i < sizeof(spellings) / sizeof(spellings[0]); i++) {
        struct trial trial;
        char body[128];

        snprintf(body, sizeof(body), "{\"lang\":\"py\",\"code\":\"x\",\"timeout\":%s}", spellings[i]);
        parse(&trial, body);
        assert_int_equal(trial.r, 0);
        assert_int_equal(trial.request.timeout_ms, 5000);
        finish(&trial);
    }
}

/* Identifiers of another shape are unknown, not wrong. */
static void assert_unknown_identifiers(const char *body)
{
    struct trial trial;

    parse(&trial, body);
    assert_int_equal(trial.r, 0);
    assert_null(trial.request.session_id);
    assert_string_equal(trial.request.files[0].id, "");
    assert_string_equal(trial.request.files[0].storage_session_id, "");
    assert_string_equal(trial.request.files[0].name, "");
    finish(&trial);
}

static void test_overlong_identifiers_are_unknown(void **state)
{
    char body[8192], id[300], name[2000];

    (void)state;
    memset(id, 'i', sizeof(id) - 1);
    id[sizeof(id) - 1] = '\0';
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    snprintf(
        body, sizeof(body),
        "{\"lang\":\"py\",\"code\":\"x\",\"session_id\":\"%s\",\"files\":[{\"id\":\"%s\",\"storage_session_id\":\"%s\","
        "\"name\":\"%s\"}]}",
        id, id, id, name);
    assert_unknown_identifiers(body);
}

static void test_identifiers_with_nul_are_unknown(void **state)
{
    (void)state;
    assert_unknown_identifiers(
        "{\"lang\":\"py\",\"code\":\"x\",\"session_id\":\"s\\u0000t\",\"files\":[{\"id\":\"i\\u0000\","
        "\"session_id\":\"\\u0000s\",\"name\":\"n\\u0000\"}]}");
}

/* {"lang":"py","code":"x", <field>: [ item x n ]} */
static json_t *body_with_list(const char *field, json_t *item, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append(list, item);
    json_decref(item);
    return json_pack("{s:s, s:s, s:o}", "lang", "py", "code", "x", field, list);
}

static void expect_list(const char *field, json_t *item, size_t n, const char *code)
{
    struct trial trial = { .request.client_fd = -1, .refusal = EXEC_BODY_REFUSAL_INIT };
    json_t *root = body_with_list(field, item, n);

    trial.r = exec_body_parse(root, &languages, &trial.request, &trial.refusal);
    if (code)
        assert_string_equal(detail(&trial, 0, "code"), code);
    else
        assert_int_equal(trial.r, 0);
    json_decref(root);
    finish(&trial);
}

static json_t *text_of(size_t length)
{
    char *bytes = malloc(length);
    json_t *text;

    memset(bytes, 'a', length);
    text = json_stringn(bytes, length);
    free(bytes);
    return text;
}

static void expect_args(json_t *item, size_t n, bool too_long)
{
    struct trial trial = { .request.client_fd = -1, .refusal = EXEC_BODY_REFUSAL_INIT };
    json_t *root = body_with_list("args", item, n);

    trial.r = exec_body_parse(root, &languages, &trial.request, &trial.refusal);
    assert_int_equal(trial.r, 0);
    assert_int_equal(trial.request.args_too_long, too_long);
    if (!too_long)
        assert_int_equal(trial.request.n_args, n);
    json_decref(root);
    finish(&trial);
}

static void test_no_args_are_a_violation(void **state)
{
    size_t most = EXEC_BODY_ARGS_BYTES_MAX / (sizeof(char *) + 2);

    (void)state;
    expect_args(json_integer(1), most, false);
    expect_args(json_integer(1), most + 1, true);
    expect_args(text_of(EXEC_BODY_ARG_BYTES_MAX), 11, false);
    expect_args(text_of(EXEC_BODY_ARG_BYTES_MAX), 12, true);
    expect_args(text_of(EXEC_BODY_ARG_BYTES_MAX + 1), 1, true);
}

static void test_limits_of_lists(void **state)
{
    (void)state;
    expect_list("files", json_pack("{s:s, s:s, s:s}", "id", "i", "session_id", "s", "name", "n"), EXECUTION_FILES_MAX,
                NULL);
    expect_list("files", json_object(), EXECUTION_FILES_MAX + 1, "too_long");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_takes_every_field),
        cmocka_unit_test(test_empty_and_null_count_as_absent),
        cmocka_unit_test(test_args_are_normalised),
        cmocka_unit_test(test_no_args_are_a_violation),
        cmocka_unit_test(test_one_violation_each),
        cmocka_unit_test(test_all_violations_are_reported_together),
        cmocka_unit_test(test_order_is_shape_language_code),
        cmocka_unit_test(test_language_texts),
        cmocka_unit_test(test_code_may_hold_anything),
        cmocka_unit_test(test_numbers_in_every_spelling),
        cmocka_unit_test(test_overlong_identifiers_are_unknown),
        cmocka_unit_test(test_identifiers_with_nul_are_unknown),
        cmocka_unit_test(test_limits_of_lists),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "api/exec_answer.h"

static json_t *render(const struct execution_result *result)
{
    json_error_t error;
    json_t *answer;
    size_t length;
    char *text;

    assert_int_equal(exec_answer_render("execution-id", result, &text, &length), 0);
    assert_int_equal(strlen(text), length);
    answer = json_loadb(text, length, 0, &error);
    assert_non_null(answer);
    free(text);
    return answer;
}

static const char *text_at(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_int_t number_at(const json_t *object, const char *key)
{
    assert_true(json_is_integer(json_object_get(object, key)));
    return json_integer_value(json_object_get(object, key));
}

static struct execution_result clean_result(void)
{
    struct execution_result result = { .session_id = "the-session", .usage = { .wall_ms = 411.6, .cpu_ms = 0.84 } };

    result.usage.queue_ms = result.usage.prepare_ms = -1;
    result.usage.memory_peak_bytes = result.usage.processes_peak = -1;
    result.out = BUFFER_INIT(1 << 20);
    result.err = BUFFER_INIT(1 << 20);
    return result;
}

static void test_clean_run(void **state)
{
    struct execution_result result = clean_result();
    json_t *answer, *usage;

    (void)state;
    assert_int_equal(buffer_append(&result.out, "hi \xe4\xb8\x96\n", 7), 0);
    result.usage.stdout_bytes = 7;
    answer = render(&result);
    assert_string_equal(text_at(answer, "session_id"), "the-session");
    assert_string_equal(text_at(answer, "stdout"), "hi \xe4\xb8\x96\n");
    assert_string_equal(text_at(answer, "stderr"), "");
    assert_int_equal(json_array_size(json_object_get(answer, "files")), 0);
    assert_true(json_is_array(json_object_get(answer, "files")));
    assert_int_equal(number_at(answer, "code"), 0);
    assert_true(json_is_null(json_object_get(answer, "signal")));
    assert_true(json_is_null(json_object_get(answer, "status")));
    assert_true(json_is_null(json_object_get(answer, "message")));
    assert_int_equal(number_at(answer, "wall_time"), 412);
    assert_string_equal(text_at(answer, "execution_id"), "execution-id");
    assert_string_equal(text_at(answer, "outcome"), "ok");
    assert_null(json_object_get(answer, "deleted_files"));
    assert_null(json_object_get(answer, "artifact_truncation"));
    assert_null(json_object_get(answer, "artifact_delivery"));
    assert_null(json_object_get(answer, "truncated"));
    usage = json_object_get(answer, "usage");
    assert_int_equal(number_at(usage, "stdout_bytes"), 7);
    assert_null(json_object_get(usage, "memory_peak_bytes"));
    assert_null(json_object_get(usage, "queue_ms"));
    assert_null(json_object_get(usage, "warm"));
    json_decref(answer);
    execution_result_deinit(&result);
}

static void test_numbers_are_short(void **state)
{
    struct execution_result result = clean_result();
    size_t length;
    char *text;

    (void)state;
    assert_int_equal(exec_answer_render("e", &result, &text, &length), 0);
    assert_non_null(strstr(text, "\"cpu_ms\":0.84"));
    assert_null(strstr(text, "0.83999"));
    free(text);
    execution_result_deinit(&result);
}

static void test_killed_run(void **state)
{
    struct execution_result result = clean_result();
    json_t *answer;

    (void)state;
    result.outcome = OUTCOME_TIMEOUT;
    result.exit_code = 124;
    result.signal = SIGKILL;
    result.err_truncated = true;
    result.usage.warm = "armed";
    answer = render(&result);
    assert_int_equal(number_at(answer, "code"), 124);
    assert_string_equal(text_at(answer, "signal"), "SIGKILL");
    assert_string_equal(text_at(answer, "status"), "TO");
    assert_string_equal(text_at(answer, "message"), "Time limit exceeded");
    assert_string_equal(text_at(answer, "outcome"), "timeout");
    assert_true(json_is_false(json_object_get(json_object_get(answer, "truncated"), "stdout")));
    assert_true(json_is_true(json_object_get(json_object_get(answer, "truncated"), "stderr")));
    assert_string_equal(text_at(json_object_get(answer, "usage"), "warm"), "armed");
    json_decref(answer);
    execution_result_deinit(&result);
}

static void test_files(void **state)
{
    static const struct execution_file reference = {
        .id = "i",
        .storage_session_id = "s",
        .name = "n",
        .resource_id = "u-17",
        .kind = "user",
        .entity_id = "",
        .has_version = true,
        .version = 4,
    };
    struct execution_result result = clean_result();
    json_t *answer, *list, *entry;

    (void)state;
    result.n_files = 3;
    result.files = calloc(3, sizeof(*result.files));
    assert_non_null(result.files);
    result.files[0] = (struct execution_output){ .state = EXECUTION_FILE_INHERITED,
                                                 .id = "id0",
                                                 .session_id = "other",
                                                 .name = "notes.md",
                                                 .reference = &reference };
    result.files[1] = (struct execution_output){
        .state = EXECUTION_FILE_NEW, .id = "id1", .session_id = "the-session", .name = "a/b"
    };
    result.files[2] = (struct execution_output){ .state = EXECUTION_FILE_MODIFIED,
                                                 .id = "id2",
                                                 .session_id = "the-session",
                                                 .name = "c",
                                                 .modified_from_id = "old",
                                                 .modified_from_session_id = "other" };
    answer = render(&result);
    list = json_object_get(answer, "files");
    assert_int_equal(json_array_size(list), 3);

    entry = json_array_get(list, 0);
    assert_string_equal(text_at(entry, "id"), "id0");
    assert_string_equal(text_at(entry, "storage_session_id"), "other");
    assert_string_equal(text_at(entry, "session_id"), "other");
    assert_true(json_is_true(json_object_get(entry, "inherited")));
    assert_string_equal(text_at(entry, "resource_id"), "u-17");
    assert_string_equal(text_at(entry, "kind"), "user");
    assert_int_equal(number_at(entry, "version"), 4);
    assert_null(json_object_get(entry, "entity_id"));
    assert_null(json_object_get(entry, "modified_from"));

    entry = json_array_get(list, 1);
    assert_string_equal(text_at(entry, "name"), "a/b");
    assert_string_equal(text_at(entry, "path"), "/mnt/data/a/b");
    assert_int_equal(json_object_size(entry), 5);

    entry = json_array_get(list, 2);
    assert_null(json_object_get(entry, "inherited"));
    assert_string_equal(text_at(json_object_get(entry, "modified_from"), "id"), "old");
    assert_string_equal(text_at(json_object_get(entry, "modified_from"), "storage_session_id"), "other");
    json_decref(answer);
    execution_result_deinit(&result);
}

static void test_what_was_left_out(void **state)
{
    struct execution_result result = clean_result();
    json_t *answer, *part;

    (void)state;
    result.deleted_files = calloc(2, sizeof(char *));
    assert_non_null(result.deleted_files);
    result.deleted_files[0] = strdup("gone.csv");
    result.truncation.skipped = 3;
    result.truncation.max_files = 2;
    result.truncation.bad_name = 1;
    result.truncation.names[0] = strdup("z1.txt");
    result.truncation.n_names = 1;
    result.delivery_attempted = 3;
    result.delivery_failed = 1;
    answer = render(&result);
    assert_string_equal(json_string_value(json_array_get(json_object_get(answer, "deleted_files"), 0)), "gone.csv");

    part = json_object_get(answer, "artifact_truncation");
    assert_int_equal(number_at(part, "skipped_count"), 3);
    assert_int_equal(json_object_size(json_object_get(part, "reasons")), 2);
    assert_int_equal(number_at(json_object_get(part, "reasons"), "max_files"), 2);
    assert_string_equal(json_string_value(json_array_get(json_object_get(part, "skipped"), 0)), "z1.txt");

    part = json_object_get(answer, "artifact_delivery");
    assert_string_equal(text_at(part, "code"), "artifact_delivery_failed");
    assert_string_equal(text_at(part, "status"), "partial");
    assert_int_equal(number_at(part, "delivered"), 2);
    json_decref(answer);

    result.delivery_failed = 3;
    answer = render(&result);
    assert_string_equal(text_at(json_object_get(answer, "artifact_delivery"), "status"), "failed");
    json_decref(answer);
    execution_result_deinit(&result);
}

static void test_text_that_is_no_utf8_is_a_fault(void **state)
{
    struct execution_result result = clean_result();
    size_t length;
    char *text;

    (void)state;
    assert_int_equal(buffer_append(&result.out, "\xff", 1), 0);
    assert_int_equal(exec_answer_render("e", &result, &text, &length), -EILSEQ);
    execution_result_deinit(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clean_run),         cmocka_unit_test(test_numbers_are_short),
        cmocka_unit_test(test_killed_run),        cmocka_unit_test(test_files),
        cmocka_unit_test(test_what_was_left_out), cmocka_unit_test(test_text_that_is_no_utf8_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

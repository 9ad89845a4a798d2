/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exec_answer.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

/* Every value is made and added here, so that one failed addition is found at one place: a NULL value (no memory, or
 * text that is not UTF-8) makes jansson return -1. */
static int add(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new(object, key, value) < 0 ? -EILSEQ : 0;
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

json_t *exec_answer_text(const struct buffer *buffer)
{
    return json_stringn(buffer->data ? buffer->data : "", buffer->length);
}

/* What the client said about an input comes back with it. */
static int reference_add(json_t *entry, const struct execution_file *reference)
{
    const struct {
        const char *key, *text;
    } labels[] = {
        { "entity_id", reference->entity_id },
        { "resource_id", reference->resource_id },
        { "kind", reference->kind },
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(labels) && r == 0; i++)
        if (labels[i].text && labels[i].text[0])
            r = add(entry, labels[i].key, json_string(labels[i].text));
    if (r == 0 && reference->has_version)
        r = add(entry, "version", json_integer(reference->version));
    return r;
}

static int output_add(json_t *list, const struct execution_output *file)
{
    CLEANUP_JSON
    json_t *entry = json_pack("{s:s, s:s, s:s, s:s}", "id", file->id, "name", file->name, "storage_session_id",
                              file->session_id, "session_id", file->session_id);
    char path[sizeof("/mnt/data/") + FILE_NAME_SIZE];
    int r = 0;

    if (!entry)
        return -EILSEQ;
    if (file->state == EXECUTION_FILE_INHERITED) {
        r = add(entry, "inherited", json_true());
        if (r == 0 && file->reference)
            r = reference_add(entry, file->reference);
    } else if (file->state == EXECUTION_FILE_MODIFIED)
        r = add(entry, "modified_from",
                json_pack("{s:s, s:s}", "id", file->modified_from_id, "storage_session_id",
                          file->modified_from_session_id));
    if (r < 0)
        return r;
    snprintf(path, sizeof(path), "/mnt/data/%s", file->name);
    r = add(entry, "path", json_string(path));
    return r < 0 ? r : json_array_append(list, entry) < 0 ? -ENOMEM : 0;
}

static int outputs_add(json_t *answer, const struct execution_result *result)
{
    CLEANUP_JSON json_t *list = json_array();

    for (size_t i = 0; i < result->n_files; i++) {
        int r = output_add(list, &result->files[i]);

        if (r < 0)
            return r;
    }
    return add(answer, "files", json_incref(list));
}

static json_t *names(char *const *list, size_t n)
{
    CLEANUP_JSON json_t *array = json_array();

    for (size_t i = 0; i < n; i++)
        if (json_array_append_new(array, json_string(list[i])) < 0)
            return NULL;
    return TAKE_PTR(array);
}

static int deleted_add(json_t *answer, char *const *deleted)
{
    size_t n = 0;

    while (deleted && deleted[n])
        n++;
    return n ? add(answer, "deleted_files", names(deleted, n)) : 0;
}

/* Files that were there but are not in the answer, with the reasons (10.9.6). */
static int truncation_add(json_t *answer, const struct execution_result *result)
{
    const struct {
        const char *key;
        unsigned count;
    } reasons[] = {
        { "max_files", result->truncation.max_files },
        { "max_size", result->truncation.max_size },
        { "bad_name", result->truncation.bad_name },
        { "max_scan", result->truncation.max_scan },
    };
    CLEANUP_JSON json_t *counts = json_object();

    if (!result->truncation.skipped)
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (reasons[i].count && add(counts, reasons[i].key, json_integer(reasons[i].count)) < 0)
            return -ENOMEM;
    return add(answer, "artifact_truncation",
               json_pack("{s:i, s:O, s:o}", "skipped_count", (int)result->truncation.skipped, "reasons", counts,
                         "skipped", names(result->truncation.names, result->truncation.n_names)));
}

static int delivery_add(json_t *answer, const struct execution_result *result)
{
    unsigned delivered = result->delivery_attempted - result->delivery_failed;

    if (!result->delivery_failed)
        return 0;
    return add(answer, "artifact_delivery",
               json_pack("{s:s, s:s, s:i, s:i, s:i}", "code", "artifact_delivery_failed", "status",
                         delivered ? "partial" : "failed", "attempted", (int)result->delivery_attempted, "delivered",
                         (int)delivered, "failed", (int)result->delivery_failed));
}

static double round_to_micro(double ms)
{
    return round(ms * 1000) / 1000;
}

/* A figure the host cannot measure is negative here and absent there. */
int exec_answer_add_usage(json_t *object, const struct execution_usage *usage)
{
    const struct {
        const char *key;
        double ms;
    } times[] = {
        { "wall_ms", usage->wall_ms },
        { "cpu_ms", usage->cpu_ms },
        { "queue_ms", usage->queue_ms },
        { "prepare_ms", usage->prepare_ms },
    };
    const struct {
        const char *key;
        int64_t count;
    } counts[] = {
        { "memory_peak_bytes", usage->memory_peak_bytes },
        { "processes_peak", usage->processes_peak },
        { "stdout_bytes", usage->stdout_bytes },
        { "stderr_bytes", usage->stderr_bytes },
    };
    CLEANUP_JSON json_t *figures = json_object();
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(times) && r == 0; i++)
        if (times[i].ms >= 0)
            r = add(figures, times[i].key, json_real(round_to_micro(times[i].ms)));
    for (size_t i = 0; i < ARRAY_SIZE(counts) && r == 0; i++)
        if (counts[i].count >= 0)
            r = add(figures, counts[i].key, json_integer(counts[i].count));
    if (r == 0 && usage->warm)
        r = add(figures, "warm", json_string(usage->warm));
    return r < 0 ? r : add(object, "usage", json_incref(figures));
}

static int truncated_add(json_t *answer, const struct execution_result *result)
{
    json_t *cut;

    if (!result->out_truncated && !result->err_truncated && !result->shown_cut)
        return 0;
    cut = json_pack("{s:b, s:b}", "stdout", result->out_truncated, "stderr", result->err_truncated);
    if (cut && result->shown_cut && json_object_set_new(cut, "results", json_true()) < 0) {
        json_decref(cut);
        return -ENOMEM;
    }
    return add(answer, "truncated", cut);
}

/* What the program showed, if the client asked for it (X6). */
static int shown_add(json_t *answer, const struct execution_result *result)
{
    return result->shown ? add(answer, "results", json_incref(result->shown)) : 0;
}

/* The members of exec.md 10.10 that are always there. */
static int contract_add(json_t *answer, const struct execution_result *result)
{
    const struct {
        const char *key;
        json_t *value;
    } members[] = {
        { "stdout", exec_answer_text(&result->out) },
        { "stderr", exec_answer_text(&result->err) },
        { "code", json_integer(result->exit_code) },
        { "signal", text_or_null(execution_signal_name(result->signal)) },
        { "status", text_or_null(execution_status_name(result)) },
        { "message", text_or_null(execution_message_name(result)) },
        { "wall_time", json_integer((json_int_t)fmax(0, round(result->usage.wall_ms))) },
    };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        int failed = add(answer, members[i].key, members[i].value); /* also when r is set: it takes the value over */

        r = r < 0 ? r : failed;
    }
    return r;
}

static int answer_fill(json_t *answer, const char *execution_id, const struct execution_result *result)
{
    static int (*const parts[])(json_t *, const struct execution_result *) = {
        outputs_add, contract_add, truncation_add, delivery_add, truncated_add, shown_add,
    };
    int r = add(answer, "session_id", json_string(result->session_id));

    for (size_t i = 0; i < ARRAY_SIZE(parts) && r == 0; i++)
        r = parts[i](answer, result);
    if (r == 0)
        r = deleted_add(answer, result->deleted_files);
    if (r == 0)
        r = add(answer, "execution_id", json_string(execution_id));
    if (r == 0)
        r = add(answer, "outcome", json_string(execution_outcome_name(result->outcome)));
    return r < 0 ? r : exec_answer_add_usage(answer, &result->usage);
}

int exec_answer_json(const char *execution_id, const struct execution_result *result, json_t **ret_answer)
{
    CLEANUP_JSON json_t *answer = json_object();
    int r = answer ? answer_fill(answer, execution_id, result) : -ENOMEM;

    if (r == 0)
        *ret_answer = TAKE_PTR(answer);
    return r;
}

int exec_answer_render(const char *execution_id, const struct execution_result *result, char **ret_text,
                       size_t *ret_length)
{
    CLEANUP_JSON json_t *answer = NULL;
    char *text;
    int r = exec_answer_json(execution_id, result, &answer);

    if (r < 0)
        return r;
    text = json_dumps(answer, JSON_ANSWER);
    if (!text)
        return -ENOMEM;
    *ret_text = text;
    *ret_length = strlen(text);
    return 0;
}

int exec_answer_render_rest(const char *execution_id, const struct execution_result *result, char **ret_text)
{
    CLEANUP_JSON json_t *answer = NULL;
    char *text;
    int r = exec_answer_json(execution_id, result, &answer);

    if (r < 0)
        return r;
    json_object_del(answer, "stdout");
    json_object_del(answer, "stderr");
    text = json_dumps(answer, JSON_ANSWER);
    if (!text)
        return -ENOMEM;
    *ret_text = text;
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/outputs.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/filename.h"
#include "domain/mime.h"
#include "store/digest.h"

/* Directories of tools' leavings (10.9.2); what lies in them is no result unless an input was mounted there. */
static const char *const tool_directories[] = {
    "node_modules", "__pycache__", ".git",          ".cache",      ".npm",        ".npm-cache", ".venv", "venv",
    "env",          ".tox",        ".pytest_cache", ".mypy_cache", ".ruff_cache", "target",     "dist",  "build",
    "vendor",       ".bundle",     ".gradle",       ".m2",         ".cargo",      "pkg",
};

int outputs_init(struct outputs *outputs, struct engine *engine, const struct execution_request *request,
                 struct inputs *inputs, struct execution_result *result)
{
    *outputs = (struct outputs){ .engine = engine, .request = request, .inputs = inputs, .result = result };
    outputs->candidates = calloc(engine->max_output_files + 1u, sizeof(*outputs->candidates));
    return outputs->candidates ? 0 : -ENOMEM;
}

void outputs_deinit(struct outputs *outputs)
{
    for (size_t i = 0; i < outputs->n_candidates; i++)
        cleanup_close_fd(&outputs->candidates[i].fd);
    free(outputs->candidates);
    outputs->candidates = NULL;
    outputs->n_candidates = 0;
}

static bool is_tool_directory(const char *segment, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(tool_directories); i++)
        if (strlen(tool_directories[i]) == length && memcmp(tool_directories[i], segment, length) == 0)
            return true;
    return false;
}

/* A glob of at most one '*' per name is all that the tool chains need ("Code*.class"). */
static bool matches(const char *pattern, const char *name)
{
    const char *star = strchr(pattern, '*');
    size_t head, tail, length = strlen(name);

    if (!star)
        return strcmp(pattern, name) == 0;
    head = (size_t)(star - pattern);
    tail = strlen(star + 1);
    return length >= head + tail && strncmp(name, pattern, head) == 0 && strcmp(name + length - tail, star + 1) == 0;
}

static bool is_hidden(const struct language *language, const char *path)
{
    for (char *const *name = language->hidden; *name; name++)
        if (matches(*name, path))
            return true;
    return false;
}

static bool is_skipped(const struct outputs *outputs, const char *path)
{
    const char *segment = path, *slash;

    for (; (slash = strchr(segment, '/')); segment = slash + 1) {
        if (segment[0] == '.')
            return true;
        if (is_tool_directory(segment, (size_t)(slash - segment)) &&
            !inputs_below(outputs->inputs, path, (size_t)(slash - path)))
            return true;
    }
    return segment[0] == '.' || is_hidden(outputs->request->language, path);
}

/* Keeps the smallest names, so that the list does not depend on the order of the file system. */
static void note_skipped(struct execution_result *result, unsigned *reason, const char *name)
{
    unsigned at = result->truncation.n_names;
    char *copy = strdup(name);

    ++*reason;
    result->truncation.skipped++;
    if (!copy)
        return;
    while (at > 0 && strcmp(result->truncation.names[at - 1], copy) > 0)
        at--;
    if (at == EXECUTION_SKIPPED_NAMES_MAX) {
        free(copy);
        return;
    }
    if (result->truncation.n_names == EXECUTION_SKIPPED_NAMES_MAX)
        free(result->truncation.names[--result->truncation.n_names]);
    memmove(&result->truncation.names[at + 1], &result->truncation.names[at],
            (result->truncation.n_names - at) * sizeof(*result->truncation.names));
    result->truncation.names[at] = copy;
    result->truncation.n_names++;
}

/* Inserts in order of path; beyond the cap the last one goes. Takes over candidate->fd. */
static void keep(struct outputs *outputs, const struct output_candidate *candidate)
{
    size_t at = outputs->n_candidates;

    while (at > 0 && strcmp(outputs->candidates[at - 1].path, candidate->path) > 0)
        at--;
    memmove(&outputs->candidates[at + 1], &outputs->candidates[at], (outputs->n_candidates - at) * sizeof(*candidate));
    outputs->candidates[at] = *candidate;
    if (++outputs->n_candidates > outputs->engine->max_output_files) {
        struct output_candidate *last = &outputs->candidates[--outputs->n_candidates];

        note_skipped(outputs->result, &outputs->result->truncation.max_files, last->name);
        cleanup_close_fd(&last->fd);
    }
}

/* Size first: reading is needed only when it is equal. */
static int same_contents(int fd, int64_t size_bytes, const struct file_record *record, bool *ret_same)
{
    char digest[DIGEST_HEX_SIZE];
    int64_t read_bytes;
    int r;

    *ret_same = false;
    if (size_bytes != record->size_bytes)
        return 0;
    r = digest_file_hex(fd, digest, &read_bytes);
    *ret_same = r == 0 && strcmp(digest, record->sha256) == 0;
    return r;
}

/* A regular file where an input was mounted. Returns 1 if it is a changed input that may become a result, 0 if not. */
static int judge_input(struct input *input, int fd, int64_t size_bytes)
{
    bool same = false;
    int r;

    input->seen = true;
    if (input->record.infrastructure)
        return 0;
    r = same_contents(fd, size_bytes, &input->record, &same);
    if (r < 0)
        return r;
    input->changed = !same;
    return !same;
}

static int on_file(struct outputs *outputs, const char *path, int64_t size_bytes, int fd)
{
    struct output_candidate candidate = { .size_bytes = size_bytes, .fd = -1 };
    struct execution_result *result = outputs->result;
    struct input *input = inputs_find(outputs->inputs, path);
    int r;

    if (input) {
        r = judge_input(input, fd, size_bytes);
        if (r <= 0)
            return r;
    } else if (is_skipped(outputs, path))
        return 0;
    r = filename_sanitise(path, strlen(path), false, candidate.name);
    if (r < 0)
        return r;
    if (r > 0) {
        note_skipped(result, &result->truncation.bad_name, "_");
        return 0;
    }
    if (size_bytes > outputs->engine->max_file_bytes) {
        note_skipped(result, &result->truncation.max_size, candidate.name);
        return 0;
    }
    snprintf(candidate.path, sizeof(candidate.path), "%s", path);
    candidate.input = input;
    candidate.fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
    if (candidate.fd < 0)
        return error_from_errno();
    keep(outputs, &candidate);
    return 0;
}

/* What is below the directory is not known, but perhaps that it does not count. */
static void note_unreached(struct outputs *outputs, const char *directory)
{
    char below[WIRE_PATH_SIZE + 8];

    snprintf(below, sizeof(below), "%s/_", directory);
    outputs->unreached |= !is_skipped(outputs, below) || inputs_below(outputs->inputs, directory, strlen(directory));
}

int outputs_entry(void *context, const struct wire_entry *entry, int fd)
{
    CLEANUP_CLOSE int owned = fd;
    struct outputs *outputs = context;

    if (entry->kind == WIRE_ENTRY_UNREACHED) {
        note_unreached(outputs, entry->path);
        return 0;
    }
    /* A file where a folder was leaves nothing of what was in there. */
    if (entry->kind != WIRE_ENTRY_FILE || inputs_below(outputs->inputs, entry->path, strlen(entry->path)))
        inputs_cover(outputs->inputs, entry->path);
    if (entry->kind == WIRE_ENTRY_FILE)
        return on_file(outputs, entry->path, (int64_t)entry->size_bytes, owned);
    return 0;
}

/* Puts the bytes into the store. Returns 0, 1 if this one cannot be delivered, or a negative errno. */
static int store_bytes(struct outputs *outputs, const char *session_id, struct output_candidate *candidate,
                       struct file_record *record)
{
    struct blob_writer *writer = NULL;
    int r = blob_writer_new(outputs->engine->blobs, session_id, false, outputs->engine->max_file_bytes, &writer);

    if (r == 0)
        r = blob_writer_append_fd(writer, candidate->fd);
    if (r == 0)
        r = blob_writer_commit(writer, record->blob, record->sha256, &record->size_bytes);
    blob_writer_free(writer);
    if (r != 0) {
        log_warning("execution %s: an output file cannot be stored: %s", outputs->request->execution_id,
                    r < 0 ? strerror(-r) : "no space");
        return 1;
    }
    snprintf(record->session_id, sizeof(record->session_id), "%s", session_id);
    snprintf(record->name, sizeof(record->name), "%s", candidate->name);
    snprintf(record->original_name, sizeof(record->original_name), "%s", candidate->name);
    snprintf(record->content_type, sizeof(record->content_type), "%s", mime_guess(candidate->name));
    record->origin = FILE_OUTPUT;
    if (candidate->input)
        memcpy(record->edition_of, file_root(&candidate->input->record), ID_SIZE);
    return 0;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct execution_output *)a)->name, ((const struct execution_output *)b)->name);
}

/* Unchanged inputs, by name (10.9.5). A file that changed nothing but was dropped for its rights counts as unchanged.
 */
static void list_inherited(struct outputs *outputs)
{
    struct execution_result *result = outputs->result;

    for (size_t i = 0; i < outputs->inputs->n_items; i++) {
        const struct input *input = &outputs->inputs->items[i];
        struct execution_output *output;

        if (!input->mounted || input->changed || (input->covered && !input->seen))
            continue;
        output = &result->files[result->n_files++];
        output->state = EXECUTION_FILE_INHERITED;
        output->reference = input->reference;
        snprintf(output->id, sizeof(output->id), "%s", input->record.id);
        snprintf(output->session_id, sizeof(output->session_id), "%s", input->record.session_id);
        snprintf(output->name, sizeof(output->name), "%s", input->record.name);
    }
    qsort(result->files, result->n_files, sizeof(*result->files), compare_names);
}

static void list_stored(struct outputs *outputs, const struct file_record *record,
                        const struct output_candidate *candidate)
{
    struct execution_output *output = &outputs->result->files[outputs->result->n_files++];

    output->state = candidate->input ? EXECUTION_FILE_MODIFIED : EXECUTION_FILE_NEW;
    snprintf(output->id, sizeof(output->id), "%s", record->id);
    snprintf(output->session_id, sizeof(output->session_id), "%s", record->session_id);
    snprintf(output->name, sizeof(output->name), "%s", record->name);
    if (candidate->input) {
        snprintf(output->modified_from_id, sizeof(output->modified_from_id), "%s", candidate->input->record.id);
        snprintf(output->modified_from_session_id, sizeof(output->modified_from_session_id), "%s",
                 candidate->input->record.session_id);
    }
}

static int list_deleted(struct outputs *outputs)
{
    size_t n = 0;

    outputs->result->deleted_files = calloc(outputs->inputs->n_items + 1, sizeof(char *));
    if (!outputs->result->deleted_files)
        return -ENOMEM;
    for (size_t i = 0; i < outputs->inputs->n_items; i++) {
        const struct input *input = &outputs->inputs->items[i];

        if (!input->mounted || !input->covered || input->seen || input->record.infrastructure)
            continue;
        outputs->result->deleted_files[n] = strdup(input->record.name);
        if (!outputs->result->deleted_files[n++])
            return -ENOMEM;
    }
    return 0;
}

int outputs_store(struct outputs *outputs, const char *session_id, bool complete)
{
    struct execution_result *result = outputs->result;
    CLEANUP_FREE struct file_record *records = calloc(outputs->n_candidates + 1, sizeof(*records));
    CLEANUP_FREE size_t *stored = calloc(outputs->n_candidates + 1, sizeof(*stored));
    size_t n_stored = 0;
    int r;

    result->files = calloc(outputs->inputs->n_items + outputs->n_candidates + 1, sizeof(*result->files));
    if (!records || !stored || !result->files)
        return -ENOMEM;
    list_inherited(outputs);
    for (size_t i = 0; i < outputs->n_candidates; i++)
        if (store_bytes(outputs, session_id, &outputs->candidates[i], &records[n_stored]) == 0)
            stored[n_stored++] = i;
    r = n_stored ? file_add(outputs->engine->kv, records, n_stored) : 0;
    if (r != 0) {
        log_warning("execution %s: output files cannot be recorded: %s", outputs->request->execution_id,
                    r < 0 ? strerror(-r) : "no space");
        file_take_back(outputs->engine->kv, outputs->engine->blobs, records, n_stored);
        n_stored = 0;
    }
    for (size_t i = 0; i < n_stored; i++)
        list_stored(outputs, &records[i], &outputs->candidates[stored[i]]);
    complete = complete && !outputs->unreached;
    if (!complete) {
        result->truncation.max_scan++;
        result->truncation.skipped++;
    }
    result->delivery_attempted = (unsigned)outputs->n_candidates;
    result->delivery_failed = (unsigned)(outputs->n_candidates - n_stored);
    return complete ? list_deleted(outputs) : 0;
}

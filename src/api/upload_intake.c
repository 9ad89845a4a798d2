/* SPDX-License-Identifier: Apache-2.0 */
#include "api/upload_intake.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistr.h>

#include "api/answer.h"
#include "api/entity_id.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "domain/mime.h"

_Static_assert(FILENAME_SIZE == FILE_NAME_SIZE, "records hold accepted names");

#define STOP 1 /* read no further parts */

/* Beyond so many open blobs files are finished as they end, at the price of making an HTTP thread wait for the disk. */
#define OPEN_WRITERS_MAX 256

static const char *const text_names[INTAKE_TEXT_COUNT] = {
    [INTAKE_ENTITY_ID] = "entity_id", [INTAKE_KIND] = "kind",           [INTAKE_ID] = "id",
    [INTAKE_VERSION] = "version",     [INTAKE_READ_ONLY] = "read_only",
};

enum file_name {
    NOT_A_FILE,
    PRIMARY,
    SECONDARY,
};

int intake_open(struct http_request *request, const struct intake_rules *rules, void **ret_context)
{
    struct intake *intake = calloc(1, sizeof(*intake));

    if (!intake)
        return -ENOMEM;
    intake->api = http_request_data(request);
    intake->rules = rules;
    intake->text = -1;
    id_generate(intake->scope);
    *ret_context = intake;
    return 0;
}

unsigned intake_max_file_mb(const struct intake *intake)
{
    return (unsigned)(intake->api->max_file_bytes >> 20);
}

/* ---- text parts ---- */

static int text_of(const char *name)
{
    for (int i = 0; i < INTAKE_TEXT_COUNT; i++)
        if (strcmp(name, text_names[i]) == 0)
            return i;
    return -1;
}

static void text_begin(struct intake *intake, int text)
{
    intake->text = text;
    if (text < 0)
        return;
    intake->texts[text].length = 0; /* of two parts with one name the last counts */
    intake->texts[text].text[0] = '\0';
}

static void text_append(struct intake *intake, const char *data, size_t length)
{
    char *text = intake->texts[intake->text].text;
    size_t used = intake->texts[intake->text].length, room = INTAKE_TEXT_SIZE - 1 - used;

    if (used >= INTAKE_TEXT_SIZE)
        return;
    if (length > room) {
        intake->texts[intake->text].length = INTAKE_TEXT_SIZE;
        length = room;
    } else
        intake->texts[intake->text].length += length;
    memcpy(text + used, data, length);
    text[used + length] = '\0';
}

static bool text_is(const struct intake *intake, enum intake_text text, const char *word)
{
    return strlen(word) == intake->texts[text].length && strcasecmp(intake->texts[text].text, word) == 0;
}

static const char *kind_of(const struct intake *intake)
{
    static const char *const kinds[] = { "skill", "agent", "user" };

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (text_is(intake, INTAKE_KIND, kinds[i]))
            return kinds[i];
    return "";
}

static void version_read(const struct intake *intake, struct intake_marks *marks)
{
    const char *text = intake->texts[INTAKE_VERSION].text;
    char *end;

    errno = 0;
    marks->version = strtoll(text, &end, 10);
    marks->has_version = end != text && (size_t)(end - text) == intake->texts[INTAKE_VERSION].length && errno == 0;
}

/* The resource id is only echoed, but it must be text. */
static const char *resource_id_check(const struct intake *intake, const char **ret_message)
{
    const char *text = intake->texts[INTAKE_ID].text;
    size_t length = intake->texts[INTAKE_ID].length;

    if (length >= FILE_RESOURCE_ID_SIZE) {
        *ret_message = "String should have at most 255 bytes";
        return "string_too_long";
    }
    if (strlen(text) != length || u8_check((const uint8_t *)text, length)) {
        *ret_message = "Input should be a valid string";
        return "value_error";
    }
    return NULL;
}

/* Reads the marks so far. Returns the code of what is wrong (http-api.md 8.4) with field and message set, or NULL. */
static const char *marks_read(const struct intake *intake, struct intake_marks *ret_marks, const char **ret_field,
                              const char **ret_message)
{
    struct intake_marks marks = { .entity_id = intake->texts[INTAKE_ENTITY_ID].text,
                                  .resource_id = intake->texts[INTAKE_ID].text,
                                  .kind = kind_of(intake) };
    const char *code = NULL;

    *ret_field = "body -> entity_id";
    if (strlen(marks.entity_id) < intake->texts[INTAKE_ENTITY_ID].length && strlen(marks.entity_id) < ENTITY_ID_SIZE) {
        *ret_message = "String cannot contain null characters";
        code = "value_error";
    } else
        code = entity_id_check(marks.entity_id, ret_message);
    if (!code) {
        *ret_field = "body -> id";
        code = resource_id_check(intake, ret_message);
    }
    if (code)
        return code;
    version_read(intake, &marks);
    marks.infrastructure = text_is(intake, INTAKE_READ_ONLY, "1") || text_is(intake, INTAKE_READ_ONLY, "true") ||
                           text_is(intake, INTAKE_READ_ONLY, "yes");
    marks.agent = marks.entity_id[0] || strcmp(marks.kind, "skill") == 0 || strcmp(marks.kind, "agent") == 0;
    marks.read_only = marks.infrastructure || marks.agent;
    marks.infrastructure = marks.infrastructure || strcmp(marks.kind, "skill") == 0;
    *ret_marks = marks;
    return NULL;
}

bool intake_marks_settle(struct http_request *request, struct intake *intake)
{
    const char *field, *message, *code = marks_read(intake, &intake->marks, &field, &message);

    if (code)
        answer_invalid(request, field, code, message);
    return !code;
}

/* ---- file parts ---- */

/* Every writer holds a descriptor; the count of all of them is kept in the api. */
static void writer_release(struct intake *intake, struct intake_file *file)
{
    if (!file->writer)
        return;
    file->writer = blob_writer_free(file->writer);
    atomic_fetch_sub(&intake->api->open_writers, 1);
}

/* Makes what arrived durable under the mode it was begun with. Returns 0, a positive blob_outcome or a negative errno.
 */
static int file_commit(struct intake *intake, struct intake_file *file)
{
    struct file_record *record = &file->record;
    int r = blob_writer_commit(file->writer, record->blob, record->sha256, &record->size_bytes);

    writer_release(intake, file);
    return r;
}

static void intake_file_free(struct intake *intake, struct intake_file *file)
{
    if (!file)
        return;
    writer_release(intake, file);
    free(file->received);
    free(file);
}

static void fault_note(struct intake *intake, struct intake_file *file, enum intake_fault fault)
{
    if (file->fault == INTAKE_FINE || fault < file->fault)
        file->fault = fault;
    writer_release(intake, file);
    if (!intake->rules->all_or_none)
        return;
    intake->spoiled = true;
    for (size_t i = 0; i < intake->n_files; i++)
        writer_release(intake, intake->files[i]);
}

/* What the store refused is the file's fault towards the client, and the operator's business. */
static void storage_note(struct intake *intake, struct intake_file *file, int r)
{
    log_error("Upload: cannot store a file: %s", r < 0 ? strerror(-r) : "no space left");
    fault_note(intake, file, INTAKE_STORAGE);
}

static enum file_name file_name_of(const struct intake *intake, const char *name)
{
    if (strcmp(name, "file") == 0)
        return PRIMARY;
    if (intake->rules->either_name && (strcmp(name, "files") == 0 || strcmp(name, "files[]") == 0))
        return SECONDARY;
    return NOT_A_FILE;
}

static bool blob_is_kept(const struct intake *intake, const char *blob)
{
    for (size_t i = 0; i < intake->n_files; i++)
        if (intake->files[i]->record.id[0] && strcmp(intake->files[i]->record.blob, blob) == 0)
            return true;
    return false;
}

/* Deletes the blobs that no record came to name. Equal files of one form share a blob. */
static void blobs_drop(struct intake *intake)
{
    for (size_t i = 0; i < intake->n_files; i++) {
        const struct file_record *record = &intake->files[i]->record;

        if (record->blob[0] && !record->id[0] && !blob_is_kept(intake, record->blob))
            (void)blob_delete(intake->api->engine->blobs, record->blob); /* else the sweep finds it */
    }
}

/* "file" came after files under the other name: those are ignored, with their faults. */
static void secondary_drop(struct intake *intake)
{
    blobs_drop(intake);
    for (size_t i = 0; i < intake->n_files; i++)
        intake_file_free(intake, intake->files[i]);
    intake->n_files = 0;
    intake->too_many = intake->spoiled = false;
}

bool intake_type_allowed(const struct intake *intake, const struct intake_file *file)
{
    return filename_type_allowed(intake->api->filename_rules, file->record.original_name);
}

/* The type comes back in a header of the download and means something only if it is short and plain. */
static const char *type_to_store(const char *received)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 !#$&^_.+-/;=\"";

    if (!received || !received[0] || strlen(received) >= FILE_CONTENT_TYPE_SIZE || received[strspn(received, plain)])
        return MIME_DEFAULT;
    return received;
}

/* Takes the part's name and type over. Returns NULL without memory. */
static struct intake_file *file_new(const struct intake *intake, const struct http_part *part, bool secondary)
{
    size_t length = part->filename ? part->filename_length : 0;
    struct intake_file *file = calloc(1, sizeof(*file));

    if (!file)
        return NULL;
    file->secondary = secondary;
    file->named = length > 0;
    file->received_length = length ? length : intake->rules->unnamed ? strlen(intake->rules->unnamed) : 0;
    file->received = calloc(1, file->received_length + 1);
    if (!file->received) {
        free(file);
        return NULL;
    }
    if (length)
        memcpy(file->received, part->filename, length);
    else if (intake->rules->unnamed)
        memcpy(file->received, intake->rules->unnamed, file->received_length);
    snprintf(file->record.content_type, sizeof(file->record.content_type), "%s", type_to_store(part->content_type));
    return file;
}

/* Makes the stored name of the received one, or notes what is wrong with it. Returns 0 or a negative errno. */
static int name_take(struct intake *intake, struct intake_file *file)
{
    const struct api *api = intake->api;
    int r = filename_accept(api->filename_rules, file->received, file->received_length, file->record.original_name,
                            file->record.name, file->reason, sizeof(file->reason));

    if (r < 0)
        return r;
    if (r)
        fault_note(intake, file, INTAKE_BAD_NAME);
    else if (!intake->rules->type_deferred && !intake_type_allowed(intake, file))
        fault_note(intake, file, INTAKE_BAD_TYPE);
    return 0;
}

/* A guess until the form is complete: clients put fields before files. */
static bool is_read_only_so_far(const struct intake *intake)
{
    struct intake_marks marks;
    const char *field, *message;

    return !marks_read(intake, &marks, &field, &message) && marks.read_only;
}

static void writer_begin(struct intake *intake, struct intake_file *file)
{
    int r;

    file->writer_read_only = is_read_only_so_far(intake);
    r = blob_writer_new(intake->api->engine->blobs, intake->scope, file->writer_read_only, intake->api->max_file_bytes,
                        &file->writer);
    if (r)
        storage_note(intake, file, r);
    else
        atomic_fetch_add(&intake->api->open_writers, 1);
}

/* Counts the arriving file among the files, now that it is known to be one. Returns 0, STOP or a negative errno. */
static int file_admit(struct intake *intake)
{
    struct intake_file *file = intake->file;
    struct intake_file **files;
    int r;

    if (!file->secondary && intake->n_files && intake->files[0]->secondary)
        secondary_drop(intake);
    if (intake->n_files >= intake->api->max_upload_files) {
        r = file->secondary ? 0 : STOP;
        intake->too_many = true;
        intake_file_free(intake, TAKE_PTR(intake->file));
        return r;
    }
    files = realloc(intake->files, (intake->n_files + 1) * sizeof(*files));
    if (!files) {
        intake_file_free(intake, TAKE_PTR(intake->file));
        return -ENOMEM;
    }
    intake->files = files;
    files[intake->n_files++] = file;
    intake->file_admitted = true;
    r = name_take(intake, file);
    if (r < 0)
        return r;
    if (file->fault == INTAKE_FINE && !intake->spoiled)
        writer_begin(intake, file);
    return 0;
}

static bool is_ignored(const struct intake *intake, enum file_name name)
{
    return name == NOT_A_FILE || (name == SECONDARY && intake->n_files && !intake->files[0]->secondary);
}

int intake_part_begin(void *context, const struct http_part *part)
{
    struct intake *intake = context;
    enum file_name name = file_name_of(intake, part->name);

    intake->file_admitted = false;
    text_begin(intake, part->filename ? -1 : text_of(part->name));
    if (intake->text >= 0 || is_ignored(intake, name) || (!part->filename && !intake->rules->unnamed))
        return 0;
    intake->file = file_new(intake, part, name == SECONDARY);
    return intake->file ? 0 : -ENOMEM;
}

/* Returns 0 or STOP. */
static int file_append(struct intake *intake, struct intake_file *file, const void *data, size_t length)
{
    int r;

    file->record.size_bytes += (int64_t)length;
    if (file->record.size_bytes > intake->api->max_file_bytes) {
        fault_note(intake, file, INTAKE_TOO_LARGE);
        return intake->rules->all_or_none && !file->secondary ? STOP : 0;
    }
    r = file->writer ? blob_writer_append(file->writer, data, length) : 0;
    if (r)
        storage_note(intake, file, r);
    return 0;
}

int intake_part_data(void *context, const void *data, size_t length)
{
    struct intake *intake = context;

    if (intake->text >= 0)
        text_append(intake, data, length);
    if (!intake->file || length == 0)
        return 0;
    if (!intake->file_admitted) {
        int r = file_admit(intake);

        if (r || !intake->file)
            return r;
    }
    return file_append(intake, intake->file, data, length);
}

static void file_finish_if_crowded(struct intake *intake, struct intake_file *file)
{
    int r = 0;

    if (file->writer && atomic_load(&intake->api->open_writers) > OPEN_WRITERS_MAX)
        r = file_commit(intake, file);
    if (r)
        storage_note(intake, file, r);
}

/* An empty file input of a browser form has neither name nor bytes: it is no file. */
int intake_part_end(void *context)
{
    struct intake *intake = context;
    struct intake_file *file = intake->file;
    int r = 0;

    if (file && !intake->file_admitted && !file->named)
        intake_file_free(intake, file);
    else if (file && !intake->file_admitted)
        r = file_admit(intake);
    else if (file)
        file_finish_if_crowded(intake, file);
    intake->file = NULL;
    return r;
}

/* ---- the end ---- */

void intake_close(void *context)
{
    struct intake *intake = context;

    if (!intake)
        return;
    if (intake->file && !intake->file_admitted)
        intake_file_free(intake, intake->file);
    blobs_drop(intake);
    for (size_t i = 0; i < intake->n_files; i++)
        intake_file_free(intake, intake->files[i]);
    free(intake->files);
    free(intake);
}

/* Stores a finished blob once more with the other mode: the form named the mode after the file. The first blob is left
 * to the sweep, for an equal file of the form may still need it. */
static int file_change_mode(struct intake *intake, struct intake_file *file, bool read_only)
{
    CLEANUP_CLOSE int fd = -1;
    int64_t size_bytes;
    int r = blob_open(intake->api->engine->blobs, file->record.blob, &fd, &size_bytes);

    if (r)
        return r;
    r = blob_writer_new(intake->api->engine->blobs, intake->scope, read_only, intake->api->max_file_bytes,
                        &file->writer);
    if (r)
        return r;
    atomic_fetch_add(&intake->api->open_writers, 1);
    file->writer_read_only = read_only;
    r = blob_writer_append_fd(file->writer, fd);
    return r ? r : file_commit(intake, file);
}

int intake_finish_file(struct intake *intake, struct intake_file *file)
{
    int r = file->writer ? file_commit(intake, file) : 0;

    return r || file->writer_read_only == intake->marks.read_only
               ? r
               : file_change_mode(intake, file, intake->marks.read_only);
}

static void record_fill(struct file_record *record, const struct session *session, const struct intake_marks *marks)
{
    snprintf(record->session_id, sizeof(record->session_id), "%s", session->id);
    snprintf(record->resource_id, sizeof(record->resource_id), "%s", marks->resource_id);
    snprintf(record->kind, sizeof(record->kind), "%s", marks->kind);
    record->origin = FILE_UPLOAD;
    record->read_only = marks->read_only;
    record->infrastructure = marks->infrastructure;
    record->has_version = marks->has_version;
    record->version = marks->has_version ? marks->version : 0;
}

/* The records of the files without fault, in order; with back set, from records to the files. Returns how many. */
static size_t records_copy(struct intake *intake, struct file_record *records, bool back)
{
    size_t n_records = 0;

    for (size_t i = 0; i < intake->n_files; i++) {
        struct intake_file *file = intake->files[i];

        if (file->fault != INTAKE_FINE)
            continue;
        if (back)
            file->record = records[n_records];
        else
            records[n_records] = file->record;
        n_records++;
    }
    return n_records;
}

/* Stores the records of the files. Returns 0 or a negative errno. */
static int records_add(struct intake *intake)
{
    CLEANUP_FREE struct file_record *records = calloc(intake->n_files + 1, sizeof(struct file_record));
    size_t n_records;
    int r = 0;

    if (!records)
        return -ENOMEM;
    n_records = records_copy(intake, records, false);
    if (n_records)
        r = file_add(intake->api->engine->kv, records, n_records);
    if (r == 0)
        records_copy(intake, records, true);
    return r;
}

int intake_store(struct intake *intake, const char *tenant, struct session *ret_session)
{
    const struct engine *engine = intake->api->engine;
    int r = session_create(engine->kv, tenant, intake->marks.entity_id, NULL, engine->session_ttl_ms, ret_session);

    if (r < 0)
        return r;
    for (size_t i = 0; i < intake->n_files; i++)
        record_fill(&intake->files[i]->record, ret_session, &intake->marks);
    return records_add(intake);
}

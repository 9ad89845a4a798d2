/* SPDX-License-Identifier: Apache-2.0 */
/* files.c -- listing, freshness and deletion of stored files (files.md F3, F4, F6). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/handlers.h"
#include "api/offload.h"
#include "api/path_id.h"
#include "api/query.h"
#include "base/cleanup.h"
#include "base/clock.h"

#define LAST_MODIFIED_SIZE CLOCK_ISO_SIZE
#define OBJECT_NAME_SIZE   (2 * ID_SIZE)
#define ETAG_SIZE          (ID_SIZE + 2)

/* The texts that several forms share. */
struct file_texts {
    char last_modified[LAST_MODIFIED_SIZE];
    char object_name[OBJECT_NAME_SIZE]; /* session/id */
    char etag[ETAG_SIZE];
    const char *original_name;
};

static struct file_texts file_texts(const struct file_record *file)
{
    struct file_texts texts;

    clock_format_iso(file->created_ms, texts.last_modified);
    snprintf(texts.object_name, sizeof(texts.object_name), "%s/%s", file->session_id, file->id);
    snprintf(texts.etag, sizeof(texts.etag), "\"%s\"", file->id);
    texts.original_name = file->original_name[0] ? file->original_name : file->name;
    return texts;
}

/* Outputs are shown below /outputs; aliases and uploads at the top. Informative only. */
static json_t *file_path(const struct file_record *file)
{
    return json_sprintf("%s%s", file->origin == FILE_OUTPUT ? "/outputs/" : "/", file->name);
}

static void marks_add(json_t *entry, const struct file_record *file)
{
    if (file->resource_id[0])
        json_object_set_new(entry, "resource_id", json_string(file->resource_id));
    if (file->kind[0])
        json_object_set_new(entry, "kind", json_string(file->kind));
    if (file->has_version)
        json_object_set_new(entry, "version", json_integer(file->version));
    if (file->read_only)
        json_object_set_new(entry, "read_only", json_true());
}

static json_t *file_full(const struct file_record *file)
{
    struct file_texts texts = file_texts(file);
    json_t *entry =
        json_pack("{s:s, s:s, s:s, s:s, s:n, s:I, s:s, s:s, s:{s:s, s:s}, s:s, s:o}", "name", texts.object_name, "id",
                  file->id, "storage_session_id", file->session_id, "session_id", file->session_id, "content", "size",
                  (json_int_t)file->size_bytes, "lastModified", texts.last_modified, "etag", texts.etag, "metadata",
                  "content-type", file->content_type, "original-filename", texts.original_name, "contentType",
                  file->content_type, "path", file_path(file));

    if (entry)
        marks_add(entry, file);
    return entry;
}

static json_t *file_summary(const struct file_record *file)
{
    struct file_texts texts = file_texts(file);

    return json_pack("{s:s, s:s, s:I, s:s}", "name", texts.object_name, "lastModified", texts.last_modified, "size",
                     (json_int_t)file->size_bytes, "etag", texts.etag);
}

static json_t *file_simple(const struct file_record *file)
{
    return json_pack("{s:s, s:s, s:o}", "id", file->id, "name", file->name, "path", file_path(file));
}

static json_t *file_normalized(const struct file_record *file)
{
    struct file_texts texts = file_texts(file);
    json_t *entry = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s}", "id", file->id, "name", texts.original_name,
                              "storage_session_id", file->session_id, "size", (json_int_t)file->size_bytes,
                              "contentType", file->content_type, "lastModified", texts.last_modified);

    if (entry && file->read_only)
        json_object_set_new(entry, "read_only", json_true());
    return entry;
}

typedef json_t *(*file_form)(const struct file_record *file);

static file_form form_of(const char *detail)
{
    static const struct {
        const char *name;
        file_form form;
    } forms[] = {
        { "summary", file_summary },
        { "simple", file_simple },
        { "normalized", file_normalized },
    };

    for (size_t i = 0; detail && i < ARRAY_SIZE(forms); i++)
        if (strcmp(detail, forms[i].name) == 0)
            return forms[i].form;
    return file_full;
}

/* F3. Files of one moment, as those of an upload are, have no other order that a client could know. */
static int compare_listed(const void *left, const void *right)
{
    const struct file_record *a = left, *b = right;

    if (a->created_ms != b->created_ms)
        return a->created_ms < b->created_ms ? -1 : 1;
    return strcmp(a->id, b->id);
}

static json_t *files_json(const struct file_record *files, size_t n_files, file_form form)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n_files; i++)
        if (json_array_append_new(list, form(&files[i])) < 0) {
            json_decref(list);
            return NULL;
        }
    return list;
}

/* Checked and not used (F3). Returns false after answering. */
static bool check_version(struct http_request *request)
{
    int64_t version = 0;

    return query_read_integer(request, "version", INT64_MIN, INT64_MAX, &version);
}

void handle_files(struct http_request *request)
{
    const struct api *api = http_request_data(request);
    CLEANUP_FREE struct file_record *files = NULL;
    const char *session_id = path_id(request, "session_id");
    size_t n_files = 0;
    json_t *list;
    int r = 0;

    if (!check_version(request))
        return;
    if (session_id)
        r = file_list(api->engine->kv, http_request_tenant(request), session_id, &files, &n_files);
    if (r < 0) {
        answer_fault(request, 503, "File storage is unavailable", "cannot list files", r);
        return;
    }
    if (n_files > 1)
        qsort(files, n_files, sizeof(*files), compare_listed);
    list = files_json(files, n_files, form_of(http_request_query(request, "detail")));
    if (list)
        http_respond_json(request, 200, list);
    else
        answer_unexpected(request, "cannot render the list", -ENOMEM);
}

void handle_object(struct http_request *request)
{
    struct file_record file;
    struct file_texts texts;
    json_t *body;

    if (!check_version(request) || !path_file(request, NULL, &file))
        return;
    texts = file_texts(&file);
    body = json_pack("{s:s, s:s, s:s, s:I, s:s, s:s, s:b}", "lastModified", texts.last_modified, "name",
                     texts.object_name, "originalFilename", texts.original_name, "size", (json_int_t)file.size_bytes,
                     "etag", texts.etag, "contentType", file.content_type, "readOnly", file.read_only);
    if (body)
        http_respond_json(request, 200, body);
    else
        answer_unexpected(request, "cannot render the file", -ENOMEM);
}

/* Runs on an offload thread: deleting waits for the disk. */
static void delete_file(void *context)
{
    struct http_request *request = context;
    const struct api *api = http_request_data(request);
    const char *session_id = path_id(request, "session_id"), *file_id = path_id(request, "file_id");
    struct file_record file;
    int r = FILE_E_NOT_FOUND;

    if (session_id && file_id)
        r = file_delete(api->engine->kv, api->engine->blobs, http_request_tenant(request), session_id, file_id, &file);
    audited_file(request, "delete", session_id, file_id, r == 0 ? file.name : NULL, r == 0);
    if (r < 0)
        answer_fault(request, 503, "File storage is unavailable", "cannot delete a file", r);
    else if (r)
        http_respond_error(request, 404, "File not found", NULL, 0, NULL);
    else
        http_respond_json(request, 200,
                          json_pack("{s:s, s:s, s:s}", "message", "File deleted successfully", "session_id", session_id,
                                    "fileId", file_id));
}

void handle_file_delete(struct http_request *request)
{
    answer_offloaded(request, delete_file);
}

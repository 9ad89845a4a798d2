/* SPDX-License-Identifier: Apache-2.0 */
/* download.c -- GET /download/{session_id}/{file_id} (files.md F5). */
#include <errno.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/handlers.h"
#include "api/path_id.h"
#include "base/cleanup.h"
#include "domain/mime.h"

/* The stored type, unless it says nothing. */
static const char *type_of(const struct file_record *file)
{
    bool known = file->content_type[0] && strcmp(file->content_type, MIME_DEFAULT) != 0;

    return known ? file->content_type : mime_guess(file->name);
}

void handle_download(struct http_request *request)
{
    const struct api *api = http_request_data(request);
    CLEANUP_CLOSE int fd = -1;
    CLEANUP_FREE char *disposition = NULL;
    struct file_record file;
    int64_t size_bytes;
    int r;

    if (!path_file(request, "download", &file))
        return;
    r = blob_open(api->engine->blobs, file.blob, &fd, &size_bytes);
    audited_file(request, "download", file.session_id, file.id, file.name, r == 0);
    if (r == BLOB_E_NOT_FOUND) {
        http_respond_error(request, 404, "File content not found", NULL, 0, NULL);
        return;
    }
    disposition = r == 0 ? mime_content_disposition(file.name) : NULL;
    if (!disposition) {
        answer_fault(request, 503, "File storage is unavailable", "cannot open a file", r ? r : -ENOMEM);
        return;
    }
    const struct http_header headers[] = {
        { "Content-Disposition", disposition },
        { "Cache-Control", "private, max-age=3600" },
        { file.read_only ? "X-Read-Only" : NULL, "true" },
        { NULL, NULL },
    };
    http_respond_fd(request, 200, type_of(&file), headers, TAKE_FD(fd), (uint64_t)size_bytes);
}

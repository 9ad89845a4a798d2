/* SPDX-License-Identifier: Apache-2.0 */
#include "api/path_id.h"

#include <string.h>

#include "api/answer.h"
#include "api/api.h"
#include "api/audited.h"

const char *path_id(const struct http_request *request, const char *name)
{
    const char *id = http_request_param(request, name);

    return strlen(id) < ID_MAX_SIZE && !strchr(id, '/') ? id : NULL;
}

bool path_file(struct http_request *request, const char *operation, struct file_record *ret_file)
{
    const struct api *api = http_request_data(request);
    const char *session_id = path_id(request, "session_id"), *file_id = path_id(request, "file_id");
    int r = FILE_E_NOT_FOUND;

    if (session_id && file_id)
        r = file_get(api->engine->kv, http_request_tenant(request), session_id, file_id, ret_file);
    if (r && operation)
        audited_file(request, operation, session_id, file_id, NULL, false);
    if (r < 0)
        answer_fault(request, 503, "File storage is unavailable", "cannot look a file up", r);
    else if (r)
        http_respond_error(request, 404, "File not found", NULL, 0, NULL);
    return r == 0;
}

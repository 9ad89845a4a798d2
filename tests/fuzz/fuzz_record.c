/* SPDX-License-Identifier: Apache-2.0 */
/* Records of sessions and files as they lie in the store, possibly damaged. What decodes is sound, and encodes to
 * something that decodes to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/filename.h"
#include "domain/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char session_id[] = "8sD0fGh2Jk4Lm6Np8Qr0T", file_id[] = "t7Pq1ZrT5v0eXw3hB2n9c";

static void require(int condition)
{
    if (!condition)
        abort();
}

static void check_session(const char *json, size_t size)
{
    struct session session, again;
    char *text;
    size_t length;

    if (record_decode_session(json, size, session_id, &session) != 0)
        return;
    require(record_encode_session(&session, &text, &length) == 0);
    require(record_decode_session(text, length, session_id, &again) == 0);
    require(strcmp(session.tenant, again.tenant) == 0 && strcmp(session.entity_id, again.entity_id) == 0 &&
            strcmp(session.user_id, again.user_id) == 0 && session.expires_ms == again.expires_ms);
    free(text);
}

static void check_file(const char *json, size_t size)
{
    struct file_record file, again;
    char *text;
    size_t length;

    if (record_decode_file(json, size, session_id, file_id, &file) != 0)
        return;
    require(filename_is_safe_relative(file.name));
    require(record_encode_file(&file, &text, &length) == 0);
    require(record_decode_file(text, length, session_id, file_id, &again) == 0);
    require(strcmp(file.name, again.name) == 0 && strcmp(file.blob, again.blob) == 0 &&
            file.size_bytes == again.size_bytes);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_session((const char *)data, size);
    check_file((const char *)data, size);
    return 0;
}

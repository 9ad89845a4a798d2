/* SPDX-License-Identifier: Apache-2.0 */
/* Records of sessions, files, states and keys as they lie in the store, possibly damaged. What decodes is sound, and
 * encodes to something that decodes to the same. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "domain/filename.h"
#include "domain/record.h"
#include "domain/state_text.h"

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

/* In two pieces, as it may come. */
static void check_text(const char *text, size_t size, const char *sha256)
{
    struct buffer bytes = BUFFER_INIT(size);
    struct state_text_decoder decoder;
    size_t half = size / 2;

    state_text_decode_begin(&decoder, &bytes);
    if (state_text_decode(&decoder, text, half) == 0 && state_text_decode(&decoder, text + half, size - half) == 0)
        (void)state_text_decode_end(&decoder, sha256);
    require(bytes.length <= size);
    buffer_deinit(&bytes);
}

static void check_state(const char *value, size_t size)
{
    struct state_record state, again;
    size_t length, text_at;
    char *text;

    if (record_decode_state(value, size, &state, &text_at) != 0)
        return;
    require(text_at <= size && state.size_bytes > 0);
    require(record_encode_state(&state, &text, &length) == 0);
    require(record_decode_state(text, length, &again, &text_at) == 0 && text_at == length);
    require(strcmp(state.seal, again.seal) == 0 && state.size_bytes == again.size_bytes);
    free(text);
    (void)record_decode_state(value, size, &state, &text_at);
    check_text(value + text_at, size - text_at, state.sha256);
}

static void check_key(const char *json, size_t size)
{
    static const char hash[] = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
    struct key key, again;
    char *text;
    size_t length;

    if (record_decode_key(json, size, hash, &key) != 0)
        return;
    require(record_encode_key(&key, &text, &length) == 0);
    require(record_decode_key(text, length, hash, &again) == 0);
    require(strcmp(key.name, again.name) == 0 && strcmp(key.tenant, again.tenant) == 0 &&
            key.enabled == again.enabled && key.expires_ms == again.expires_ms &&
            memcmp(key.limits, again.limits, sizeof(key.limits)) == 0);
    key_deinit(&key);
    key_deinit(&again);
    free(text);
}

static void check_key_use(const char *json, size_t size)
{
    struct key_use use, again;
    char *text;
    size_t length;

    if (record_decode_key_use(json, size, &use) != 0)
        return;
    require(record_encode_key_use(&use, &text, &length) == 0);
    require(record_decode_key_use(text, length, &again) == 0);
    require(memcmp(&use, &again, sizeof(use)) == 0);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    check_key((const char *)data, size);
    check_key_use((const char *)data, size);
    check_session((const char *)data, size);
    check_file((const char *)data, size);
    check_state((const char *)data, size);
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/record.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistr.h>

#include "base/cleanup.h"
#include "base/json.h"
#include "domain/filename.h"
#include "domain/limits.h"
#include "store/digest.h"

enum field_type {
    FIELD_TEXT,   /* char[size]; left out when "" */
    FIELD_NUMBER, /* int64_t */
    FIELD_FLAG,   /* bool; left out when false */
};

struct field {
    const char *name;
    enum field_type type;
    bool required;
    size_t offset, size;
};

#define TEXT(record, member, must)                                                                                     \
    {                                                                                                                  \
#member, FIELD_TEXT, must, offsetof(record, member), sizeof(((record *)0)->member)                             \
    }
#define NUMBER(record, member)                                                                                         \
    {                                                                                                                  \
#member, FIELD_NUMBER, true, offsetof(record, member), sizeof(((record *)0)->member)                           \
    }
#define FLAG(record, member)                                                                                           \
    {                                                                                                                  \
#member, FIELD_FLAG, false, offsetof(record, member), sizeof(((record *)0)->member)                            \
    }

static const struct field session_fields[] = {
    TEXT(struct session, tenant, false), TEXT(struct session, entity_id, false), TEXT(struct session, user_id, false),
    NUMBER(struct session, created_ms),  NUMBER(struct session, active_ms),      NUMBER(struct session, expires_ms),
};

static const struct field file_fields[] = {
    TEXT(struct file_record, name, true),
    TEXT(struct file_record, original_name, true),
    TEXT(struct file_record, content_type, false),
    NUMBER(struct file_record, size_bytes),
    TEXT(struct file_record, sha256, true),
    TEXT(struct file_record, blob, true),
    NUMBER(struct file_record, created_ms),
    NUMBER(struct file_record, sequence),
    FLAG(struct file_record, read_only),
    FLAG(struct file_record, infrastructure),
    TEXT(struct file_record, source_session_id, false),
    TEXT(struct file_record, source_id, false),
    TEXT(struct file_record, edition_of, false),
    TEXT(struct file_record, resource_id, false),
    TEXT(struct file_record, kind, false),
    FLAG(struct file_record, has_version),
    NUMBER(struct file_record, version),
};

static const struct field state_fields[] = {
    TEXT(struct state_record, tenant, true), TEXT(struct state_record, user, false),
    TEXT(struct state_record, blob, false),  TEXT(struct state_record, sha256, true),
    TEXT(struct state_record, seal, true),   NUMBER(struct state_record, size_bytes),
    NUMBER(struct state_record, used_ms),
};

#define LIMIT(period, name)                                                                                            \
    {                                                                                                                  \
        name, FIELD_NUMBER, true, offsetof(struct key, limits[period]), sizeof(int64_t)                                \
    }

static const struct field key_fields[] = {
    TEXT(struct key, prefix, true),       TEXT(struct key, name, true),         TEXT(struct key, tenant, true),
    NUMBER(struct key, created_ms),       NUMBER(struct key, expires_ms),       FLAG(struct key, enabled),
    LIMIT(RATE_PER_SECOND, "per_second"), LIMIT(RATE_PER_MINUTE, "per_minute"), LIMIT(RATE_HOURLY, "hourly"),
    LIMIT(RATE_DAILY, "daily"),           LIMIT(RATE_MONTHLY, "monthly"),
};

static const struct field key_use_fields[] = {
    NUMBER(struct key_use, last_used_ms),
    NUMBER(struct key_use, count),
};

static const struct field window_fields[] = {
    NUMBER(struct rate_window, start_ms),
    NUMBER(struct rate_window, end_ms),
    NUMBER(struct rate_window, used),
};

static const char *const origin_names[] = {
    [FILE_UPLOAD] = "upload",
    [FILE_OUTPUT] = "output",
    [FILE_ALIAS] = "alias",
};

static struct record_name name_of(const char *format, ...) __attribute__((format(printf, 1, 2)));

static struct record_name name_of(const char *format, ...)
{
    struct record_name name = { 0 };
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name.text, sizeof(name.text), format, arguments);
    va_end(arguments);
    return name;
}

struct record_name record_session(const char *session_id)
{
    return name_of("session:%s", session_id);
}

struct record_name record_file(const char *session_id, const char *file_id)
{
    return name_of("file:%s:%s", session_id, file_id);
}

struct record_name record_alias(const char *session_id, const char *source_session_id, const char *source_id)
{
    return name_of("alias:%s:%s:%s", session_id, source_session_id, source_id);
}

struct record_name record_state(const char *session_id)
{
    return name_of("state:%s", session_id);
}

struct record_name record_set_entity(const char *tenant, const char *entity_id)
{
    return name_of("entity:%s:%s", tenant, entity_id);
}

struct record_name record_set_entity_user(const char *tenant, const char *entity_id, const char *user_id)
{
    char digest[DIGEST_HEX_SIZE]; /* a user id may hold anything, the delimiter too */

    digest_bytes_hex(user_id, strlen(user_id), digest);
    return name_of("entity:%s:%s:%s", tenant, entity_id, digest);
}

struct record_name record_set_files(const char *session_id)
{
    return name_of("files:%s", session_id);
}

struct record_name record_set_blob(const char *blob)
{
    return name_of("blob:%s", blob);
}

struct record_name record_reference(const char *session_id, const char *file_id)
{
    return name_of("%s:%s", session_id, file_id);
}

bool record_is_of_state(const char *reference)
{
    return strncmp(reference, "state:", 6) == 0;
}

struct record_name record_of_reference(const char *reference)
{
    return record_is_of_state(reference) ? name_of("%s", reference) : name_of("file:%s", reference);
}

struct record_name record_key(const char *hash)
{
    return name_of("key:%s", hash);
}

struct record_name record_key_use(const char *hash)
{
    return name_of("key-use:%s", hash);
}

/* Text that came from a client may be no UTF-8, which JSON cannot hold. A bad byte becomes '?', so that nothing grows.
 */
static json_t *json_from_text(const char *text, size_t size)
{
    char copy[FILE_NAME_SIZE];
    json_t *json = json_string(text);

    if (json || strnlen(text, size) >= sizeof(copy))
        return json;
    memcpy(copy, text, strlen(text) + 1);
    for (;;) {
        const uint8_t *bad = u8_check((const uint8_t *)copy, strlen(copy));

        if (!bad)
            return json_string(copy);
        copy[(const char *)bad - copy] = '?';
    }
}

static json_t *field_encode(const struct field *field, const void *record)
{
    const void *value = (const char *)record + field->offset;

    switch (field->type) {
    case FIELD_TEXT:
        return json_from_text(value, field->size);
    case FIELD_NUMBER:
        return json_integer(*(const int64_t *)value);
    case FIELD_FLAG:
        return json_boolean(*(const bool *)value);
    }
    return NULL;
}

static bool field_is_empty(const struct field *field, const void *record)
{
    const char *value = (const char *)record + field->offset;

    return field->type != FIELD_NUMBER && *value == 0;
}

static int fields_encode(const struct field *fields, size_t n, const void *record, json_t *json)
{
    for (size_t i = 0; i < n; i++) {
        if (field_is_empty(&fields[i], record)) {
            if (fields[i].required)
                return -EINVAL;
            continue;
        }
        if (json_object_set_new(json, fields[i].name, field_encode(&fields[i], record)) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int field_decode_text(const struct field *field, const json_t *value, char *ret_text)
{
    size_t length;

    if (!json_is_string(value))
        return -EBADMSG;
    length = json_string_length(value);
    if (length >= field->size || (field->required && length == 0))
        return -EBADMSG;
    memcpy(ret_text, json_string_value(value), length + 1);
    return 0;
}

static int field_decode(const struct field *field, const json_t *json, void *record)
{
    const json_t *value = json_object_get(json, field->name);
    char *member = (char *)record + field->offset;

    if (!value)
        return field->required ? -EBADMSG : 0;
    switch (field->type) {
    case FIELD_TEXT:
        return field_decode_text(field, value, member);
    case FIELD_NUMBER:
        *(int64_t *)member = json_integer_value(value);
        return json_is_integer(value) ? 0 : -EBADMSG;
    case FIELD_FLAG:
        *(bool *)member = json_is_true(value);
        return json_is_boolean(value) ? 0 : -EBADMSG;
    }
    return -EBADMSG;
}

static int fields_decode(const struct field *fields, size_t n, const json_t *json, void *record)
{
    for (size_t i = 0; i < n; i++) {
        int r = field_decode(&fields[i], json, record);

        if (r < 0)
            return r;
    }
    return 0;
}

static int dump(const json_t *json, char **ret_json, size_t *ret_length)
{
    char *text = json_dumps(json, JSON_COMPACT);

    if (!text)
        return -ENOMEM;
    *ret_json = text;
    *ret_length = strlen(text);
    return 0;
}

/* *ret_json is an object. */
static int parse(const char *text, size_t length, json_t **ret_json)
{
    CLEANUP_JSON json_t *json = NULL;
    json_error_t error;

    if (length > LIMIT_RECORD_BYTES)
        return -EBADMSG;
    json = json_loadb(text, length, 0, &error);
    if (!json)
        return json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
    if (!json_is_object(json))
        return -EBADMSG;
    *ret_json = TAKE_PTR(json);
    return 0;
}

int record_encode_session(const struct session *session, char **ret_json, size_t *ret_length)
{
    CLEANUP_JSON json_t *json = json_object();
    int r = json ? fields_encode(session_fields, ARRAY_SIZE(session_fields), session, json) : -ENOMEM;

    return r < 0 ? r : dump(json, ret_json, ret_length);
}

int record_decode_session(const char *json_text, size_t length, const char *session_id, struct session *ret_session)
{
    CLEANUP_JSON json_t *json = NULL;
    struct session session = { 0 };
    int r;

    if (!id_is_ours(session_id))
        return -EBADMSG;
    r = parse(json_text, length, &json);
    if (r == 0)
        r = fields_decode(session_fields, ARRAY_SIZE(session_fields), json, &session);
    if (r < 0)
        return r;
    memcpy(session.id, session_id, ID_SIZE);
    if (!session.tenant[0])
        strcpy(session.tenant, TENANT_ENVIRONMENT);
    *ret_session = session;
    return 0;
}

/* What the rest of the program relies on in a file's record, however it came about. */
static bool file_is_sound(const struct file_record *record)
{
    bool alias = record->origin == FILE_ALIAS;

    return filename_is_safe_relative(record->name) && record->original_name[0] && digest_is_hex(record->sha256) &&
           digest_is_hex(record->blob) && record->size_bytes >= 0 &&
           (!alias || (id_is_ours(record->source_session_id) && id_is_ours(record->source_id)));
}

int record_encode_file(const struct file_record *record, char **ret_json, size_t *ret_length)
{
    CLEANUP_JSON json_t *json = json_object();
    int r;

    if ((unsigned)record->origin >= ARRAY_SIZE(origin_names) || !file_is_sound(record))
        return -EINVAL;
    if (!json || json_object_set_new(json, "origin", json_string(origin_names[record->origin])) < 0)
        return -ENOMEM;
    r = fields_encode(file_fields, ARRAY_SIZE(file_fields), record, json);
    return r < 0 ? r : dump(json, ret_json, ret_length);
}

static int decode_origin(const json_t *json, enum file_origin *ret_origin)
{
    const char *name = json_string_value(json_object_get(json, "origin"));

    for (unsigned i = 0; name && i < ARRAY_SIZE(origin_names); i++) {
        if (strcmp(name, origin_names[i]) == 0) {
            *ret_origin = i;
            return 0;
        }
    }
    return -EBADMSG;
}

int record_decode_file(const char *json_text, size_t length, const char *session_id, const char *file_id,
                       struct file_record *ret_record)
{
    CLEANUP_JSON json_t *json = NULL;
    struct file_record record = { 0 };
    int r;

    if (!id_is_ours(session_id) || !id_is_ours(file_id))
        return -EBADMSG;
    r = parse(json_text, length, &json);
    if (r == 0)
        r = decode_origin(json, &record.origin);
    if (r == 0)
        r = fields_decode(file_fields, ARRAY_SIZE(file_fields), json, &record);
    if (r < 0)
        return r;
    memcpy(record.session_id, session_id, ID_SIZE);
    memcpy(record.id, file_id, ID_SIZE);
    if (!file_is_sound(&record))
        return -EBADMSG;
    *ret_record = record;
    return 0;
}

int record_encode_state(const struct state_record *record, char **ret_json, size_t *ret_length)
{
    CLEANUP_JSON json_t *json = json_object();
    int r = json ? fields_encode(state_fields, ARRAY_SIZE(state_fields), record, json) : -ENOMEM;
    char *text = NULL;
    size_t length = 0;

    if (r < 0)
        return r;
    r = dump(json, &text, &length);
    if (r < 0)
        return r;
    text[length] = '\n'; /* in the place of the NUL */
    *ret_json = text;
    *ret_length = length + 1;
    return 0;
}

static bool state_is_sound(const struct state_record *record)
{
    return digest_is_hex(record->sha256) && digest_is_hex(record->seal) && record->size_bytes > 0 &&
           (!record->user[0] || digest_is_hex(record->user)) && (!record->blob[0] || digest_is_hex(record->blob));
}

int record_decode_state(const char *value, size_t length, struct state_record *ret_record, size_t *ret_text_at)
{
    CLEANUP_JSON json_t *json = NULL;
    const char *end = length ? memchr(value, '\n', length < LIMIT_RECORD_BYTES ? length : LIMIT_RECORD_BYTES) : NULL;
    struct state_record record = { 0 };
    int r = end ? parse(value, (size_t)(end - value), &json) : -EBADMSG;

    if (r == 0)
        r = fields_decode(state_fields, ARRAY_SIZE(state_fields), json, &record);
    if (r < 0)
        return r;
    if (!state_is_sound(&record))
        return -EBADMSG;
    *ret_record = record;
    *ret_text_at = (size_t)(end - value) + 1;
    return 0;
}

/* What the rest of the program relies on in a key's record: a damaged one must not open more than the sound one did. */
static bool key_is_sound(const struct key *key)
{
    bool sound =
        (unsigned)key->network < KEY_NETWORKS && digest_is_hex(key->hash) &&
        strlen(key->prefix) == KEY_PREFIX_SIZE - 1 && key->expires_ms >= 0 &&
        strspn(key->tenant, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == strlen(key->tenant);

    for (int i = 0; i < RATE_PERIODS; i++)
        sound &= key->limits[i] >= 0 && key->limits[i] <= KEY_LIMIT_MAX;
    return sound;
}

int record_encode_key(const struct key *key, char **ret_json, size_t *ret_length)
{
    CLEANUP_JSON json_t *json = json_object();
    int r;

    if (!key_is_sound(key))
        return -EINVAL;
    if (!json || (key->metadata && json_object_set(json, "metadata", key->metadata) < 0) ||
        json_object_set_new(json, "network", json_string(key_network_name(key->network))) < 0)
        return -ENOMEM;
    r = fields_encode(key_fields, ARRAY_SIZE(key_fields), key, json);
    return r < 0 ? r : dump(json, ret_json, ret_length);
}

/* Keys that were made before there was a choice have none. */
static bool network_decode(const json_t *json, enum key_network *ret_network)
{
    const char *name = json_string_value(json);

    *ret_network = KEY_NETWORK_SERVER;
    return !json || (name && key_network_from_name(name, ret_network));
}

int record_decode_key(const char *json_text, size_t length, const char *hash, struct key *ret_key)
{
    CLEANUP_JSON json_t *json = NULL;
    struct key key = { 0 };
    int r = digest_is_hex(hash) ? parse(json_text, length, &json) : -EBADMSG;

    if (r == 0)
        r = fields_decode(key_fields, ARRAY_SIZE(key_fields), json, &key);
    if (r < 0)
        return r;
    memcpy(key.hash, hash, DIGEST_HEX_SIZE);
    key.metadata = json_object_get(json, "metadata");
    if (!network_decode(json_object_get(json, "network"), &key.network))
        return -EBADMSG;
    if (!key_is_sound(&key) || (key.metadata && !json_is_object(key.metadata)))
        return -EBADMSG;
    json_incref(key.metadata);
    *ret_key = key;
    return 0;
}

static json_t *windows_encode(const struct rate_window *windows, size_t n)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < n; i++) {
        json_t *entry = json_object();

        if (!entry || fields_encode(window_fields, ARRAY_SIZE(window_fields), &windows[i], entry) < 0 ||
            json_array_append(list, entry) < 0) {
            json_decref(list);
            list = NULL;
        }
        json_decref(entry);
    }
    return list;
}

/* Entries beyond n are left alone, missing ones stay empty: the lists grow with the program. */
static int windows_decode(const json_t *list, struct rate_window *windows, size_t n)
{
    int r = json_is_array(list) ? 0 : -EBADMSG;

    for (size_t i = 0; r == 0 && i < n && i < json_array_size(list); i++) {
        r = fields_decode(window_fields, ARRAY_SIZE(window_fields), json_array_get(list, i), &windows[i]);
        if (windows[i].used < 0)
            r = -EBADMSG;
    }
    return r;
}

int record_encode_key_use(const struct key_use *use, char **ret_json, size_t *ret_length)
{
    CLEANUP_JSON json_t *json = json_object();
    int r;

    if (!json || json_object_set_new(json, "periods", windows_encode(use->periods, RATE_PERIODS)) < 0 ||
        json_object_set_new(json, "groups", windows_encode(use->groups, RATE_GROUPS)) < 0)
        return -ENOMEM;
    r = fields_encode(key_use_fields, ARRAY_SIZE(key_use_fields), use, json);
    return r < 0 ? r : dump(json, ret_json, ret_length);
}

int record_decode_key_use(const char *json_text, size_t length, struct key_use *ret_use)
{
    CLEANUP_JSON json_t *json = NULL;
    struct key_use use = { 0 };
    int r = parse(json_text, length, &json);

    if (r == 0)
        r = fields_decode(key_use_fields, ARRAY_SIZE(key_use_fields), json, &use);
    if (r == 0)
        r = windows_decode(json_object_get(json, "periods"), use.periods, RATE_PERIODS);
    if (r == 0)
        r = windows_decode(json_object_get(json, "groups"), use.groups, RATE_GROUPS);
    if (r == 0)
        *ret_use = use;
    return r;
}

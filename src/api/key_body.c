/* SPDX-License-Identifier: Apache-2.0 */
#include "api/key_body.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "domain/limits.h"

#define FIELD_SIZE 320
#define NEVER      "never"

void key_body_deinit(struct key_body *body)
{
    key_deinit(&body->key);
    json_decref(body->details);
    *body = KEY_BODY_INIT;
}

static int __attribute__((format(printf, 4, 5)))
violate(struct key_body *body, const char *code, const char *message, const char *format, ...)
{
    char field[FIELD_SIZE] = "body -> ";
    json_t *detail;
    size_t length;
    va_list args;

    va_start(args, format);
    vsnprintf(field + strlen(field), sizeof(field) - strlen(field), format, args);
    va_end(args);
    length = strlen(field); /* a long name was cut, perhaps within a character */
    field[length - utf8_unfinished((const unsigned char *)field, length)] = '\0';
    detail = json_pack("{s:s, s:s, s:s}", "field", field, "message", message, "code", code);
    return detail && json_array_append_new(body->details, detail) == 0 ? 0 : -ENOMEM;
}

/* A value that counts as given. */
static const json_t *given(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);

    return json_is_null(value) ? NULL : value;
}

bool key_name_is_plain(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        ucs4_t c;

        at += (size_t)u8_mbtouc(&c, (const uint8_t *)text + at, length - at);
        if (uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Zl | UC_CATEGORY_MASK_Zp) ||
            uc_is_property_bidi_control(c))
            return false;
    }
    return true;
}

static int take_name(struct key_body *body, const json_t *root, bool required)
{
    const json_t *value = json_object_get(root, "name");
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);

    if (!value || (!required && json_is_null(value)))
        return required ? violate(body, "missing", "Field required", "name") : 0;
    if (!text)
        return violate(body, "string_type", json_is_null(value) ? "Field required" : "Input should be a valid string",
                       "name");
    if (length == 0)
        return violate(body, "string_too_short", "String should have at least 1 character", "name");
    if (length >= KEY_NAME_SIZE)
        return violate(body, "string_too_long", "String should have at most 256 bytes", "name");
    if (!key_name_is_plain(text, length))
        return violate(body, "value_error", "String cannot contain control characters", "name");
    memcpy(body->key.name, text, length + 1);
    body->has_name = true;
    return 0;
}

static int take_enabled(struct key_body *body, const json_t *root)
{
    const json_t *value = given(root, "enabled");

    if (!value)
        return 0;
    if (!json_is_boolean(value))
        return violate(body, "bool_parsing", "Input should be a valid boolean", "enabled");
    body->key.enabled = json_is_true(value);
    body->has_enabled = true;
    return 0;
}

static int take_limit(struct key_body *body, const json_t *limits, enum rate_period period)
{
    const char *name = rate_period_name(period);
    const json_t *value = given(limits, name);
    json_int_t limit = json_integer_value(value);

    if (!value)
        return 0;
    if (!json_is_integer(value))
        return violate(body, "int_type", "Input should be a valid integer", "rate_limits -> %s", name);
    if (limit < 1)
        return violate(body, "greater_than_equal", "Input should be greater than or equal to 1", "rate_limits -> %s",
                       name);
    if (limit > KEY_LIMIT_MAX)
        return violate(body, "less_than_equal", "Input should be less than or equal to 1000000000", "rate_limits -> %s",
                       name);
    body->key.limits[period] = limit;
    return 0;
}

static int take_limits(struct key_body *body, const json_t *root)
{
    const json_t *limits = given(root, "rate_limits");
    int r = 0;

    if (!limits)
        return 0;
    if (!json_is_object(limits))
        return violate(body, "model_attributes_type", "Input should be a valid object", "rate_limits");
    for (int i = 0; r == 0 && i < RATE_PERIODS; i++)
        r = take_limit(body, limits, (enum rate_period)i);
    body->has_limits = true;
    return r;
}

static int take_metadata(struct key_body *body, const json_t *root)
{
    json_t *metadata = (json_t *)given(root, "metadata"), *value;
    const char *name;
    int r = 0;

    if (!metadata)
        return 0;
    if (!json_is_object(metadata))
        return violate(body, "model_attributes_type", "Input should be a valid object", "metadata");
    json_object_foreach(metadata, name, value)
    {
        if (r == 0 && !json_is_string(value))
            r = violate(body, "string_type", "Input should be a valid string", "metadata -> %.200s", name);
        else if (r == 0 && strlen(json_string_value(value)) != json_string_length(value))
            r = violate(body, "value_error", "Text should hold no NUL", "metadata -> %.200s", name);
    }
    if (r == 0 && json_dumpb(metadata, NULL, 0, JSON_COMPACT) > LIMIT_KEY_METADATA_BYTES)
        r = violate(body, "value_error", "Metadata should have at most 8192 bytes of JSON", "metadata");
    body->key.metadata = json_incref(metadata);
    return r;
}

static int take_tenant(struct key_body *body, const json_t *root)
{
    const json_t *value = given(root, "tenant");
    const char *text = json_string_value(value);

    if (!value)
        return 0;
    if (!text)
        return violate(body, "string_type", "Input should be a valid string", "tenant");
    switch (strlen(text) == json_string_length(value) ? tenant_from_name(text, body->key.tenant) : TENANT_E_INVALID) {
    case 0:
        return 0;
    case TENANT_E_RESERVED:
        return violate(body, "value_error", "This name is reserved", "tenant");
    default:
        return violate(body, "string_pattern_mismatch", "String should match pattern '^[A-Za-z0-9_-]{1,64}$'",
                       "tenant");
    }
}

static int take_expiry(struct key_body *body, const json_t *root)
{
    const json_t *value = given(root, "expires_at");
    const char *text = json_string_value(value);
    int64_t expires_ms = 0;

    if (!value)
        return 0;
    if (!text)
        return violate(body, "string_type", "Input should be a valid string", "expires_at");
    if (strcmp(text, NEVER) != 0 && !clock_parse_iso(text, &expires_ms))
        return violate(body, "value_error", "Input should be a time such as 2030-01-31T12:00:00Z, or never",
                       "expires_at");
    if (strcmp(text, NEVER) != 0 && expires_ms <= clock_wall_ms())
        return violate(body, "value_error", "Input should be in the future", "expires_at");
    body->key.expires_ms = expires_ms;
    body->has_expiry = true;
    return 0;
}

static int take_network(struct key_body *body, const json_t *root)
{
    const json_t *value = given(root, "network");
    const char *text = json_string_value(value);

    if (!value)
        return 0;
    if (!text || strlen(text) != json_string_length(value) || !key_network_from_name(text, &body->key.network))
        return violate(body, "enum", "Input should be 'server', 'off', 'allowlist' or 'wan'", "network");
    body->has_network = true;
    return 0;
}

int key_body_parse(const json_t *root, bool creation, struct key_body *body)
{
    int r;

    body->details = json_array();
    r = body->details ? take_name(body, root, creation) : -ENOMEM;
    if (r == 0 && !creation)
        r = take_enabled(body, root);
    if (r == 0)
        r = take_limits(body, root);
    if (r == 0)
        r = take_expiry(body, root);
    if (r == 0)
        r = take_network(body, root);
    if (r == 0 && creation)
        r = take_metadata(body, root);
    if (r == 0 && creation)
        r = take_tenant(body, root);
    return r < 0 ? r : json_array_size(body->details) > 0 ? KEY_BODY_E_REFUSED : 0;
}

/* ---- the record ---- */

static json_t *limits_json(const int64_t limits[RATE_PERIODS])
{
    json_t *object = json_object();

    for (int i = 0; i < RATE_PERIODS; i++)
        json_object_set_new(object, rate_period_name((enum rate_period)i),
                            limits[i] ? json_integer(limits[i]) : json_null());
    return object;
}

static json_t *time_json(int64_t wall_ms)
{
    char text[CLOCK_ISO_SIZE];

    if (wall_ms == 0)
        return json_null();
    clock_format_iso(wall_ms, text);
    return json_string(text);
}

static json_t *metadata_json(const struct key *key, bool environment)
{
    if (environment)
        return json_pack("{s:s}", "type", "environment");
    return key->metadata ? json_incref(key->metadata) : json_object();
}

json_t *key_body_record(const struct key *key, const struct key_use *use, bool environment)
{
    return json_pack("{s:s, s:s, s:s, s:o, s:b, s:o, s:o, s:o, s:o, s:I, s:s, s:s, s:s}", "key_hash", key->hash,
                     "key_prefix", key->prefix, "name", key->name, "created_at", time_json(key->created_ms), "enabled",
                     key->enabled, "expires_at", time_json(key->expires_ms), "rate_limits", limits_json(key->limits),
                     "metadata", metadata_json(key, environment), "last_used_at", time_json(use->last_used_ms),
                     "usage_count", (json_int_t)use->count, "source", environment ? "environment" : "managed", "tenant",
                     tenant_name(key->tenant), "network", key_network_name(key->network));
}

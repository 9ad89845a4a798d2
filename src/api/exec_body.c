/* SPDX-License-Identifier: Apache-2.0 */
#include "api/exec_body.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unictype.h>
#include <unistr.h>

#include "api/entity_id.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "engine/feed.h"

#define TIMEOUT_MIN_MS  1000
#define TIMEOUT_MAX_MS  300000
#define LABEL_MAX_BYTES 1024 /* of a label that is only echoed */
#define FIELD_SIZE      96

/* Where in the body we are, and what was wrong so far. Field names are below prefix. */
struct check {
    json_t *details;
    const char *prefix;
};

enum text_flags {
    TEXT_REQUIRED = 1,
    TEXT_REFUSE_ODD = 2, /* 422 beyond max_bytes or with a NUL; else such a text counts as empty: nothing bears it */
    TEXT_NULL = 4,       /* empty and absent become NULL; else both become "" */
};

struct text_rule {
    const char *field;
    size_t offset; /* of the char * to set */
    size_t max_bytes;
    unsigned flags;
    const char *(*check)(const char *text, const char **ret_message); /* as entity_id_check(), or NULL */
};

static const struct text_rule request_texts[] = {
    { "user_id", offsetof(struct execution_request, user_id), SIZE_MAX, TEXT_NULL | TEXT_REFUSE_ODD },
    { "entity_id", offsetof(struct execution_request, entity_id), SIZE_MAX, TEXT_NULL | TEXT_REFUSE_ODD,
      entity_id_check },
    { "session_id", offsetof(struct execution_request, session_id), ID_MAX_SIZE - 1, TEXT_NULL },
};

/* The session is not among them: it has two names. */
static const struct text_rule file_texts[] = {
    { "id", offsetof(struct execution_file, id), ID_MAX_SIZE - 1, TEXT_REQUIRED },
    { "name", offsetof(struct execution_file, name), FILE_NAME_SIZE - 1, TEXT_REQUIRED },
    { "resource_id", offsetof(struct execution_file, resource_id), LABEL_MAX_BYTES, TEXT_REFUSE_ODD },
    { "kind", offsetof(struct execution_file, kind), LABEL_MAX_BYTES, TEXT_REFUSE_ODD },
    { "entity_id", offsetof(struct execution_file, entity_id), LABEL_MAX_BYTES, TEXT_REFUSE_ODD },
};

void exec_body_refusal_deinit(struct exec_body_refusal *refusal)
{
    json_decref(refusal->details);
    json_decref(refusal->extra);
    *refusal = EXEC_BODY_REFUSAL_INIT;
}

static int details_add(json_t *details, const char *field, const char *code, const char *message)
{
    return json_array_append_new(details,
                                 json_pack("{s:s, s:s, s:s}", "field", field, "message", message, "code", code)) < 0
               ? -ENOMEM
               : 0;
}

static int __attribute__((format(printf, 4, 5)))
violate(struct check *check, const char *name, const char *code, const char *format, ...)
{
    char field[FIELD_SIZE], message[160];
    va_list args;

    snprintf(field, sizeof(field), "%s -> %s", check->prefix, name);
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    return details_add(check->details, field, code, message);
}

/* White space as Unicode has it; "" is blank. */
static bool is_blank(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        ucs4_t c;

        at += (size_t)u8_mbtouc(&c, (const uint8_t *)text + at, length - at);
        if (!uc_is_property_white_space(c))
            return false;
    }
    return true;
}

/* Checks a value that must be a text. Returns 1 if it is one, 0 if it was absent or refused, or a negative errno. */
static int text_check(struct check *check, const char *name, const json_t *value, bool required)
{
    int r;

    if (!value || json_is_null(value)) {
        if (!required)
            return 0;
        r = violate(check, name, value ? "string_type" : "missing", "Field required");
        return r < 0 ? r : 0;
    }
    if (!json_is_string(value))
        return violate(check, name, "string_type", "Input should be a valid string");
    return 1;
}

/* The same for texts that must be C strings. */
static int name_check(struct check *check, const char *name, const json_t *value, bool required)
{
    int r = text_check(check, name, value, required);

    if (r > 0 && strlen(json_string_value(value)) != json_string_length(value))
        return violate(check, name, "value_error", "String cannot contain null characters");
    return r;
}

/* A name that nothing stored has: unknown, which is no error (http-api.md 1.4). */
static bool is_nobody(const struct text_rule *rule, const json_t *value)
{
    size_t length = json_string_length(value);

    return !(rule->flags & TEXT_REFUSE_ODD) && (length > rule->max_bytes || strlen(json_string_value(value)) != length);
}

/* Decides what becomes of a text under a rule: 1 = take it, 0 = empty or refused, or a negative errno. */
static int rule_check(struct check *check, const struct text_rule *rule, const json_t *value)
{
    const char *text, *code, *message;
    int r;

    if (json_is_string(value) && is_nobody(rule, value))
        return 0;
    r = name_check(check, rule->field, value, rule->flags & TEXT_REQUIRED);
    if (r <= 0)
        return r;
    text = json_string_value(value);
    if (strlen(text) > rule->max_bytes)
        return violate(check, rule->field, "string_too_long", "String should have at most %zu bytes", rule->max_bytes);
    code = rule->check ? rule->check(text, &message) : NULL;
    if (code)
        return violate(check, rule->field, code, "%s", message);
    return text[0] != '\0';
}

static int texts_take(struct check *check, const json_t *object, const struct text_rule *rules, size_t n_rules,
                      void *target)
{
    for (size_t i = 0; i < n_rules; i++) {
        char **to = (char **)((char *)target + rules[i].offset);
        const json_t *value = json_object_get(object, rules[i].field);
        int r = rule_check(check, &rules[i], value);

        if (r < 0)
            return r;
        if (!r && rules[i].flags & TEXT_NULL)
            continue;
        *to = strdup(r ? json_string_value(value) : "");
        if (!*to)
            return -ENOMEM;
    }
    return 0;
}

/* Reads whole numbers in every spelling clients use: 5, 5.0, "5". */
static bool integer_read(const json_t *value, int64_t *ret)
{
    const char *text = json_string_value(value);
    double real = json_real_value(value);
    char *end;

    if (json_is_integer(value)) {
        *ret = json_integer_value(value);
        return true;
    }
    if (json_is_real(value)) {
        if (real != floor(real) || fabs(real) >= 0x1p63)
            return false;
        *ret = (int64_t)real;
        return true;
    }
    if (!text || !text[0] || strspn(text, "+-0123456789") != json_string_length(value))
        return false;
    errno = 0;
    *ret = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

/* Returns 1 with *ret set, 0 if absent or refused, or a negative errno. */
static int integer_take(struct check *check, const char *name, const json_t *value, int64_t *ret)
{
    if (!value || json_is_null(value))
        return 0;
    if (integer_read(value, ret))
        return 1;
    return violate(check, name, json_is_string(value) ? "int_parsing" : "int_type", "Input should be a valid integer");
}

static int timeout_take(struct check *check, const json_t *value, int64_t *ret_timeout_ms)
{
    int64_t timeout_ms = 0;
    int r = integer_take(check, "timeout", value, &timeout_ms);

    if (r <= 0)
        return r;
    if (timeout_ms < TIMEOUT_MIN_MS)
        return violate(check, "timeout", "greater_than_equal", "Input should be greater than or equal to %d",
                       TIMEOUT_MIN_MS);
    if (timeout_ms > TIMEOUT_MAX_MS)
        return violate(check, "timeout", "less_than_equal", "Input should be less than or equal to %d", TIMEOUT_MAX_MS);
    *ret_timeout_ms = timeout_ms;
    return 0;
}

/* Returns 1 with *ret set, 0 if absent or refused, or a negative errno. */
static int flag_take(struct check *check, const char *name, const json_t *value, bool *ret)
{
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return violate(check, name, "bool_parsing", "Input should be a valid boolean");
    *ret = json_is_true(value);
    return 1;
}

/* What the program reads. */
static int input_take(struct check *check, const json_t *root, struct execution_request *request)
{
    const json_t *text = json_object_get(root, "stdin");
    bool open = false;
    int r = text_check(check, "stdin", text, false);

    if (r < 0 || (!r && text && !json_is_null(text)))
        return r;
    r = flag_take(check, "stdin_stream", json_object_get(root, "stdin_stream"), &open);
    if (r < 0 || (!open && json_string_length(text) == 0))
        return r;
    return feed_new(json_string_value(text), json_string_length(text), open, &request->feed);
}

/* How many bytes of a source are its byte order mark: no part of the program, but to some interpreters and compilers.
 */
static size_t mark_bytes(const char *source, size_t length)
{
    static const char mark[] = "\xef\xbb\xbf";
    const size_t size = sizeof(mark) - 1;

    return length >= size && memcmp(source, mark, size) == 0 ? size : 0;
}

static int code_take(struct check *check, const json_t *value, struct execution_request *request)
{
    const char *source = json_string_value(value);
    int r = text_check(check, "code", value, true);
    size_t skipped;

    if (r <= 0)
        return r;
    skipped = mark_bytes(source, json_string_length(value));
    request->code_length = json_string_length(value) - skipped;
    request->code = malloc(request->code_length + 1);
    if (!request->code)
        return -ENOMEM;
    memcpy(request->code, source + skipped, request->code_length + 1);
    return 0;
}

/* The newer name of the storing session wins; an empty one counts as absent. */
static int file_session_take(struct check *check, const json_t *item, struct execution_file *file)
{
    static const struct text_rule rules[] = {
        { "storage_session_id", offsetof(struct execution_file, storage_session_id), ID_MAX_SIZE - 1, 0 },
        { "session_id", offsetof(struct execution_file, storage_session_id), ID_MAX_SIZE - 1, 0 },
    };

    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const json_t *value = json_object_get(item, rules[i].field);

        if (value && !json_is_null(value) && !(json_is_string(value) && json_string_length(value) == 0))
            return texts_take(check, item, &rules[i], 1, file);
    }
    return violate(check, rules[0].field, "missing", "Field required");
}

static int file_take(struct check *check, size_t index, const json_t *item, struct execution_file *file)
{
    char prefix[FIELD_SIZE / 2];
    struct check inner = { .details = check->details, .prefix = prefix };
    int r;

    snprintf(prefix, sizeof(prefix), "body -> files -> %zu", index);
    if (!json_is_object(item))
        return details_add(check->details, prefix, "model_attributes_type", "Input should be a valid object");
    r = file_session_take(&inner, item, file);
    if (r < 0)
        return r;
    r = texts_take(&inner, item, file_texts, ARRAY_SIZE(file_texts), file);
    if (r < 0)
        return r;
    r = integer_take(&inner, "version", json_object_get(item, "version"), &file->version);
    file->has_version = r > 0;
    return r < 0 ? r : 0;
}

static int files_take(struct check *check, const json_t *list, struct execution_request *request)
{
    size_t n_files = json_array_size(list);

    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return violate(check, "files", "list_type", "Input should be a valid list");
    if (n_files > EXECUTION_FILES_MAX)
        return violate(check, "files", "too_long", "List should have at most %d items", EXECUTION_FILES_MAX);
    if (n_files == 0)
        return 0;
    request->files = calloc(n_files, sizeof(*request->files));
    if (!request->files)
        return -ENOMEM;
    request->n_files = n_files;
    for (size_t i = 0; i < n_files; i++) {
        int r = file_take(check, i, json_array_get(list, i), &request->files[i]);

        if (r < 0)
            return r;
    }
    return 0;
}

/* The shortest text that reads back as the same number. */
static char *real_text(double real)
{
    char text[64];

    if (real == floor(real) && fabs(real) < 1e15)
        snprintf(text, sizeof(text), "%.1f", real);
    else
        for (int digits = 15; digits <= 17; digits++) {
            snprintf(text, sizeof(text), "%.*g", digits, real);
            if (strtod(text, NULL) == real)
                break;
        }
    return strdup(text);
}

/* The same for a list or an object, whose numbers all get as many digits as the one that needs most. */
static char *tree_text(const json_t *value)
{
    char *text = NULL;
    bool same = false;

    for (unsigned digits = 15; digits <= 17 && !same; digits++) {
        CLEANUP_JSON json_t *read = NULL;

        free(text);
        text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(digits));
        if (!text || strlen(text) > EXEC_BODY_ARG_BYTES_MAX)
            break; /* one that no program gets need not be read again */
        read = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        same = json_equal(value, read);
    }
    return text;
}

/* The text of one argument that is no list. A program's arguments are C strings, so a text ends at its first NUL.
 * Returns NULL without memory. */
static char *arg_text(const json_t *value)
{
    if (json_is_string(value))
        return strdup(json_string_value(value));
    if (json_is_real(value))
        return real_text(json_real_value(value));
    return tree_text(value);
}

static bool arg_is_absent(const json_t *value)
{
    return !value || json_is_null(value) ||
           (json_is_string(value) && is_blank(json_string_value(value), strlen(json_string_value(value))));
}

_Static_assert(EXEC_BODY_ARGS_BYTES_MAX / (sizeof(char *) + 2) <= EXECUTION_ARGS_MAX, "none is empty");

/* Arguments are never the reason of a refusal (10.4). What execve() would not take is not looked at further. */
static int args_take(const json_t *args, struct execution_request *request)
{
    size_t n = json_is_array(args) ? json_array_size(args) : 1, total_bytes = 0;

    if (arg_is_absent(args) || n == 0)
        return 0;
    request->args = calloc(n + 1, sizeof(*request->args));
    if (!request->args)
        return -ENOMEM;
    for (size_t i = 0; i < n && !request->args_too_long; i++) {
        const json_t *value = json_is_array(args) ? json_array_get(args, i) : args;
        CLEANUP_FREE char *text = NULL;
        size_t length;

        if (arg_is_absent(value))
            continue;
        text = arg_text(value);
        if (!text)
            return -ENOMEM;
        length = strlen(text);
        total_bytes += sizeof(text) + length + 1;
        request->args_too_long = length > EXEC_BODY_ARG_BYTES_MAX || total_bytes > EXEC_BODY_ARGS_BYTES_MAX;
        if (!request->args_too_long)
            request->args[request->n_args++] = TAKE_PTR(text);
    }
    return 0;
}

static int refuse(struct exec_body_refusal *refusal, int status, const char *error, json_t **details)
{
    refusal->status = status;
    snprintf(refusal->error, sizeof(refusal->error), "%s", error);
    refusal->details = TAKE_PTR(*details);
    return EXEC_BODY_E_REFUSED;
}

/* A refusal with one detail. */
static int refuse_one(struct exec_body_refusal *refusal, int status, const char *error, const char *field,
                      const char *code, const char *message)
{
    CLEANUP_JSON json_t *details = json_array();

    if (!details || details_add(details, field, code, message) < 0)
        return -ENOMEM;
    return refuse(refusal, status, error, &details);
}

/* Step 1: the shape. All violations are collected before the answer. */
static int shape_check(const json_t *root, struct execution_request *request, struct exec_body_refusal *refusal)
{
    CLEANUP_JSON json_t *details = json_array();
    struct check check = { .details = details, .prefix = "body" };
    int r;

    if (!details)
        return -ENOMEM;
    r = code_take(&check, json_object_get(root, "code"), request);
    if (r < 0)
        return r;
    r = name_check(&check, "lang", json_object_get(root, "lang"), true);
    if (r < 0)
        return r;
    r = args_take(json_object_get(root, "args"), request);
    if (r < 0)
        return r;
    r = texts_take(&check, root, request_texts, ARRAY_SIZE(request_texts), request);
    if (r < 0)
        return r;
    r = files_take(&check, json_object_get(root, "files"), request);
    if (r < 0)
        return r;
    r = input_take(&check, root, request);
    if (r < 0)
        return r;
    r = flag_take(&check, "display", json_object_get(root, "display"), &request->display);
    if (r < 0)
        return r;
    r = timeout_take(&check, json_object_get(root, "timeout"), &request->timeout_ms);
    if (r < 0)
        return r;
    return json_array_size(details) ? refuse(refusal, 422, "Request validation failed", &details) : 0;
}

static int language_unsupported(const char *lang, struct exec_body_refusal *refusal)
{
    char error[160], message[160], shown[64];
    size_t length = strlen(lang);

    /* A name of megabytes is not worth echoing; cut it between characters. */
    if (length >= sizeof(shown))
        for (length = sizeof(shown) - 1; ((unsigned char)lang[length] & 0xc0) == 0x80;)
            length--;
    snprintf(shown, sizeof(shown), "%.*s", (int)length, lang);
    snprintf(error, sizeof(error), "Unsupported programming language: %s", shown);
    snprintf(message, sizeof(message), "Language '%s' is not supported", shown);
    return refuse_one(refusal, 400, error, "lang", "unsupported_language", message);
}

/* Step 2: the language, known and installed. */
static int language_check(const char *lang, const struct language_table *languages, struct execution_request *request,
                          struct exec_body_refusal *refusal)
{
    char error[160];
    const char *reason;
    int r;

    request->language = language_find(languages, lang);
    if (!request->language)
        return language_unsupported(lang, refusal);
    if (request->language->available)
        return 0;
    snprintf(error, sizeof(error), "Language '%s' is not installed on this server", request->language->code);
    reason = request->language->reason ? request->language->reason : error;
    r = refuse_one(refusal, 400, error, "lang", "language_unavailable", reason);
    if (r < 0)
        return r;
    refusal->extra = json_pack("{s:s}", "reason", reason);
    return refusal->extra ? r : -ENOMEM;
}

int exec_body_parse(const json_t *root, const struct language_table *languages, struct execution_request *request,
                    struct exec_body_refusal *ret_refusal)
{
    int r = shape_check(root, request, ret_refusal);

    if (r)
        return r;
    r = language_check(json_string_value(json_object_get(root, "lang")), languages, request, ret_refusal);
    if (r)
        return r;
    if (is_blank(request->code, request->code_length))
        return refuse_one(ret_refusal, 400, "Code cannot be empty", "code", "empty_code",
                          "Code field is required and cannot be empty");
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/filename.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "store/digest.h"

#define NAME_BYTES_MAX      (64 * 1024) /* of a received name while it is worked on */
#define EXTENSION_BYTES_MAX 64          /* longer ones do not survive the cutting of a segment */
#define CUT_DIGITS          6
#define REASON_TOO_LONG     "too long"

static const char seed_extensions[] = ".txt,.csv,.json,.xml,.yaml,.yml,"
                                      ".py,.js,.ts,.go,.java,.c,.cpp,.h,.hpp,.rs,.php,.rb,.r,.f90,.d,"
                                      ".md,.rst,.html,.css,"
                                      ".png,.jpg,.jpeg,.gif,.svg,"
                                      ".pdf,.doc,.docx,.xls,.xlsx";

static const char extended_extensions[] =
    "@seed,"
    ".rtf,.dotx,.xltx,.ppt,.pptx,.potx,.ppsx,.odt,.ods,.odp,.odg,.sql,.bmp,.webp,.ico,.htm,"
    ".sh,.bat,.ps1,.dockerfile,.makefile,.ini,.cfg,.conf,.log,.zip,.eml,.msg,.mbox,.ics,.vcf";

/* A piece of a longer text. */
struct span {
    const char *text;
    size_t length;
};

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool span_is(struct span span, const char *text)
{
    return span.length == strlen(text) && memcmp(span.text, text, span.length) == 0;
}

/* Takes the next segment off *rest; a backslash separates too if asked. False at the end. */
static bool next_segment(struct span *rest, bool backslash_separates, struct span *ret_segment)
{
    size_t n = 0;

    if (!rest->text)
        return false;
    while (n < rest->length && rest->text[n] != '/' && !(backslash_separates && rest->text[n] == '\\'))
        n++;
    *ret_segment = (struct span){ rest->text, n };
    if (n == rest->length)
        *rest = (struct span){ NULL, 0 };
    else
        *rest = (struct span){ rest->text + n + 1, rest->length - n - 1 };
    return true;
}

/* Segments that name no step down the tree. */
static bool is_dropped(struct span segment)
{
    return segment.length == 0 || span_is(segment, ".") || span_is(segment, "..");
}

/* Appends text with what is no UTF-8 replaced by U+FFFD. */
static int append_repaired(struct buffer *buffer, const char *text, size_t length)
{
    const uint8_t *at = (const uint8_t *)text, *end = at + length;
    int r = 0;

    while (at < end && r == 0) {
        uint8_t encoded[6];
        ucs4_t character;
        int used = u8_mbtouc(&character, at, (size_t)(end - at));

        r = buffer_append(buffer, encoded, (size_t)u8_uctomb(encoded, character, sizeof(encoded)));
        at += used;
    }
    return r;
}

static bool has_null_byte(const struct filename_rules *rules, struct span name)
{
    return rules->strict && memchr(name.text, '\0', name.length);
}

static bool has_traversal(const struct filename_rules *rules, struct span name)
{
    struct span rest = name, segment;

    if (!rules->strict)
        return false;
    if (memchr(name.text, '\\', name.length))
        return true;
    while (next_segment(&rest, false, &segment)) {
        if (span_is(segment, ".."))
            return true;
    }
    return false;
}

/* The whole is bounded in bytes, strict or not: that is what a record can hold. */
static bool is_too_long(const struct filename_rules *rules, struct span name)
{
    struct span rest = name, segment;

    if (name.length > LIMIT_FILE_NAME_BYTES)
        return true;
    while (rules->strict && next_segment(&rest, false, &segment)) {
        if (u8_mbsnlen((const uint8_t *)segment.text, segment.length) > rules->max_segment_characters)
            return true;
    }
    return false;
}

static bool has_suspicious_characters(const struct filename_rules *rules, struct span name)
{
    for (size_t i = 0; rules->strict && i < name.length; i++) {
        unsigned char c = (unsigned char)name.text[i];

        if (c < 0x20 || c == 0x7f || strchr("<>:\"|?*", c))
            return true;
    }
    return false;
}

static bool is_empty(const struct filename_rules *rules, struct span name)
{
    struct span rest = name, segment;

    while (rules->strict && next_segment(&rest, false, &segment)) {
        if (!is_dropped(segment))
            return false;
    }
    return rules->strict;
}

static const struct {
    bool (*matches)(const struct filename_rules *rules, struct span name);
    const char *reason;
} validations[] = {
    { has_null_byte, "null byte" },
    { has_traversal, "path traversal" },
    { is_too_long, REASON_TOO_LONG },
    { has_suspicious_characters, "suspicious characters" },
    { is_empty, "empty" },
};

/* Why a name is refused, or NULL. */
static const char *reason_against(const struct filename_rules *rules, struct span name)
{
    for (unsigned i = 0; i < ARRAY_SIZE(validations); i++) {
        if (validations[i].matches(rules, name))
            return validations[i].reason;
    }
    return NULL;
}

/* The largest length up to limit at which text can be cut without splitting a character. */
static size_t character_boundary(const char *text, size_t limit)
{
    while (limit > 0 && ((unsigned char)text[limit] & 0xc0) == 0x80)
        limit--;
    return limit;
}

/* Appends text in Unicode's composed form (NFC), after repairing it. */
static int append_composed(struct buffer *buffer, struct span text)
{
    CLEANUP(buffer_deinit) struct buffer repaired = BUFFER_INIT(NAME_BYTES_MAX);
    CLEANUP_FREE uint8_t *composed = NULL;
    size_t length;
    int r = append_repaired(&repaired, text.text, text.length);

    if (r < 0 || repaired.length == 0)
        return r;
    composed = u8_normalize(UNINORM_NFC, (const uint8_t *)repaired.data, repaired.length, NULL, &length);
    return composed ? buffer_append(buffer, composed, length) : -ENOMEM;
}

/* How many bytes at text are one character that a stored name may not hold; 0 if it may. */
static size_t forbidden_length(const char *text)
{
    unsigned char c = (unsigned char)text[0], next = (unsigned char)text[1];

    if (c == 0xc2 && next >= 0x80 && next <= 0x9f)
        return 2;
    if (c >= 0x80)
        return 0;
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' || c == '_' ||
                   c == '-'
               ? 0
               : 1;
}

/* Cuts an overlong segment to <start>-<hex digits><extension>; the digits come from the whole, so that long names that
 * begin alike stay apart. */
static int append_cut(struct buffer *buffer, const char *segment, size_t length)
{
    const char *extension = filename_extension(segment);
    char digest[DIGEST_HEX_SIZE];
    size_t extension_length = strlen(extension), start;
    int r;

    if (extension_length > EXTENSION_BYTES_MAX)
        extension_length = 0;
    digest_bytes_hex(segment, length, digest);
    start = character_boundary(segment, LIMIT_FILE_NAME_SEGMENT_BYTES - 1 - CUT_DIGITS - extension_length);
    r = buffer_append(buffer, segment, start);
    if (r == 0)
        r = buffer_append(buffer, "-", 1);
    if (r == 0)
        r = buffer_append(buffer, digest, CUT_DIGITS);
    return r < 0 ? r : buffer_append(buffer, extension, extension_length);
}

static int append_sanitised(struct buffer *buffer, struct span segment)
{
    CLEANUP(buffer_deinit) struct buffer composed = BUFFER_INIT(4 * NAME_BYTES_MAX);
    CLEANUP(buffer_deinit) struct buffer clean = BUFFER_INIT(4 * NAME_BYTES_MAX);
    int r = append_composed(&composed, segment);

    if (r == 0 && composed.data[0] == '.')
        r = buffer_append(&clean, "_", 1);
    for (size_t i = 0; r == 0 && i < composed.length;) {
        size_t forbidden = forbidden_length(composed.data + i);

        r = buffer_append(&clean, forbidden ? "_" : composed.data + i, 1);
        i += forbidden ? forbidden : 1;
    }
    if (r < 0)
        return r;
    return clean.length > LIMIT_FILE_NAME_SEGMENT_BYTES ? append_cut(buffer, clean.data, clean.length)
                                                        : buffer_append(buffer, clean.data, clean.length);
}

/* What a name is stored under and what rules are compared with must be the same path. */
static int append_path(struct buffer *buffer, struct span rest, bool backslash_separates,
                       int (*append_segment)(struct buffer *buffer, struct span segment))
{
    struct span segment;
    int r = 0;

    while (r == 0 && next_segment(&rest, backslash_separates, &segment)) {
        if (is_dropped(segment))
            continue;
        if (buffer->length > 0)
            r = buffer_append(buffer, "/", 1);
        if (r == 0)
            r = append_segment(buffer, segment);
    }
    return r;
}

static int append_stored_name(struct buffer *buffer, struct span rest, bool backslash_separates)
{
    int r = append_path(buffer, rest, backslash_separates, append_sanitised);

    return r == 0 && buffer->length == 0 ? buffer_append(buffer, "_", 1) : r;
}

int filename_sanitise(const char *name, size_t length, bool backslash_separates, char ret_stored[static FILENAME_SIZE])
{
    CLEANUP(buffer_deinit) struct buffer stored = BUFFER_INIT(LIMIT_FILE_NAME_BYTES);
    int r = append_stored_name(&stored, (struct span){ name, length }, backslash_separates);

    if (r < 0)
        return r == -E2BIG ? FILENAME_E_TOO_LONG : r;
    memcpy(ret_stored, stored.data, stored.length + 1);
    return 0;
}

/* A record's original name is never empty. */
static void write_original(struct span name, char ret_original[static FILENAME_SIZE])
{
    for (size_t i = 0; i < name.length; i++)
        ret_original[i] = name.text[i] ? name.text[i] : '_';
    if (name.length == 0)
        ret_original[name.length++] = '_';
    ret_original[name.length] = '\0';
}

int filename_accept(const struct filename_rules *rules, const char *received, size_t length,
                    char ret_original[static FILENAME_SIZE], char ret_stored[static FILENAME_SIZE], char *ret_reason,
                    size_t reason_size)
{
    struct span name = { length ? received : "", length };
    const char *reason = reason_against(rules, name);
    int r = reason ? FILENAME_E_INVALID : filename_sanitise(name.text, name.length, true, ret_stored);

    if (r == FILENAME_E_TOO_LONG) {
        reason = REASON_TOO_LONG;
        r = FILENAME_E_INVALID;
    }
    if (r == FILENAME_E_INVALID)
        snprintf(ret_reason, reason_size, "%s", reason);
    if (r == 0)
        write_original(name, ret_original);
    return r;
}

bool filename_is_safe_relative(const char *name)
{
    struct span rest = { name, strlen(name) }, segment;

    if (rest.length > LIMIT_FILE_NAME_BYTES || strchr(name, '\\'))
        return false;
    while (next_segment(&rest, false, &segment)) {
        if (is_dropped(segment) || segment.length > LIMIT_FILE_NAME_SEGMENT_BYTES)
            return false;
    }
    return true;
}

const char *filename_base(const char *name)
{
    const char *slash = strrchr(name, '/');

    return slash ? slash + 1 : name;
}

const char *filename_extension(const char *name)
{
    const char *base = filename_base(name), *dot = strrchr(base, '.');

    return dot && dot != base ? dot : base + strlen(base);
}

/* Appends a copy of the item, after a prefix, in lower case to the list. */
static int list_append(char ***list, size_t *n, const char *prefix, struct span item)
{
    char **grown = reallocarray(*list, *n + 1, sizeof(**list)), *copy = NULL;

    if (!grown)
        return -ENOMEM;
    *list = grown;
    if (asprintf(&copy, "%s%.*s", prefix, (int)item.length, item.text) < 0)
        return -ENOMEM;
    for (char *at = copy; *at; at++)
        *at = ascii_lower(*at);
    grown[(*n)++] = copy;
    return 0;
}

/* Takes the next item off a comma list, without the blanks around it. False at the end. */
static bool next_item(const char **rest, struct span *ret_item)
{
    const char *start = *rest, *end;

    if (!start)
        return false;
    end = start + strcspn(start, ",");
    *rest = *end ? end + 1 : NULL;
    start += strspn(start, " \t");
    while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    *ret_item = (struct span){ start, end > start ? (size_t)(end - start) : 0 };
    return true;
}

/* One dot at most, in front; nothing that could not follow the last dot of a base name. */
static bool is_extension(struct span item)
{
    bool dotted = item.length > 0 && item.text[0] == '.';
    struct span rest = { item.text + dotted, item.length - dotted };

    for (size_t i = 0; i < rest.length; i++) {
        if (strchr("./\\@*? \t", rest.text[i]))
            return false;
    }
    return rest.length > 0;
}

static int compile_extensions(struct filename_rules *rules, const char *list, char *error, size_t error_size)
{
    struct span item;
    int r = 0;

    while (r == 0 && next_item(&list, &item)) {
        if (item.length == 0)
            continue;
        if (span_is(item, "*")) {
            rules->any_extension = true;
        } else if (span_is(item, "@seed")) {
            r = compile_extensions(rules, seed_extensions, error, error_size);
        } else if (span_is(item, "@extended")) {
            r = compile_extensions(rules, extended_extensions, error, error_size);
        } else if (is_extension(item)) {
            r = list_append(&rules->extensions, &rules->n_extensions, item.text[0] == '.' ? "" : ".", item);
        } else {
            snprintf(error, error_size, "'%.*s' is neither an extension like .txt nor @seed, @extended or *",
                     item.length > 80 ? 80 : (int)item.length, item.text);
            r = FILENAME_E_BAD_RULE;
        }
    }
    return r;
}

static int compile_patterns(struct filename_rules *rules, const char *list, char *error, size_t error_size)
{
    struct span item;
    int r = 0;

    while (r == 0 && next_item(&list, &item)) {
        if (item.length == 0)
            continue;
        if (item.length > LIMIT_FILE_NAME_SEGMENT_BYTES) {
            snprintf(error, error_size, "the pattern '%.80s...' is longer than any name", item.text);
            return FILENAME_E_BAD_RULE;
        }
        r = list_append(&rules->patterns, &rules->n_patterns, "", item);
    }
    return r;
}

int filename_rules_init(struct filename_rules *rules, const char *allowed_extensions, const char *blocked_patterns,
                        char *error, size_t error_size)
{
    int r;

    *rules = (struct filename_rules){ .strict = true, .max_segment_characters = LIMIT_FILE_NAME_SEGMENT_BYTES };
    r = compile_extensions(rules, allowed_extensions, error, error_size);
    return r == 0 ? compile_patterns(rules, blocked_patterns, error, error_size) : r;
}

static void list_free(char **list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(list[i]);
    free(list);
}

void filename_rules_deinit(struct filename_rules *rules)
{
    list_free(rules->extensions, rules->n_extensions);
    list_free(rules->patterns, rules->n_patterns);
    *rules = (struct filename_rules){ 0 };
}

/* The path that a name comes to, in the form in which rules are compared: dropped segments left out, composed (a sign
 * that composes to an ASCII letter must not hide an extension), ASCII in lower case. */
static int append_comparable(struct buffer *buffer, struct span rest)
{
    int r = append_path(buffer, rest, true, append_composed);

    for (size_t i = 0; i < buffer->length; i++)
        buffer->data[i] = ascii_lower(buffer->data[i]);
    return r;
}

static bool list_has(char *const *list, size_t n, const char *text)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(list[i], text) == 0)
            return true;
    }
    return false;
}

/* A pattern blocks the whole name, and also the base name, which a directory in front must not protect. */
static bool is_blocked(const struct filename_rules *rules, const char *name)
{
    for (size_t i = 0; i < rules->n_patterns; i++) {
        if (fnmatch(rules->patterns[i], name, 0) == 0 || fnmatch(rules->patterns[i], filename_base(name), 0) == 0)
            return true;
    }
    return false;
}

bool filename_type_allowed(const struct filename_rules *rules, const char *original)
{
    CLEANUP(buffer_deinit) struct buffer comparable = BUFFER_INIT(4 * NAME_BYTES_MAX);
    const char *extension, *text;

    if (append_comparable(&comparable, (struct span){ original, strlen(original) }) < 0)
        return false;
    text = comparable.data ? comparable.data : "";
    extension = filename_extension(text);
    if (is_blocked(rules, text))
        return false;
    return rules->any_extension || !extension[0] || list_has(rules->extensions, rules->n_extensions, extension);
}

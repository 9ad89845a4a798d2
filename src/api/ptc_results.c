/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ptc_results.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "engine/json_text.h"

#define PLACE_SIZE 48

struct cutter {
    const char *body;
    const char *copied; /* so far */
    struct buffer *rest;
};

typedef int cut_value(struct cutter *cutter, const struct json_text_part *value);

/* A key may be written with escapes. */
static bool is_key(const struct json_text_part *key, const char *name)
{
    json_t *decoded;
    bool is;

    if (!memchr(key->text, '\\', key->length))
        return key->length == strlen(name) + 2 && memcmp(key->text + 1, name, strlen(name)) == 0;
    decoded = json_loadb(key->text, key->length, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    is = json_string_length(decoded) == strlen(name) && strcmp(json_string_value(decoded), name) == 0;
    json_decref(decoded);
    return is;
}

/* Cuts the values of every member of this name: which of them counts is the parser's business. */
static int cut_members(struct cutter *cutter, const struct json_text_part *object, const char *name, cut_value *cut)
{
    struct json_text_part key, value;
    struct json_text_walk walk;
    int r = 0, more = 1;

    if (!json_text_open(object->text, object->length, &walk) || walk.is_list)
        return 0;
    while (r == 0 && (more = json_text_next(&walk, &key, &value)) > 0)
        if (is_key(&key, name))
            r = cut(cutter, &value);
    return r ? r : more;
}

static int cut_result(struct cutter *cutter, const struct json_text_part *result)
{
    char place[PLACE_SIZE];
    int n = snprintf(place, sizeof(place), "[%zu,%zu]", (size_t)(result->text - cutter->body), result->length);
    int r = buffer_append(cutter->rest, cutter->copied, (size_t)(result->text - cutter->copied));

    if (r == 0)
        r = buffer_append(cutter->rest, place, (size_t)n);
    cutter->copied = result->text + result->length;
    return r;
}

static int cut_list(struct cutter *cutter, const struct json_text_part *list)
{
    struct json_text_part key, item;
    struct json_text_walk walk;
    int r = 0, more = 1;

    if (!json_text_open(list->text, list->length, &walk) || !walk.is_list)
        return 0;
    while (r == 0 && (more = json_text_next(&walk, &key, &item)) > 0)
        r = cut_members(cutter, &item, "result", cut_result);
    return r ? r : more;
}

int ptc_results_cut(const char *body, size_t length, struct buffer *rest)
{
    size_t mark = length >= 3 && memcmp(body, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    const struct json_text_part all = { body + mark, length - mark };
    struct cutter cutter = { .body = body, .copied = body, .rest = rest };
    int r = cut_members(&cutter, &all, "tool_results", cut_list);

    if (r < 0 || cutter.copied == body)
        return r;
    return buffer_append(rest, cutter.copied, (size_t)(body + length - cutter.copied));
}

const char *ptc_results_at(const char *body, size_t length, const json_t *place, size_t *ret_length)
{
    json_int_t at = json_integer_value(json_array_get(place, 0)), n = json_integer_value(json_array_get(place, 1));

    if (at < 0 || n <= 0 || (size_t)at > length || (size_t)n > length - (size_t)at) {
        *ret_length = strlen("null");
        return "null";
    }
    *ret_length = (size_t)n;
    return body + at;
}

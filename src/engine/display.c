/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/display.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/json.h"
#include "engine/text.h"

#define HEAD_MAX       200
#define NAME_MAX_BYTES 100

static const struct {
    const char *type;
    bool text; /* else the bytes travel as base64 */
} types[] = {
    { "image/png", false }, { "image/svg+xml", false },   { "text/html", true },
    { "text/plain", true }, { "application/json", true },
};

/* Where the parser is, and what it found. */
struct scan {
    const char *at, *end;
    size_t content_bytes;
    json_t *list;
    bool cut;
};

struct entry {
    char type[32], name[NAME_MAX_BYTES + 1];
    const char *content;
    size_t length;
};

static char *to_base64(const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *text = malloc((size + 2) / 3 * 4 + 1), *to = text;

    if (!text)
        return NULL;
    for (size_t at = 0; at < size; at += 3) {
        uint32_t bits = 0;

        for (size_t i = 0; i < 3; i++)
            bits = bits << 8 | (at + i < size ? (unsigned char)data[at + i] : 0);
        for (int i = 3; i >= 0; i--)
            *to++ = digits[bits >> 6 * i & 63];
        if (at + 2 >= size)
            to[-1] = '=';
        if (at + 1 >= size)
            to[-2] = '=';
    }
    *to = '\0';
    return text;
}

/* Text as everywhere else: valid, without control characters. */
static json_t *text_json(const char *data, size_t size)
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(4 * DISPLAY_BYTES_MAX);

    if (text_clean(&text, data, size, 3 * DISPLAY_BYTES_MAX) < 0)
        return NULL;
    return json_stringn(text.data ? text.data : "", text.length);
}

static json_t *data_json(const char *data, size_t size)
{
    CLEANUP_FREE char *text = to_base64(data, size);

    return text ? json_string(text) : NULL;
}

/* Adds an entry of a known type. Returns 0 or -ENOMEM. */
static int add(struct scan *scan, const struct entry *entry, bool text)
{
    CLEANUP_JSON json_t *json = json_object();
    json_t *content = text ? text_json(entry->content, entry->length) : data_json(entry->content, entry->length);

    if (json_object_set_new(json, "type", json_string(entry->type)) < 0 ||
        json_object_set_new(json, text ? "text" : "data", content) < 0)
        return -ENOMEM;
    if (entry->name[0] && json_object_set_new(json, "name", text_json(entry->name, strlen(entry->name))) < 0)
        return -ENOMEM;
    return json_array_append(scan->list, json) < 0 ? -ENOMEM : 0;
}

/* Splits "TYPE LENGTH NAME"; the name may be missing. */
static bool parse_head(char *head, struct entry *entry)
{
    char *length = strchr(head, ' '), *end;

    if (!length)
        return false;
    *length++ = '\0';
    if (length[0] < '0' || length[0] > '9')
        return false;
    entry->length = strtoul(length, &end, 10);
    snprintf(entry->type, sizeof(entry->type), "%.31s", head);
    snprintf(entry->name, sizeof(entry->name), "%.100s", *end == ' ' ? end + 1 : "");
    return *end == ' ' || *end == '\0';
}

/* Reads a head and finds its content. Returns false at the end, or where nothing can be believed any more. */
static bool next(struct scan *scan, struct entry *entry)
{
    size_t left = (size_t)(scan->end - scan->at), most = left < HEAD_MAX ? left : HEAD_MAX;
    const char *newline = most ? memchr(scan->at, '\n', most) : NULL;
    char head[HEAD_MAX + 1];

    if (!newline)
        return false;
    memcpy(head, scan->at, (size_t)(newline - scan->at));
    head[newline - scan->at] = '\0';
    entry->content = newline + 1;
    if (!parse_head(head, entry) || entry->length > (size_t)(scan->end - entry->content))
        return false;
    scan->at = entry->content + entry->length;
    return true;
}

/* An entry of another type is left out; "more" is what a runner writes that reached the limits itself. */
static int take(struct scan *scan, const struct entry *entry)
{
    bool room =
        json_array_size(scan->list) < DISPLAY_ENTRIES_MAX && entry->length <= DISPLAY_BYTES_MAX - scan->content_bytes;

    if (strcmp(entry->type, "more") == 0) {
        scan->cut = true;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (strcmp(types[i].type, entry->type) == 0) {
            scan->cut |= !room;
            scan->content_bytes += room ? entry->length : 0;
            return room ? add(scan, entry, types[i].text) : 0;
        }
    return 0;
}

int display_parse(const char *data, size_t size, json_t **ret_list, bool *ret_cut)
{
    struct scan scan = { .at = data, .end = data + size, .list = json_array() };
    struct entry entry;
    int r = scan.list ? 0 : -ENOMEM;

    while (r == 0 && next(&scan, &entry))
        r = take(&scan, &entry);
    if (r < 0) {
        json_decref(scan.list);
        return r;
    }
    *ret_list = scan.list;
    *ret_cut = scan.cut;
    return 0;
}

int display_read(int fd, json_t **ret_list, bool *ret_cut)
{
    CLEANUP(buffer_deinit) struct buffer bytes = BUFFER_INIT(DISPLAY_FILE_MAX + 1);
    int r = buffer_reserve(&bytes, DISPLAY_FILE_MAX);
    ssize_t n;

    if (r < 0)
        return r;
    n = fd_read_full(fd, bytes.data, DISPLAY_FILE_MAX);
    if (n < 0)
        return (int)n;
    return display_parse(bytes.data, (size_t)n, ret_list, ret_cut);
}

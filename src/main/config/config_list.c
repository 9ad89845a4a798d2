/* SPDX-License-Identifier: Apache-2.0 */
/* config_list.c -- values that are lists, to arrays. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "main/config/config.h"

bool config_list_next(const char **cursor, const char **ret_start, size_t *ret_length)
{
    const char *at = *cursor;

    while (*at) {
        const char *start = at + strspn(at, " \t"), *end = strchrnul(start, ',');

        at = *end ? end + 1 : end;
        while (end > start && (end[-1] == ' ' || end[-1] == '\t'))
            end--;
        if (end > start) {
            *ret_start = start;
            *ret_length = (size_t)(end - start);
            *cursor = at;
            return true;
        }
    }
    *cursor = at;
    return false;
}

void config_list_free(char **entries)
{
    for (char **entry = entries; entry && *entry; entry++) {
        explicit_bzero(*entry, strlen(*entry));
        free(*entry);
    }
    free(entries);
}

int config_list_split(const char *list, char ***ret_entries)
{
    size_t n = 0, room = strlen(list) / 2 + 2;
    char **entries = calloc(room, sizeof(*entries));
    const char *start;
    size_t length;

    if (!entries)
        return -ENOMEM;
    *ret_entries = entries;
    while (config_list_next(&list, &start, &length))
        if (!(entries[n++] = strndup(start, length)))
            return -ENOMEM;
    return 0;
}

static int split_json(const char *text, char ***ret_entries)
{
    json_t *array = json_loads(text, 0, NULL), *entry;
    char **entries = NULL;
    size_t index, n = 0;
    int r = array && json_is_array(array) ? 0 : -EINVAL;

    if (r == 0)
        entries = calloc(json_array_size(array) + 1, sizeof(*entries));
    if (r == 0 && !entries)
        r = -ENOMEM;
    json_array_foreach(array, index, entry)
    {
        if (r == 0 && !json_is_string(entry))
            r = -EINVAL;
        if (r == 0 && !(entries[n++] = strdup(json_string_value(entry))))
            r = -ENOMEM;
    }
    json_decref(array);
    *ret_entries = entries;
    return r;
}

int config_origins(const char *text, char ***ret_origins)
{
    return text[strspn(text, " \t")] == '[' ? split_json(text, ret_origins) : config_list_split(text, ret_origins);
}

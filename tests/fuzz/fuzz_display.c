/* SPDX-License-Identifier: Apache-2.0 */
/* What a program left as shown. Whatever it is, the entries are few, of known types, and can be rendered. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/display.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *list, *entry;
    size_t index, bytes = 0;
    bool cut;
    char *text;

    require(display_parse((const char *)data, size, &list, &cut) == 0);
    require(json_array_size(list) <= DISPLAY_ENTRIES_MAX);
    json_array_foreach(list, index, entry)
    {
        const json_t *shown = json_object_get(entry, "text"), *encoded = json_object_get(entry, "data");

        require(!shown != !encoded);
        require(strchr(json_string_value(json_object_get(entry, "type")), '/') != NULL);
        bytes += encoded ? json_string_length(encoded) / 4 * 3 : json_string_length(shown) / 3;
    }
    require(bytes <= size + 2 * DISPLAY_ENTRIES_MAX);
    text = json_dumps(list, 0);
    require(text != NULL);
    free(text);
    json_decref(list);
    return 0;
}

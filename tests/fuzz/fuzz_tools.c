/* SPDX-License-Identifier: Apache-2.0 */
/* What a program writes to the descriptor of its tool calls, and the arguments in it. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "engine/json_text.h"
#include "engine/tool_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

/* Whether the parser declined what is JSON, for its own limits: numbers that no double holds, halves of a surrogate
 * pair, and keys with a NUL, which it keeps as C strings. */
static bool is_limit_of_parser(const json_error_t *error)
{
    enum json_error_code code = json_error_code(error);

    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           strncmp(error->text, "invalid Unicode '", strlen("invalid Unicode '")) == 0;
}

/* What counts as an object here is one for a parser too. */
static void look_at_argument(const char *text, size_t length)
{
    json_error_t error;
    json_t *json;

    if (!json_text_is_object(text, length))
        return;
    json = json_loadb(text, length, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, &error);
    require(json ? json_is_object(json) : is_limit_of_parser(&error));
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *at = (const char *)data;
    struct tool_frame frame;
    size_t left = size;

    look_at_argument(at, left);
    while (tool_frame_parse(at, left, &frame) == 0) {
        require(frame.size > 0 && frame.size <= left);
        require(frame.name_length <= TOOL_NAME_BYTES_MAX && frame.text_length <= TOOL_ARGUMENT_BYTES_MAX);
        require(frame.kind == TOOL_FRAME_IDLE || frame.text + frame.text_length == at + frame.size);
        if (frame.kind == TOOL_FRAME_CALL)
            look_at_argument(frame.text, frame.text_length);
        at += frame.size;
        left -= frame.size;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tool_frame.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/cleanup.h"

#define NUMBERS_MAX 3
#define DIGITS_MAX  18

static const struct {
    const char *word;
    enum tool_frame_kind kind;
    size_t n_numbers;
} lines[] = {
    { "call", TOOL_FRAME_CALL, 3 },
    { "idle", TOOL_FRAME_IDLE, 0 },
    { "fail", TOOL_FRAME_FAIL, 1 },
};

/* Reads " digits"; no sign, no other space. */
static bool take_number(const char **at, const char *end, uint64_t *ret_number)
{
    const char *p = *at;
    uint64_t number = 0;

    if (p == end || *p++ != ' ')
        return false;
    for (*at = p; p < end && *p >= '0' && *p <= '9'; p++)
        number = number * 10 + (uint64_t)(*p - '0');
    if (p == *at || p - *at > DIGITS_MAX)
        return false;
    *at = p;
    *ret_number = number;
    return true;
}

/* Reads a line without its end. Returns its row of lines[], or -EBADMSG. */
static int read_line(const char *line, const char *end, uint64_t ret_numbers[static NUMBERS_MAX])
{
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        size_t length = strlen(lines[i].word);
        const char *at = line + length;
        size_t n = 0;

        if ((size_t)(end - line) < length || memcmp(line, lines[i].word, length) != 0)
            continue;
        while (n < lines[i].n_numbers && take_number(&at, end, &ret_numbers[n]))
            n++;
        return n == lines[i].n_numbers && at == end ? (int)i : -EBADMSG;
    }
    return -EBADMSG;
}

/* Where the frame's parts lie, all lengths checked. */
static int lay_out(struct tool_frame *frame, const char *body, const uint64_t numbers[static NUMBERS_MAX])
{
    uint64_t name_length = 0, text_length = 0, text_max = TOOL_ARGUMENT_BYTES_MAX;

    if (frame->kind == TOOL_FRAME_CALL) {
        frame->number = numbers[0];
        name_length = numbers[1];
        text_length = numbers[2];
    } else if (frame->kind == TOOL_FRAME_FAIL) {
        text_length = numbers[0];
        text_max = TOOL_FAILURE_BYTES_MAX;
    }
    if (name_length > TOOL_NAME_BYTES_MAX || text_length > text_max)
        return -EBADMSG;
    frame->name = body;
    frame->name_length = (size_t)name_length;
    frame->text = body + name_length;
    frame->text_length = (size_t)text_length;
    frame->size += (size_t)(name_length + text_length);
    return 0;
}

int tool_frame_parse(const char *bytes, size_t length, struct tool_frame *ret_frame)
{
    size_t line_max = length < TOOL_LINE_BYTES_MAX ? length : TOOL_LINE_BYTES_MAX;
    const char *end = length ? memchr(bytes, '\n', line_max) : NULL;
    uint64_t numbers[NUMBERS_MAX] = { 0 };
    int row, r;

    if (!end)
        return length < TOOL_LINE_BYTES_MAX ? TOOL_FRAME_E_MORE : -EBADMSG;
    row = read_line(bytes, end, numbers);
    if (row < 0)
        return row;
    *ret_frame = (struct tool_frame){ .kind = lines[row].kind, .size = (size_t)(end + 1 - bytes) };
    r = lay_out(ret_frame, end + 1, numbers);
    if (r < 0)
        return r;
    return ret_frame->size <= length ? 0 : TOOL_FRAME_E_MORE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* tool_frame.h -- what a program and this server say to each other about tool calls (ptc.md P5, P6).
 *
 * A byte stream on a descriptor of its own. Each frame is one line of words and whole numbers, then as many bytes as
 * the line says:
 *
 *     from the program    call NUMBER NAME-BYTES ARGUMENT-BYTES\n  name, argument
 *                         idle\n                                   it cannot go on without an answer
 *                         fail BYTES\n                             text: why the program fails
 *     to the program      result NUMBER BYTES\n                    JSON
 *                         error NUMBER BYTES\n                     text
 *
 * NUMBER is the program's own; the answer repeats it. Pure: bytes in, a frame out. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define TOOL_NAME_BYTES_MAX     1024
#define TOOL_ARGUMENT_BYTES_MAX (1u << 20)
#define TOOL_FAILURE_BYTES_MAX  16384
#define TOOL_LINE_BYTES_MAX     64
#define TOOL_FRAME_BYTES_MAX    (TOOL_LINE_BYTES_MAX + TOOL_NAME_BYTES_MAX + TOOL_ARGUMENT_BYTES_MAX)

enum tool_frame_kind {
    TOOL_FRAME_CALL,
    TOOL_FRAME_IDLE,
    TOOL_FRAME_FAIL,
};

/* A frame inside the bytes it was parsed from. */
struct tool_frame {
    enum tool_frame_kind kind;
    size_t size; /* of all of it */
    uint64_t number;
    const char *name;
    size_t name_length;
    const char *text; /* the argument, or the failure */
    size_t text_length;
};

enum tool_frame_outcome {
    TOOL_FRAME_E_MORE = 1, /* the frame is not complete */
};

/* Reads the frame at the start of bytes. Returns 0, TOOL_FRAME_E_MORE, or -EBADMSG for what is no frame. */
int tool_frame_parse(const char *bytes, size_t length, struct tool_frame *ret_frame);

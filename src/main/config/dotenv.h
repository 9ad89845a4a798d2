/* SPDX-License-Identifier: Apache-2.0 */
/* dotenv.h -- the syntax of .env files.
 *
 *     # comment              whole line, or after white space behind an unquoted value
 *     NAME=value             leading and trailing white space goes
 *     export NAME=value      as a shell would read it
 *     NAME='as it $is'       single quotes: literal
 *     NAME="a\tb \"c\""      double quotes: \n \r \t \" \\ \$ \' are replaced; nothing else is expanded
 *
 * A value ends with its line. Names are letters, digits, _ - and . */
#pragma once

#include <stddef.h>

#define DOTENV_MAX_BYTES 1048576

enum dotenv_outcome {
    DOTENV_E_SYNTAX = 1,
};

struct dotenv_error {
    unsigned line;      /* from 1 */
    const char *reason; /* static text */
};

/* Calls visit for each assignment in order; name and value are NUL-terminated and live during the call only. Stops when
 * visit returns other than 0 and returns that. Returns 0, DOTENV_E_SYNTAX with *ret_error filled, or a negative errno.
 */
int dotenv_parse(const char *text, size_t length, int (*visit)(void *context, const char *name, const char *value),
                 void *context, struct dotenv_error *ret_error);

/* SPDX-License-Identifier: Apache-2.0 */
/* report_file.h -- the files that commands write their results to. */
#pragma once

#include <jansson.h>
#include <stddef.h>

/* Opens it at once, so that a wrong name is found before minutes of work; what an earlier run wrote stays until there
 * is something new. A NULL path leaves *ret_fd as it is. Complains on stderr in the command's name. Returns 0 or a
 * negative errno. */
int report_file_open(const char *command, const char *path, int *ret_fd);

/* Replaces what is in it. Returns 0 or a negative errno. */
int report_file_write(int fd, const char *text, size_t length);

/* The same with JSON, indented, and a line's end. */
int report_file_write_json(int fd, const json_t *report);

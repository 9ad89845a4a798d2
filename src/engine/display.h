/* SPDX-License-Identifier: Apache-2.0 */
/* display.h -- what a program showed beside its text (extensions.md X6): from the file that its runner left in the
 * workspace to the entries of an answer.
 *
 * The file is the program's, like everything there: whatever it holds becomes entries of known types and valid text
 * within the limits below, or nothing. Its form is described in guest/python/display.py. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#define DISPLAY_PATH        ".codecell-display" /* below /mnt/data; never a result file */
#define DISPLAY_ENTRIES_MAX 32
#define DISPLAY_BYTES_MAX   (8 << 20) /* of all contents */
#define DISPLAY_FILE_MAX    (9 << 20) /* what of a file is looked at */

/* Reads entries out of bytes. Returns 0 with a list, or -ENOMEM. *ret_cut: there was more. */
int display_parse(const char *data, size_t size, json_t **ret_list, bool *ret_cut);

/* The same of an open file. Returns also other negative errnos. */
int display_read(int fd, json_t **ret_list, bool *ret_cut);

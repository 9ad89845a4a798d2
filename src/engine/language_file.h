/* SPDX-License-Identifier: Apache-2.0 */
/* language_file.h -- one languages/<code>.json checked and read into a struct language; part of language.c.
 *
 * The checks are strict because a slip in such a file would show only when somebody runs that language: unknown fields,
 * unknown placeholders and values out of range are refused by name. */
#pragma once

#include <stddef.h>

#include "engine/language.h"

/* Where a complaint goes: "go.json: steps[0].argv[2]: unknown placeholder {foo}". */
struct language_report {
    const char *file; /* name inside the directory of languages */
    char *error;
    size_t error_size;
};

/* Writes the complaint about a field ("" = the whole file) and returns -EINVAL. */
int language_refuse(const struct language_report *report, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fills a zeroed language from the text of a file; available, version and reason are left alone. Returns 0, -EINVAL
 * with the complaint written, or another negative errno with nothing written. The language may be half filled after a
 * failure and is freed as usual. */
int language_file_parse(const struct language_report *report, const char *text, size_t length,
                        struct language *language);

/* The same for report->file below directory_fd, which is refused above a size that no such file needs. */
int language_file_read(const struct language_report *report, int directory_fd, struct language *language);

/* Length of the "{word}" at text, or 0 if there is none: other braces are ordinary text. */
size_t language_placeholder_length(const char *text);

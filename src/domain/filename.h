/* SPDX-License-Identifier: Apache-2.0 */
/* filename.h -- what a file may be called, and under which name it is stored (files.md F7).
 *
 * An upload's name goes through filename_accept() and filename_type_allowed(), an output's through filename_sanitise()
 * alone. Received names have a length, since they may hold NUL; their escapes are undone and they are valid UTF-8
 * (F7.1), though nothing breaks if they are not. Stored names are relative paths that any file system takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "domain/limits.h"

#define FILENAME_SIZE (LIMIT_FILE_NAME_BYTES + 1) /* a name and its NUL */

enum filename_outcome {
    FILENAME_E_INVALID = 1,  /* refused; the reason is one of F7.1, to follow "Invalid filename: " */
    FILENAME_E_TOO_LONG = 2, /* the stored name would exceed LIMIT_FILE_NAME_BYTES */
    FILENAME_E_BAD_RULE = 3, /* a configured extension or pattern is malformed */
};

/* Read-only once it is set up, and then safe to share. */
struct filename_rules {
    bool strict;                     /* FILENAME_STRICT: refuse what else would be sanitised */
    unsigned max_segment_characters; /* MAX_FILENAME_LENGTH, when strict */

    /* own */
    bool any_extension;
    char **extensions; /* lower case, with dot */
    size_t n_extensions;
    char **patterns; /* lower case */
    size_t n_patterns;
};

/* Compiles ALLOWED_FILE_EXTENSIONS and BLOCKED_FILE_PATTERNS (F7.2), and sets strict and max_segment_characters to
 * their defaults for the caller to change. Returns 0, FILENAME_E_BAD_RULE with one sentence in error that names the
 * item, or -ENOMEM. Deinit in every case. */
int filename_rules_init(struct filename_rules *rules, const char *allowed_extensions, const char *blocked_patterns,
                        char *error, size_t error_size);
void filename_rules_deinit(struct filename_rules *rules);

/* Checks the name of an upload by the rules of F7.1 in their order, and makes the name to show (as received, NUL as
 * '_') and the stored one (F7.3). Returns 0, FILENAME_E_INVALID with the reason, or -ENOMEM. */
int filename_accept(const struct filename_rules *rules, const char *received, size_t length,
                    char ret_original[static FILENAME_SIZE], char ret_stored[static FILENAME_SIZE], char *ret_reason,
                    size_t reason_size);

/* True if an original name has an allowed extension or none, and matches no blocked pattern (F7.2). Without memory:
 * false. */
bool filename_type_allowed(const struct filename_rules *rules, const char *original);

/* Writes the stored name (F7.3). backslash_separates: true for uploads, where a backslash that is not refused acts as a
 * slash; false for outputs, where it is a character like others. Returns 0, FILENAME_E_TOO_LONG or -ENOMEM. */
int filename_sanitise(const char *name, size_t length, bool backslash_separates, char ret_stored[static FILENAME_SIZE]);

/* True if name can be made below a directory as it stands: not empty nor absolute, no empty, "." or ".." segment, no
 * backslash, nothing too long for the file system. For the names of links (exec.md 10.6.3). */
bool filename_is_safe_relative(const char *name);

/* The last segment of a path; points into it. */
const char *filename_base(const char *name);

/* The extension of the last segment with its dot, "" if it has none (F7.2); points into name. */
const char *filename_extension(const char *name);

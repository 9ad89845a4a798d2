/* SPDX-License-Identifier: Apache-2.0 */
/* filename.h -- what a file may be called, and under which name it is stored (files.md F7).
 *
 * An upload's name goes through filename_decode() (what the browser did to it is undone), filename_validate() (only
 * when names are strict), filename_rules_allow() and filename_sanitise(). Names of outputs go through
 * filename_sanitise() alone. Received names have a length, since they may hold NUL; stored ones are relative paths of
 * UTF-8 that any file system takes. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/buffer.h"
#include "domain/limits.h"

#define FILENAME_SIZE (LIMIT_FILE_NAME_BYTES + 1) /* a stored name and its NUL */

enum filename_outcome {
    FILENAME_E_INVALID = 1,  /* the reason is one of F7.1, to follow "Invalid filename: " */
    FILENAME_E_TOO_LONG = 2, /* a result would exceed its size; to be told as "too long" */
    FILENAME_E_BAD_RULE = 3, /* a configured extension or pattern is malformed */
};

/* Appends the value of a part's filename parameter as F7.1 says: bytes that are no UTF-8 become U+FFFD, and %22, %0D,
 * %0A what they stand for. Returns 0, FILENAME_E_TOO_LONG above the buffer's ceiling, or -ENOMEM. */
int filename_decode(const char *value, size_t length, struct buffer *ret_name);

/* Appends the value of a filename* parameter: charset'language'percent-encoded, in UTF-8 or ISO-8859-1. Returns 0,
 * FILENAME_E_INVALID if it has not that form (then filename counts), FILENAME_E_TOO_LONG or -ENOMEM. */
int filename_decode_extended(const char *value, size_t length, struct buffer *ret_name);

/* Checks a decoded name by the rules of F7.1 in their order. Returns 0, or FILENAME_E_INVALID with *ret_reason set
 * (static). */
int filename_validate(const char *name, size_t length, unsigned max_segment_characters, const char **ret_reason);

/* Writes the stored name (F7.3). backslash_separates: true for uploads, so that with FILENAME_STRICT=false a backslash
 * acts as a slash; false for outputs, where it is a character like others. Returns 0, FILENAME_E_TOO_LONG or -ENOMEM.
 */
int filename_sanitise(const char *name, size_t length, bool backslash_separates, char ret_name[static FILENAME_SIZE]);

/* Writes a decoded name as text to be kept and shown: NUL becomes '_', what is too long is cut on a character, and an
 * empty one is "_". */
void filename_original(const char *name, size_t length, char ret_name[static FILENAME_SIZE]);

/* True if name can be made below a directory as it stands: not empty nor absolute, no empty, "." or ".." segment, no
 * backslash, nothing too long for the file system. For the names of links (exec.md 10.6.3). */
bool filename_is_safe_relative(const char *name);

/* The last segment of a path; points into it. */
const char *filename_base(const char *name);

/* The extension of the last segment with its dot, "" if it has none (F7.2); points into name. */
const char *filename_extension(const char *name);

struct filename_rules;

/* Compiles ALLOWED_FILE_EXTENSIONS and BLOCKED_FILE_PATTERNS (F7.2). Returns 0, FILENAME_E_BAD_RULE with one sentence
 * in error that names the item, or -ENOMEM. The caller frees with filename_rules_free(). Read-only afterwards. */
int filename_rules_new(const char *allowed_extensions, const char *blocked_patterns, struct filename_rules **ret_rules,
                       char *error, size_t error_size);
struct filename_rules *filename_rules_free(struct filename_rules *rules);

/* True if a decoded name has an allowed extension or none, and matches no blocked pattern. Without memory: false. */
bool filename_rules_allow(const struct filename_rules *rules, const char *name, size_t length);

/* SPDX-License-Identifier: Apache-2.0 */
/* language.h -- the languages as data: languages/<code>.json, loaded once at start and read-only afterwards.
 *
 * A file that is malformed stops the start with its name and field. A language whose runtime is not installed stays in
 * the table with available = false and the reason. docs/LANGUAGES.md describes the JSON. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "wire/warm_kind.h"

#define LANGUAGE_COUNT_MAX    32
#define LANGUAGE_ALIASES_MAX  8
#define LANGUAGE_ARGV_MAX     48
#define LANGUAGE_ENV_MAX      16
#define LANGUAGE_STEPS_MAX    3
#define LANGUAGE_HIDDEN_MAX   4
#define LANGUAGE_PATTERNS_MAX 24
#define LANGUAGE_KEEP_MAX     4

#define LANGUAGE_SOURCE_SIZE 128 /* bytes of a source's file name with its NUL */

/* One process of an execution: the compiler, or the program. argv[0] is an absolute path inside the cell. An element
 * "{args}" stands for all of the request's arguments. Inside elements language_argument() replaces {source}, {stem}
 * (the source's name without extension), {build} (the build directory), {memory_mb} (the cell's memory limit) and
 * {state} (what the program may leave to the next one, see recipe.h). */
struct language_step {
    char *argv[LANGUAGE_ARGV_MAX + 1]; /* NULL-terminated */
    bool compile;                      /* a failure of this step is a compile_error; its stdout goes to stderr */
    bool attempt;    /* of the work of the compile step behind it, which that does if this one fails */
    const char *cwd; /* "workspace" (/mnt/data) or "build" */
};

struct language {
    char *code;                                 /* "py" */
    char *name;                                 /* "Python" */
    char *aliases[LANGUAGE_ALIASES_MAX + 1];    /* NULL-terminated, lower case */
    char *extensions[LANGUAGE_ALIASES_MAX + 1]; /* without dot */
    char *source;                               /* file name of the source inside the build directory, "code.c" */
    bool state;                                 /* a session's programs leave state to each other */
    enum warm_kind warm;                        /* what its last step can be run by instead of its command */
    bool mirror;                     /* link every entry of /mnt/data into the build directory beside the source */
    char *public_class_regex;        /* Java: see language_source_name(); NULL elsewhere */
    char *env[LANGUAGE_ENV_MAX + 1]; /* "NAME=value", added to the common environment */
    char *hidden[LANGUAGE_HIDDEN_MAX + 1]; /* names directly in /mnt/data that are the tool chain's own */
    struct language_step steps[LANGUAGE_STEPS_MAX];
    size_t n_steps;
    char *tools[LANGUAGE_ARGV_MAX + 1]; /* argument vector of the last step for programs that call tools (ptc.md); none
                                           = they cannot */
    char *keep[LANGUAGE_KEEP_MAX + 1]; /* absolute paths of what the compile step makes and the last one needs; one with
                                          a slash at its end: all files below it; none = every run compiles */
    double time_factor;                /* exec.md 10.3: of the default time limit, when the client gave none */
    double memory_factor;              /* of MAX_MEMORY_MB */
    uint32_t processes_extra;          /* added to MAX_PROCESSES for runtimes with many threads */
    char *patterns[LANGUAGE_PATTERNS_MAX + 1]; /* security.md S2: regular expressions, as written there */

    char *package;                            /* Debian package(s) that install the runtime */
    char *requires[LANGUAGE_ALIASES_MAX + 1]; /* absolute paths that must exist below the root file system */
    char *version_argv[4];                    /* prints the version; first line, first number with a dot is taken */
    bool available;
    char *version; /* see language_version() */
    char *reason;  /* why not available: names the package; NULL otherwise */
};

struct language_table {
    struct language languages[LANGUAGE_COUNT_MAX];
    size_t n_languages;
};

/* Loads every *.json of directory (in name order) and looks for each runtime below rootfs ("/" or SANDBOX_ROOTFS).
 * On failure writes one sentence naming file and field to error. Returns 0, -EINVAL for bad contents, or another
 * negative errno. The table is freed with language_table_deinit(), also after a failure. */
int language_table_load(struct language_table *table, const char *directory, const char *rootfs, char *error,
                        size_t error_size);
void language_table_deinit(struct language_table *table);

/* Finds by code or alias, ignoring case. NULL if there is none. The result is borrowed from the table. */
const struct language *language_find(const struct language_table *table, const char *name);

/* The file name for this source: that of the language, or, where public_class_regex (POSIX extended) matches a line of
 * the code, the text of its last group with the language's extension. Never contains a slash. */
void language_source_name(const struct language *language, const char *code, size_t code_length,
                          char ret_name[static LANGUAGE_SOURCE_SIZE]);

/* What the placeholders stand for in one execution. */
struct language_values {
    const char *source; /* from language_source_name() */
    const char *build;  /* "/run/build" */
    uint64_t memory_mb;
    const char *state;
};

/* An element of a step's argv with its placeholders replaced ("{args}" is the caller's to expand and stays as it is).
 * Returns a string the caller frees, or NULL without memory. */
char *language_argument(const char *element, const struct language_values *values);

/* Runs version_argv of every available language on the host and fills version. Slow (seconds), and nothing that a
 * process with foreign bytes in it may do: see main/api/api_versions.h. */
void language_probe_versions(struct language_table *table);

/* The version of a language's runtime, NULL while it is unknown. From any thread, at any time. */
const char *language_version(const struct language *language);

/* Fills the version of a language that has none yet. One thread at a time may do so, whoever reads meanwhile. Ignores
 * unknown codes and texts that are no version (digits and dots). */
void language_set_version(struct language_table *table, const char *code, const char *version);

struct warm_counts; /* wire/warm_counts.h */

/* How many interpreters or compilers that wait at this moment can be a program of the language. */
unsigned language_count_warm(const struct language *language, const struct warm_counts *counts);

/* How many wait in all. One that can be a program of two languages counts once here. */
unsigned language_count_all_warm(const struct warm_counts *counts);

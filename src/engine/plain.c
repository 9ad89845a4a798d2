/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/plain.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

/* Reading a longer source takes longer than it saves. */
#define SOURCE_BYTES_MAX 65536

#define WORD_SIZE 32 /* a longer one is none of these */

/* The names of guest/python/run.py for libraries. Sorted. */
static const char *const libraries[] = {
    "Image", "PIL", "cv2",   "matplotlib", "networkx", "np", "numpy",       "nx",    "pandas",
    "pd",    "plt", "scipy", "sklearn",    "sm",       "sp", "statsmodels", "sympy",
};

/* What imports by another name. Sorted. */
static const char *const importers[] = { "__import__", "import_module", "runpy" };

/* What a program may import and still count as one without libraries. Sorted. */
static const char *const modules[] = {
    "__future__",  "abc",       "argparse", "array",       "ast",         "asyncio",    "atexit",     "base64",
    "bisect",      "builtins",  "calendar", "cmath",       "collections", "colorsys",   "concurrent", "contextlib",
    "contextvars", "copy",      "csv",      "ctypes",      "dataclasses", "datetime",   "decimal",    "difflib",
    "enum",        "errno",     "fcntl",    "fnmatch",     "fractions",   "functools",  "gc",         "getpass",
    "glob",        "grp",       "gzip",     "hashlib",     "heapq",       "hmac",       "html",       "inspect",
    "io",          "itertools", "json",     "keyword",     "linecache",   "locale",     "logging",    "math",
    "numbers",     "operator",  "os",       "pathlib",     "pickle",      "platform",   "posix",      "pprint",
    "pwd",         "queue",     "random",   "re",          "reprlib",     "resource",   "secrets",    "select",
    "shlex",       "shutil",    "signal",   "socket",      "stat",        "statistics", "string",     "struct",
    "subprocess",  "sys",       "tempfile", "textwrap",    "threading",   "time",       "timeit",     "tokenize",
    "traceback",   "types",     "typing",   "unicodedata", "urllib",      "uuid",       "warnings",   "weakref",
    "zipfile",     "zlib",      "zoneinfo",
};

struct scan {
    const char *at, *end;
};

static int compare(const void *word, const void *entry)
{
    return strcmp(word, *(const char *const *)entry);
}

static bool is_in(const char *word, const char *const *table, size_t n)
{
    return bsearch(word, table, n, sizeof(*table), compare) != NULL;
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80);
}

static void skip_blanks(struct scan *scan)
{
    while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t'))
        scan->at++;
}

static bool skip(struct scan *scan, char c)
{
    if (scan->at == scan->end || *scan->at != c)
        return false;
    scan->at++;
    return true;
}

/* Reads the word that begins here; "" if none does, or if it is too long. */
static void read_word(struct scan *scan, char ret_word[static WORD_SIZE])
{
    const char *from = scan->at;
    size_t length;

    while (scan->at < scan->end && is_word(*scan->at))
        scan->at++;
    length = (size_t)(scan->at - from);
    if (length >= WORD_SIZE)
        length = 0;
    memcpy(ret_word, from, length);
    ret_word[length] = '\0';
}

/* Reads "a.b.c". Returns whether a is a module that a program may import. */
static bool read_module(struct scan *scan)
{
    char word[WORD_SIZE], rest[WORD_SIZE];

    skip_blanks(scan);
    read_word(scan, word);
    while (skip(scan, '.')) {
        read_word(scan, rest);
        if (is_in(rest, libraries, ARRAY_SIZE(libraries)))
            return false;
    }
    return is_in(word, modules, ARRAY_SIZE(modules));
}

/* Behind "import": "a, b as c". */
static bool read_imports(struct scan *scan)
{
    char word[WORD_SIZE];

    do {
        struct scan before;

        if (!read_module(scan))
            return false;
        skip_blanks(scan);
        before = *scan;
        read_word(scan, word);
        if (strcmp(word, "as") == 0) {
            skip_blanks(scan);
            read_word(scan, word);
            if (is_in(word, libraries, ARRAY_SIZE(libraries)))
                return false;
            skip_blanks(scan);
        } else
            *scan = before;
    } while (skip(scan, ','));
    return true;
}

/* Behind "from": "a import b", or whatever else may stand there, which is left to be read. */
static bool read_from(struct scan *scan)
{
    struct scan before = *scan;
    char word[WORD_SIZE];
    bool known;

    skip_blanks(scan);
    if (skip(scan, '.'))
        return false; /* a module of the program's own */
    known = read_module(scan);
    skip_blanks(scan);
    read_word(scan, word);
    if (strcmp(word, "import") == 0)
        return known;
    *scan = before;
    return true;
}

static bool read_next(struct scan *scan)
{
    char word[WORD_SIZE];

    if (!is_word(*scan->at)) {
        scan->at++;
        return true;
    }
    read_word(scan, word);
    if (strcmp(word, "import") == 0)
        return read_imports(scan);
    if (strcmp(word, "from") == 0)
        return read_from(scan);
    return !is_in(word, libraries, ARRAY_SIZE(libraries)) && !is_in(word, importers, ARRAY_SIZE(importers));
}

bool plain_names_library(const char *code, size_t length)
{
    struct scan scan = { .at = code, .end = code + (length <= SOURCE_BYTES_MAX ? length : SOURCE_BYTES_MAX) };
    char word[WORD_SIZE];

    while (scan.at < scan.end) {
        read_word(&scan, word);
        if (is_in(word, libraries, ARRAY_SIZE(libraries)))
            return true;
        if (scan.at < scan.end)
            scan.at++;
    }
    return false;
}

bool plain_source(const char *code, size_t length)
{
    struct scan scan = { .at = code, .end = code + length };
    bool plain = length <= SOURCE_BYTES_MAX;

    while (plain && scan.at < scan.end)
        plain = read_next(&scan);
    return plain;
}

/* Never 0. */
static uint64_t hash_of(const char *session_id)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */

    for (const char *p = session_id; *p; p++)
        hash = (hash ^ (unsigned char)*p) * 0x100000001b3u;
    return hash | 1;
}

/* The lowest bit is that which hash_of() sets. */
static size_t place_of(uint64_t hash)
{
    return (hash >> 1) % PLAIN_SESSIONS;
}

void plain_note(struct plain_sessions *sessions, const char *session_id, bool plain)
{
    uint64_t hash = hash_of(session_id), known = hash;
    _Atomic uint64_t *place = &sessions->hashes[place_of(hash)];

    if (plain)
        atomic_store(place, hash);
    else
        (void)atomic_compare_exchange_strong(place, &known, 0);
}

bool plain_was(const struct plain_sessions *sessions, const char *session_id)
{
    uint64_t hash = hash_of(session_id);

    return atomic_load(&sessions->hashes[place_of(hash)]) == hash;
}

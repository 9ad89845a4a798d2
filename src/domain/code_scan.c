/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/code_scan.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"

#define LARGE_CHARACTERS 100000
#define MANY_DIGITS      6

#define DANGEROUS "Potentially dangerous pattern detected: "
#define ENDLESS   "Potentially infinite loop detected"

/* Patterns are matched by hand, not by a regular expression: the source is the client's, and may be large and made to
 * keep an engine busy. In a pattern a space stands for one or more white spaces, ~ for any number; case is ignored. */
static const struct {
    const char *pattern;
    const char *warning;
    bool any_language;
} patterns[] = {
    { "import os", DANGEROUS "import\\s+os" },
    { "import subprocess", DANGEROUS "import\\s+subprocess" },
    { "import sys", DANGEROUS "import\\s+sys" },
    { "from os import", DANGEROUS "from\\s+os\\s+import" },
    { "from subprocess import", DANGEROUS "from\\s+subprocess\\s+import" },
    { "__import__", DANGEROUS "__import__" },
    { "eval~(", DANGEROUS "eval\\s*\\(" },
    { "exec~(", DANGEROUS "exec\\s*\\(" },
    { "compile~(", DANGEROUS "compile\\s*\\(" },
    { "open~(", DANGEROUS "open\\s*\\(" },
    { "file~(", DANGEROUS "file\\s*\\(" },
    { "input~(", DANGEROUS "input\\s*\\(" },
    { "raw_input~(", DANGEROUS "raw_input\\s*\\(" },
    { "while true:", ENDLESS, true },
};

/* The end of what the pattern matches at p, or NULL. */
static const char *match(const char *pattern, const char *p, const char *end)
{
    for (; *pattern; pattern++) {
        const char *start = p;

        if (*pattern != ' ' && *pattern != '~') {
            if (p == end || tolower((unsigned char)*p) != *pattern)
                return NULL;
            p++;
            continue;
        }
        while (p < end && isspace((unsigned char)*p))
            p++;
        if (p == start && *pattern == ' ')
            return NULL;
    }
    return p;
}

static bool has_many_digits(const char *p, const char *end)
{
    size_t n = 0;

    while (p < end && n < MANY_DIGITS && isdigit((unsigned char)*p))
        p++, n++;
    return n == MANY_DIGITS;
}

/* for.*in.*range\s*\(\s*\d{6,} , within one line but for the white space after "range". */
struct long_loop {
    bool has_for, has_in, found;
};

static void follow_loop(struct long_loop *loop, const char *p, const char *end)
{
    const char *rest;

    if (*p == '\n')
        loop->has_for = loop->has_in = false;
    else if (!loop->has_for)
        loop->has_for = match("for", p, end) != NULL;
    else if (!loop->has_in)
        loop->has_in = match("in", p, end) != NULL;
    else if ((rest = match("range~(~", p, end)))
        loop->found |= has_many_digits(rest, end);
}

/* The bits of the patterns that begin with a byte. */
static void index_patterns(bool python, uint32_t ret_first[static 256])
{
    memset(ret_first, 0, 256 * sizeof(*ret_first));
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        unsigned char first = (unsigned char)patterns[i].pattern[0];

        if (!python && !patterns[i].any_language)
            continue;
        ret_first[first] |= UINT32_C(1) << i;
        ret_first[toupper(first)] |= UINT32_C(1) << i;
    }
}

static uint32_t match_any(uint32_t candidates, const char *p, const char *end)
{
    uint32_t found = 0;

    for (size_t i = 0; candidates >> i; i++)
        if (candidates >> i & 1 && match(patterns[i].pattern, p, end))
            found |= UINT32_C(1) << i;
    return found;
}

static void warn(struct code_scan *scan, const char *warning)
{
    scan->warnings[scan->n_warnings++] = warning;
}

void code_scan(const char *code, size_t length, bool python, struct code_scan *ret_scan)
{
    _Static_assert(ARRAY_SIZE(patterns) + 2 <= CODE_SCAN_WARNINGS_MAX && ARRAY_SIZE(patterns) <= 32, "room for all");
    const char *end = code + length;
    struct long_loop loop = { 0 };
    uint32_t first[256], found = 0;
    size_t characters = 0;

    index_patterns(python, first);
    for (const char *p = code; p < end; p++) {
        unsigned char byte = (unsigned char)*p;
        uint32_t candidates = first[byte] & ~found;

        characters += (byte & 0xc0) != 0x80;
        if (candidates)
            found |= match_any(candidates, p, end);
        if (!loop.found)
            follow_loop(&loop, p, end);
    }
    ret_scan->n_warnings = 0;
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++)
        if (found >> i & 1)
            warn(ret_scan, patterns[i].warning);
    if (loop.found)
        warn(ret_scan, ENDLESS);
    if (characters > LARGE_CHARACTERS)
        warn(ret_scan, "Code is very large, may impact performance");
}

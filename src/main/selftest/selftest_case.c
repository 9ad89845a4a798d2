/* SPDX-License-Identifier: Apache-2.0 */
#include "main/selftest/selftest_case.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define SEPARATORS ", "

/* Bytes that a terminal or a table would take for something else. */
static void make_plain(char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == 127)
            *text = ' ';
}

void selftest_note(struct selftest_result *result, enum selftest_verdict verdict, const char *format, ...)
{
    size_t used = strlen(result->evidence);
    char text[SELFTEST_EVIDENCE_SIZE];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    make_plain(text);
    result->seen++;
    if (verdict < result->verdict)
        return;
    if (verdict > result->verdict)
        used = 0;
    result->verdict = verdict;
    result->evidence[used] = '\0';
    if (*text && !strstr(result->evidence, text))
        snprintf(result->evidence + used, sizeof(result->evidence) - used, "%s%s", used ? "; " : "", text);
}

/* The next of the words, "" at the end; *at moves behind it. */
static size_t next_word(const char **at, const char **ret_word)
{
    size_t length;

    *at += strspn(*at, SEPARATORS);
    *ret_word = *at;
    length = strcspn(*at, SEPARATORS);
    *at += length;
    return length;
}

static bool find_word(const char *words, const char *word, bool any_case)
{
    const char *at = words, *found;
    size_t length;

    while ((length = next_word(&at, &found)) > 0)
        if (strlen(word) == length && (any_case ? strncasecmp(found, word, length) : strncmp(found, word, length)) == 0)
            return true;
    return false;
}

bool selftest_has_word(const char *words, const char *word)
{
    return find_word(words, word, false);
}

bool selftest_selected(const char *names, const char *id)
{
    return !names || find_word(names, id, true);
}

bool selftest_unknown_name(const char *names, char *ret_name, size_t size)
{
    const char *at = names, *word;
    size_t length;

    while ((length = next_word(&at, &word)) > 0) {
        const struct selftest_case *row = selftest_cases;

        snprintf(ret_name, size, "%.*s", (int)length, word);
        while (row->id && strcasecmp(row->id, ret_name) != 0)
            row++;
        if (!row->id)
            return true;
    }
    return false;
}

const char *selftest_verdict_word(enum selftest_verdict verdict)
{
    static const char *const words[] = {
        [SELFTEST_HELD] = "held",
        [SELFTEST_NOT_HERE] = "not here",
        [SELFTEST_UNKNOWN] = "NOT RUN",
        [SELFTEST_DOWN] = "DOWN",
    };

    return words[verdict];
}

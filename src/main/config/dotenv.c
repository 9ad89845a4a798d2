/* SPDX-License-Identifier: Apache-2.0 */
#include "main/config/dotenv.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"

/* One line being cut up in place. */
struct line {
    char *at; /* next character; the line ends with NUL */
    const char *reason;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct line *line)
{
    while (is_blank(*line->at))
        line->at++;
}

static bool refuse(struct line *line, const char *reason)
{
    line->reason = reason;
    return false;
}

static bool is_name_character(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* NAME, blanks, "=": leaves the line behind the sign and ends the name. */
static bool cut_name(struct line *line, char **ret_name)
{
    char *name = line->at, *end;

    while (is_name_character(*line->at))
        line->at++;
    end = line->at;
    skip_blanks(line);
    if (end == name || *line->at != '=')
        return refuse(line, "expected NAME=value");
    line->at++;
    *end = '\0';
    *ret_name = name;
    return true;
}

static bool unescape(char c, char *ret_character)
{
    static const char from[] = "nrt\"\\$'", to[] = "\n\r\t\"\\$'";
    const char *found = c ? strchr(from, c) : NULL;

    if (found)
        *ret_character = to[found - from];
    return found != NULL;
}

/* The rest of a quoted value; the result is never longer than its source, so it is written over it. */
static bool cut_quoted(struct line *line, char **ret_value)
{
    char quote = *line->at++, *value = line->at, *to = value;

    while (*line->at && *line->at != quote) {
        char plain = *line->at++;

        if (quote == '"' && plain == '\\' && unescape(*line->at, &plain))
            line->at++;
        *to++ = plain;
    }
    if (*line->at != quote)
        return refuse(line, "quote is not closed on its line");
    line->at++;
    *to = '\0';
    skip_blanks(line);
    if (*line->at && *line->at != '#')
        return refuse(line, "text after the closing quote");
    *ret_value = value;
    return true;
}

/* Up to a comment that stands behind white space, or to the end. */
static char *cut_plain(struct line *line)
{
    char *value = line->at, *end = value;

    for (char *p = value; *p && !(*p == '#' && (p == value || is_blank(p[-1]))); p++)
        if (!is_blank(*p))
            end = p + 1;
    *end = '\0';
    return value;
}

/* Sets *ret_name to NULL on a line without an assignment. */
static bool cut_line(struct line *line, char **ret_name, char **ret_value)
{
    *ret_name = NULL;
    skip_blanks(line);
    if (*line->at == '\0' || *line->at == '#')
        return true;
    if (strncmp(line->at, "export", 6) == 0 && is_blank(line->at[6])) {
        line->at += 7;
        skip_blanks(line);
    }
    if (!cut_name(line, ret_name))
        return false;
    skip_blanks(line);
    if (*line->at == '"' || *line->at == '\'')
        return cut_quoted(line, ret_value);
    *ret_value = cut_plain(line);
    return true;
}

int dotenv_parse(const char *text, size_t length, int (*visit)(void *context, const char *name, const char *value),
                 void *context, struct dotenv_error *ret_error)
{
    CLEANUP_FREE char *copy = malloc(length + 1);
    char *next, *end;
    unsigned number = 0;

    if (!copy)
        return -ENOMEM;
    memcpy(copy, text, length);
    copy[length] = '\0';
    end = copy + length;
    next = length >= 3 && memcmp(copy, "\xef\xbb\xbf", 3) == 0 ? copy + 3 : copy;
    while (next < end) {
        struct line line = { .at = next };
        char *newline = memchr(next, '\n', (size_t)(end - next)), *stop = newline ? newline : end;
        char *name, *value;
        int r;

        number++;
        next = stop + 1;
        *stop = '\0';
        if (strlen(line.at) != (size_t)(stop - line.at))
            line.reason = "NUL byte";
        if (line.reason || !cut_line(&line, &name, &value)) {
            *ret_error = (struct dotenv_error){ .line = number, .reason = line.reason };
            return DOTENV_E_SYNTAX;
        }
        r = name ? visit(context, name, value) : 0;
        if (r != 0)
            return r;
    }
    return 0;
}

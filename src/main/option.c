/* SPDX-License-Identifier: Apache-2.0 */
#include "main/option.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "main/command.h"

static const struct option_row *row_find(const struct option_row *rows, const char *word, size_t length)
{
    for (; rows->name; rows++)
        if (strlen(rows->name) == length && memcmp(rows->name, word, length) == 0)
            return rows;
    return NULL;
}

static bool store_number(const char *text, int *ret_number)
{
    char *end;
    long value;

    errno = 0;
    value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 0 || value > INT_MAX)
        return false;
    *ret_number = (int)value;
    return true;
}

/* Takes one word and, for "--name value", the next. Returns the words taken, 0 after a complaint. */
static int take(const char *command, const struct option_row *rows, const char *word, const char *next)
{
    size_t length = strcspn(word, "=");
    const struct option_row *row = row_find(rows, word, length);
    const char *value = word[length] == '=' ? word + length + 1 : NULL;
    int taken = value ? 1 : 2;

    if (!row) {
        fprintf(stderr, "codecell %s: unknown %s '%s'; see codecell %s --help\n", command,
                word[0] == '-' ? "option" : "argument", word, command);
        return 0;
    }
    if (row->flag) {
        if (value) {
            fprintf(stderr, "codecell %s: %s takes no value\n", command, row->name);
            return 0;
        }
        *row->flag = true;
        return 1;
    }
    value = value ? value : next;
    if (!value || (row->number && !store_number(value, row->number))) {
        fprintf(stderr, "codecell %s: %s needs a %s%s%s\n", command, row->name, row->value, value ? ", not " : "",
                value ? value : "");
        return 0;
    }
    if (row->text)
        *row->text = value;
    return taken;
}

bool option_asks_for_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

bool option_parse(const char *command, const struct option_row *rows, int argc, char **argv, int *ret_status)
{
    for (int i = 1; i < argc;) {
        int taken;

        if (option_asks_for_help(argv[i])) {
            *ret_status = command_help_of(command);
            return false;
        }
        taken = take(command, rows, argv[i], i + 1 < argc ? argv[i + 1] : NULL);
        if (taken == 0) {
            *ret_status = EXIT_USAGE;
            return false;
        }
        i += taken;
    }
    return true;
}

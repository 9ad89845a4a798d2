/* SPDX-License-Identifier: Apache-2.0 */
/* option.h -- the command line of a subcommand as a table.
 *
 *     bool check = false;
 *     int status;
 *     const struct option_row rows[] = { { "--check", .flag = &check, .help = "..." }, { 0 } };
 *     if (!option_parse("config", rows, argc, argv, &status))
 *         return status;
 *
 * A wrong option gets one specific line on stderr. */
#pragma once

#include <stdbool.h>

#define EXIT_USAGE 2 /* what main returns for a wrong command line */

struct option_row {
    const char *name;  /* "--check" */
    const char *value; /* what the value is called in the help; NULL for flags */
    const char *help;
    bool *flag;        /* set to true, or */
    const char **text; /* set to the value, borrowed from argv, or */
    int *number;       /* set to the value: 0 to INT_MAX */
};

/* True for "--help" and "-h", which may stand where a command takes something else. */
bool option_asks_for_help(const char *word);

/* Parses argv[1..]; rows end with an empty one. "--help" prints the help of the subcommand and ends it too. Returns
 * true to go on; false with *ret_status = what the program should exit with. */
bool option_parse(const char *command, const struct option_row *rows, int argc, char **argv, int *ret_status);

/* SPDX-License-Identifier: Apache-2.0 */
/* command.h -- the subcommands of codecell; one file each (serve.c, api.c ...), listed in main.c.
 *
 * A command gets its own name as argv[0] and returns the exit status: 0, 1 for a failure it has explained on stderr, or
 * EXIT_USAGE. Results go to stdout, everything else to stderr. */
#pragma once

int command_serve(int argc, char **argv);
int command_api(int argc, char **argv);
int command_proxy(int argc, char **argv);
int command_doctor(int argc, char **argv);
int command_config(int argc, char **argv);
int command_audit(int argc, char **argv);
int command_keys(int argc, char **argv);
int command_languages(int argc, char **argv);
int command_bench(int argc, char **argv);
int command_selftest(int argc, char **argv);
int command_version(int argc, char **argv);
int command_help(int argc, char **argv);

/* Prints the help of one subcommand to stdout. Returns the exit status. */
int command_help_of(const char *command);

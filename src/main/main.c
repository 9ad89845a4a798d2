/* SPDX-License-Identifier: Apache-2.0 */
/* main.c -- the table of subcommands. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/build_info.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/option.h"

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
    const char *usage; /* options, NULL = none */
    bool variables;    /* its help lists the configuration */
} commands[] = {
    { "serve", command_serve, "start the server", NULL, true },
    { "doctor", command_doctor, "check everything the server needs, and say how to mend what is missing",
      "  --json     one JSON object per check\n" },
    { "config", command_config, "show the effective configuration, secrets masked",
      "  --check     only check it; prints nothing if it is good\n"
      "  --markdown  print the reference of all variables\n",
      true },
    { "audit", command_audit, "check that an audit log is whole and unchanged",
      "  verify [--last HASH] [FILE...]\n"
      "                  the files, oldest first; without any: audit.log and its rotated files in DATA_DIR\n"
      "  --last HASH     some event must have this hash, as noted elsewhere; says how many follow it\n\n"
      "  Exit status: 0 whole and unchanged, 1 not, or it cannot be read, 2 wrong command line.\n" },
    { "keys", command_keys, "make, list, change and revoke API keys; also while the server runs",
      "  list [--json]            the managed keys, newest first\n"
      "  create --name TEXT       make one; prints it, once\n"
      "  change HASH              give it another name, end or limits\n"
      "  disable HASH, enable HASH, revoke HASH\n\n"
      "  HASH is the key's SHA-256, or its first eight digits or more.\n\n"
      "  --tenant NAME            share sessions and files with the keys of that tenant (create only)\n"
      "  --expires TIME           such as 2030-01-31T12:00:00Z, or never\n"
      "  --network MODE           what programs reach, of what the server has: server, off, allowlist or wan\n"
      "  --per-second N, --per-minute N, --hourly N, --daily N, --monthly N\n"
      "                           requests allowed; 0 = no limit\n" },
    { "languages", command_languages, "list the languages and which of them can run here",
      "  --packages  print the Debian packages of the languages instead\n" },
    { "bench", command_bench, "measure the server against bare programs on this host",
      "  --list          list the measurements\n"
      "  --only NAMES    make these only, separated by commas\n"
      "  --quick         few repetitions: to try it, not to judge by it\n"
      "  --seconds N     time for each measurement\n"
      "  --url URL       measure this server, instead of starting one (which needs root)\n"
      "  --key KEY       its key; else API_KEY\n"
      "  --json FILE     write the results as JSON\n"
      "  --svg FILE      plot latency against concurrency\n" },
    { "selftest", command_selftest, "attack a server from inside its cells, and say which walls hold",
      "  --attack        run hostile programs and requests, each in a cell with limits\n"
      "  --list          list the cases, and why some are not run\n"
      "  --only IDS      run these only, separated by commas\n"
      "  --url URL       attack this server, instead of starting one (which needs root)\n"
      "  --key KEY       its key; else API_KEY\n"
      "  --json FILE     write the report as JSON\n\n"
      "  Exit status: 0 every wall held, 1 one is down, 2 wrong command line, 3 something could not be tried.\n" },
    { "version", command_version, "print the version", NULL },
    { "help", command_help, "explain a subcommand", "  COMMAND     the one to explain\n" },
    { "api", command_api, "the unprivileged half of the server; the warden starts it",
      "  --config-fd N   the sealed configuration\n"
      "  --warden-fd N   the channel to the warden\n" },
    { "proxy", command_proxy, "lets programs through to listed hosts; the warden starts it",
      "  --feed-fd N     where listening sockets come from\n"
      "  --hosts LIST    hosts that programs may reach\n" },
};

static void print_summary(FILE *out)
{
    fputs("Usage: codecell COMMAND [OPTIONS]\n\nRuns code of untrusted people in sandboxes, over HTTP.\n\n", out);
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fputs("\nSettings are environment variables; codecell serve --help lists them.\n", out);
}

int command_help_of(const char *command)
{
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        if (strcmp(commands[i].name, command) != 0)
            continue;
        printf("codecell %s: %s\n", command, commands[i].summary);
        if (commands[i].usage)
            printf("\n%s", commands[i].usage);
        if (commands[i].variables)
            config_print_help(stdout);
        return 0;
    }
    fprintf(stderr, "codecell: unknown command '%s'; see codecell help\n", command);
    return EXIT_USAGE;
}

int command_help(int argc, char **argv)
{
    if (argc > 1)
        return command_help_of(argv[1]);
    print_summary(stdout);
    return 0;
}

int command_version(int argc, char **argv)
{
    const struct option_row rows[] = { { 0 } };
    int status;

    if (!option_parse("version", rows, argc, argv, &status))
        return status;
    puts("codecell " CODECELL_VERSION);
    return 0;
}

/* Whoever started the program may have closed them: no file that it opens may become what it prints to. To print to a
 * stdout that was not given fails, hence for reading only. */
static bool occupy_standard_numbers(void)
{
    static const int flags[] = { O_RDONLY, O_RDONLY, O_WRONLY };

    for (int fd = 0; fd < (int)ARRAY_SIZE(flags); fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", flags[fd]) < 0)
            return false;
    return true;
}

static int finish(int status)
{
    log_end();
    return status;
}

int main(int argc, char **argv)
{
    if (!occupy_standard_numbers())
        return 1;
    if (argc < 2) {
        print_summary(stderr);
        return EXIT_USAGE;
    }
    if (option_asks_for_help(argv[1]))
        argv[1] = "help";
    if (strcmp(argv[1], "--version") == 0)
        argv[1] = "version";
    for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return finish(commands[i].run(argc - 1, argv + 1));
    fprintf(stderr, "codecell: unknown command '%s'; see codecell help\n", argv[1]);
    return EXIT_USAGE;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* config_command.c -- `codecell config`: what the server would run with. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/option.h"

int command_config(int argc, char **argv)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(config_deinit) struct config config = { 0 };
    bool check = false, markdown = false;
    const struct option_row rows[] = {
        { "--check", .flag = &check },
        { "--markdown", .flag = &markdown },
        { 0 },
    };
    int status, r;

    if (!option_parse("config", rows, argc, argv, &status))
        return status;
    if (markdown) {
        config_print_markdown(stdout);
        return 0;
    }
    r = config_load(&config, environ, ".env", &problems);
    if (r < 0) {
        fprintf(stderr, "codecell config: %s\n", strerror(-r));
        return 1;
    }
    if (!check)
        config_print(&config, stdout);
    if (problems.length > 0)
        fputs(problems.data, stderr);
    return r == 0 ? 0 : 1;
}

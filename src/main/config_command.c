/* SPDX-License-Identifier: Apache-2.0 */
/* config_command.c -- `codecell config`: what the server would run with. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/option.h"
#include "main/place/handover.h"

int command_config(int argc, char **argv)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(handover_deinit) struct handover handover = { 0 };
    struct config *config = &handover.config;
    bool check = false, markdown = false;
    const struct option_row rows[] = {
        { "--check", .flag = &check },
        { "--markdown", .flag = &markdown },
        { 0 },
    };
    const char *hint;
    int status, r;

    if (!option_parse("config", rows, argc, argv, &status))
        return status;
    if (markdown) {
        config_print_markdown(stdout);
        return 0;
    }
    r = config_load(config, environ, ".env", &problems);
    /* Keys may be readable by root only: to others a file that they cannot read says nothing. */
    if (r == 0 && geteuid() == 0)
        r = handover_read_tls(&handover, &problems);
    if (r < 0) {
        fprintf(stderr, "codecell config: %s\n", strerror(-r));
        return 1;
    }
    if (!check)
        config_print(config, stdout);
    if (problems.length > 0)
        fputs(problems.data, stderr);
    for (size_t cursor = 0; r == 0 && (hint = config_hint_next(config, &cursor));)
        fprintf(stderr, "warning: %s\n", hint);
    return r == 0 ? 0 : 1;
}

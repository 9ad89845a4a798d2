/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/title.h"
#include "warden/options.h"
#include "warden/warden.h"

int main(int argc, char **argv)
{
    static struct warden_options options; /* static: what it points to lives as long, and is not lost */
    char error[160];
    int status;

    if (warden_options_parse(&options, argc, argv, error, sizeof(error)) < 0) {
        fprintf(stderr, "codecell-warden: %s\n", error);
        return 78;
    }
    log_init(&(struct log_options){
        .level = (enum log_level)options.log_level,
        .json = strcmp(options.log_format, "json") == 0,
        .fd = STDOUT_FILENO,
        .process = "warden",
    });
    title_init(argc, argv);
    title_set("codecell-warden");
    status = warden_run(&options);
    log_end();
    return status;
}

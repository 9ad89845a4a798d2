/* SPDX-License-Identifier: Apache-2.0 */
/* languages.c -- `codecell languages`: what can run here. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "engine/language.h"
#include "main/command.h"
#include "main/config/config.h"
#include "main/option.h"
#include "main/place/location.h"

static void print_table(const struct language_table *table)
{
    for (size_t i = 0; i < table->n_languages; i++) {
        const struct language *language = &table->languages[i];

        printf("%-5s %-12s %s\n", language->code, language->name, language->available ? "available" : language->reason);
    }
}

static void print_packages(const struct language_table *table)
{
    for (size_t i = 0; i < table->n_languages; i++)
        printf("%s: %s\n", table->languages[i].code, table->languages[i].package);
}

/* Works without a valid configuration: of it only SANDBOX_ROOTFS matters. */
static int load_table(struct language_table *table)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(config_deinit) struct config config = { 0 };
    struct location location;
    char error[256] = "";
    int r = config_load(&config, environ, ".env", &problems);

    if (r >= 0)
        r = location_find(&location);
    if (r >= 0)
        r = language_table_load(table, location.languages, config.sandbox_rootfs, error, sizeof(error));
    if (r < 0)
        fprintf(stderr, "codecell languages: %s\n", *error ? error : strerror(-r));
    return r;
}

int command_languages(int argc, char **argv)
{
    CLEANUP(language_table_deinit) struct language_table table = { 0 };
    bool packages = false;
    const struct option_row rows[] = { { "--packages", .flag = &packages }, { 0 } };
    int status;

    if (!option_parse("languages", rows, argc, argv, &status))
        return status;
    if (load_table(&table) < 0)
        return 1;
    if (packages)
        print_packages(&table);
    else
        print_table(&table);
    return 0;
}

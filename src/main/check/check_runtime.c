/* SPDX-License-Identifier: Apache-2.0 */
/* check_runtime.c -- which of the languages can run here. */
#include <stdio.h>
#include <string.h>

#include "engine/language.h"
#include "main/check/check.h"

/* Fills missing codes and the packages that install them. Returns how many languages can run. */
static size_t list_missing(const struct language_table *table, char *codes, size_t codes_size, char *packages,
                           size_t packages_size)
{
    size_t available = 0, used = 0, used_packages = 0;

    codes[0] = packages[0] = '\0';
    for (size_t i = 0; i < table->n_languages; i++) {
        const struct language *language = &table->languages[i];

        if (language->available) {
            available++;
            continue;
        }
        if (used < codes_size)
            used += (size_t)snprintf(codes + used, codes_size - used, " %s", language->code);
        if (used_packages < packages_size)
            used_packages +=
                (size_t)snprintf(packages + used_packages, packages_size - used_packages, " %s", language->package);
    }
    return available;
}

void check_runtimes(const struct check_context *context, struct check_report *report)
{
    struct language_table table = { 0 };
    char codes[256], packages[400], mend[512], error[256];
    size_t available;

    if (language_table_load(&table, context->location->languages, context->config->sandbox_rootfs, error,
                            sizeof(error)) < 0) {
        check_say(report, CHECK_FAIL, "restore the file named here from the distribution", "%s", error);
        language_table_deinit(&table);
        return;
    }
    available = list_missing(&table, codes, sizeof(codes), packages, sizeof(packages));
    snprintf(mend, sizeof(mend), "apt-get install --no-install-recommends%s", packages);
    if (available == table.n_languages)
        check_ok(report, "all %zu languages can run", available);
    else
        check_say(report, available ? CHECK_WARN : CHECK_FAIL, mend, "%zu of %zu languages can run, not:%s", available,
                  table.n_languages, codes);
    language_table_deinit(&table);
}

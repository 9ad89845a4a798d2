/* SPDX-License-Identifier: Apache-2.0 */
/* A language's file, and a source of that language: the file is the operator's, the source a stranger's. */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/language.h"
#include "engine/language_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Arguments are what the steps say: no placeholder is left, and the path of the program is absolute. */
static void check_steps(const struct language *language, const struct language_values *values)
{
    assert(language->n_steps >= 1 && language->n_steps <= LANGUAGE_STEPS_MAX);
    assert(!language->steps[language->n_steps - 1].compile);
    for (size_t i = 0; i < language->n_steps; i++) {
        char *const *argv = language->steps[i].argv;

        for (size_t j = 0; argv[j]; j++) {
            char *text = language_argument(argv[j], values);

            assert(text && (j > 0 || text[0] == '/'));
            assert(strcmp(argv[j], "{args}") == 0 || !strstr(text, "{source}"));
            free(text);
        }
    }
}

static void check_source(const struct language *language, const char *code, size_t length)
{
    struct language_values values = { .build = "/run/build", .memory_mb = 512, .state = "52428800" };
    char name[LANGUAGE_SOURCE_SIZE];

    language_source_name(language, code, length, name);
    assert(name[0] != '\0' && name[0] != '.' && !strchr(name, '/') && strlen(name) < LANGUAGE_SOURCE_SIZE);
    values.source = name;
    if (!strchr(name, '{')) /* a class of that name would look like a placeholder to check_steps() */
        check_steps(language, &values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *split = memchr(text, '\0', size);
    size_t length = split ? (size_t)(split - text) : size;
    char error[512] = "";
    struct language_report report = { "x.json", error, sizeof(error) };
    struct language_table table = { .n_languages = 1 };
    int r = language_file_parse(&report, text, length, &table.languages[0]);

    assert(r == 0 || (r == -EINVAL && strncmp(error, "x.json: ", 8) == 0));
    if (r == 0)
        check_source(&table.languages[0], text + length, size - length);
    language_table_deinit(&table);
    return 0;
}

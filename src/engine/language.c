/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/language.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "engine/language_file.h"
#include "wire/warm_counts.h"

#define SOURCE_LINE_BYTES_MAX                                                                                          \
    512 /* of a line that is looked at for a class name: bounds what a hostile source costs                            \
         */

static void free_texts(char **texts)
{
    for (; *texts; texts++)
        free(*texts);
}

static void language_deinit(struct language *language)
{
    char *texts[] = { language->code,    language->name,    language->source, language->public_class_regex,
                      language->package, language->version, language->reason };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        free(texts[i]);
    free_texts(language->aliases);
    free_texts(language->extensions);
    free_texts(language->env);
    free_texts(language->hidden);
    free_texts(language->keep);
    free_texts(language->tools);
    free_texts(language->patterns);
    free_texts(language->requires);
    free_texts(language->version_argv);
    for (size_t i = 0; i < language->n_steps; i++)
        free_texts(language->steps[i].argv);
}

void language_table_deinit(struct language_table *table)
{
    for (size_t i = 0; i < table->n_languages; i++)
        language_deinit(&table->languages[i]);
    *table = (struct language_table){ 0 };
}

/* No two languages may answer to one name. */
static int check_unique(const struct language_report *report, const struct language_table *table,
                        const struct language *language)
{
    const struct language *other = language_find(table, language->code);

    if (other)
        return language_refuse(report, "code", "'%s' already names %s", language->code, other->name);
    for (size_t i = 0; language->aliases[i]; i++) {
        other = language_find(table, language->aliases[i]);
        if (other)
            return language_refuse(report, "aliases", "'%s' already names %s", language->aliases[i], other->name);
    }
    return 0;
}

/* True if path exists in the tree below root_fd, links being those of that tree. */
static bool exists_below(int root_fd, const char *path)
{
    CLEANUP_CLOSE int fd = fd_open_in_root(root_fd, path);

    return fd >= 0;
}

static int find_runtime(struct language *language, int root_fd)
{
    for (size_t i = 0; language->requires[i]; i++) {
        if (exists_below(root_fd, language->requires[i]))
            continue;
        if (asprintf(&language->reason, "%s is not installed (no %s); install the Debian packages: %s", language->name,
                     language->requires[i], language -> package) < 0) {
            language->reason = NULL;
            return -ENOMEM;
        }
        return 0;
    }
    language->available = true;
    return 0;
}

static bool file_is_named_after(const char *file, const char *code)
{
    size_t length = strlen(code);

    return strncmp(file, code, length) == 0 && strcmp(file + length, ".json") == 0;
}

/* Adds the language of one file. A half-read language is counted too, so that it is freed with the table. */
static int load_file(struct language_table *table, const struct language_report *report, int directory_fd, int root_fd)
{
    struct language language = { 0 };
    int r;

    if (table->n_languages == LANGUAGE_COUNT_MAX)
        return language_refuse(report, "", "there are more than %d languages", LANGUAGE_COUNT_MAX);
    r = language_file_read(report, directory_fd, &language);
    if (r == 0)
        r = check_unique(report, table, &language);
    if (r == 0 && !file_is_named_after(report->file, language.code))
        r = language_refuse(report, "code", "must be the name of the file");
    if (r == 0)
        r = find_runtime(&language, root_fd);
    table->languages[table->n_languages++] = language;
    return r;
}

static int is_json(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');

    return entry->d_name[0] != '.' && dot && strcmp(dot, ".json") == 0;
}

static int open_directory(const char *path, char *error, size_t error_size, int *ret_fd)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        int r = error_from_errno();

        snprintf(error, error_size, "cannot open the directory %s: %s", path, strerror(-r));
        return r;
    }
    *ret_fd = fd;
    return 0;
}

static int load_files(struct language_table *table, int directory_fd, int root_fd, char *error, size_t error_size)
{
    struct dirent **entries = NULL;
    int n = scandirat(directory_fd, ".", &entries, is_json, alphasort);
    int r = n < 0 ? error_from_errno() : 0;

    for (int i = 0; i < n; i++) {
        struct language_report report = { entries[i]->d_name, error, error_size };

        if (r == 0) {
            r = load_file(table, &report, directory_fd, root_fd);
            if (r < 0 && r != -EINVAL)
                snprintf(error, error_size, "%s: %s", report.file, strerror(-r));
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

int language_table_load(struct language_table *table, const char *directory, const char *rootfs, char *error,
                        size_t error_size)
{
    CLEANUP_CLOSE int directory_fd = -1;
    CLEANUP_CLOSE int root_fd = -1;
    int r;

    *table = (struct language_table){ 0 };
    r = open_directory(directory, error, error_size, &directory_fd);
    if (r == 0)
        r = open_directory(rootfs, error, error_size, &root_fd);
    if (r == 0)
        r = load_files(table, directory_fd, root_fd, error, error_size);
    if (r == 0 && table->n_languages == 0) {
        snprintf(error, error_size, "no language is described in %s", directory);
        r = -EINVAL;
    }
    /* Programs of another tree do not run here, and the host's would give the wrong answer. */
    for (size_t i = 0; r == 0 && strcmp(rootfs, "/") != 0 && i < table->n_languages; i++) {
        free_texts(table->languages[i].version_argv);
        memset(table->languages[i].version_argv, 0, sizeof(table->languages[i].version_argv));
    }
    return r;
}

static bool answers_to(const struct language *language, const char *name)
{
    if (strcasecmp(language->code, name) == 0)
        return true;
    for (size_t i = 0; language->aliases[i]; i++)
        if (strcasecmp(language->aliases[i], name) == 0)
            return true;
    return false;
}

const struct language *language_find(const struct language_table *table, const char *name)
{
    for (size_t i = 0; i < table->n_languages; i++)
        if (answers_to(&table->languages[i], name))
            return &table->languages[i];
    return NULL;
}

/* Writes group's text and the extension of source to ret_name. False if that is no file name. */
static bool name_from_group(const char *line, const regmatch_t *group, const char *source, char *ret_name)
{
    size_t length = (size_t)(group->rm_eo - group->rm_so);
    const char *extension = strrchr(source, '.');

    if (length == 0 || length + strlen(extension) >= LANGUAGE_SOURCE_SIZE || line[group->rm_so] == '.')
        return false;
    memcpy(ret_name, line + group->rm_so, length);
    ret_name[length] = '\0';
    for (size_t i = 0; i < length; i++)
        if (ret_name[i] == '/' || (unsigned char)ret_name[i] <= ' ' || ret_name[i] == 0x7f)
            return false;
    memcpy(ret_name + length, extension, strlen(extension) + 1);
    return true;
}

/* Looks for the class name in one line, which need not end with a NUL. */
static bool name_from_line(const regex_t *regex, const char *line, size_t length, const char *source, char *ret_name)
{
    regmatch_t groups[8];
    char text[SOURCE_LINE_BYTES_MAX];

    if (length >= sizeof(text))
        length = sizeof(text) - 1;
    memcpy(text, line, length);
    text[length] = '\0';
    return regexec(regex, text, ARRAY_SIZE(groups), groups, 0) == 0 &&
           name_from_group(text, &groups[regex->re_nsub], source, ret_name);
}

void language_source_name(const struct language *language, const char *code, size_t code_length,
                          char ret_name[static LANGUAGE_SOURCE_SIZE])
{
    const char *end = code + code_length;
    bool found = false;
    regex_t regex;

    if (language->public_class_regex && regcomp(&regex, language->public_class_regex, REG_EXTENDED) == 0) {
        while (code < end && !found) {
            const char *newline = memchr(code, '\n', (size_t)(end - code));
            size_t length = (size_t)((newline ? newline : end) - code);

            found = name_from_line(&regex, code, length, language->source, ret_name);
            code += length + 1;
        }
        regfree(&regex);
    }
    if (!found)
        snprintf(ret_name, LANGUAGE_SOURCE_SIZE, "%s", language->source);
}

static void write_value(FILE *out, const char *placeholder, const struct language_values *values)
{
    const char *dot = strrchr(values->source, '.');
    int stem_length = (int)(dot ? dot - values->source : (ptrdiff_t)strlen(values->source));

    if (strncmp(placeholder, "{source}", 8) == 0)
        fputs(values->source, out);
    else if (strncmp(placeholder, "{stem}", 6) == 0)
        fprintf(out, "%.*s", stem_length, values->source);
    else if (strncmp(placeholder, "{build}", 7) == 0)
        fputs(values->build, out);
    else if (strncmp(placeholder, "{memory_mb}", 11) == 0)
        fprintf(out, "%llu", (unsigned long long)values->memory_mb);
    else if (strncmp(placeholder, "{state}", 7) == 0)
        fputs(values->state, out);
}

char *language_argument(const char *element, const struct language_values *values)
{
    char *text = NULL;
    size_t size = 0;
    FILE *out;

    if (strcmp(element, "{args}") == 0)
        return strdup(element);
    out = open_memstream(&text, &size);
    if (!out)
        return NULL;
    while (*element) {
        size_t length = language_placeholder_length(element);

        if (length > 0)
            write_value(out, element, values);
        else
            fputc(*element, out);
        element += length > 0 ? length : 1;
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

unsigned language_count_warm(const struct language *language, const struct warm_counts *counts)
{
    unsigned n = 0;

    for (int kind = WARM_NONE + 1; kind < WARM_KINDS && counts; kind++)
        if (kind == (int)language->warm || warm_can_be(language->warm, (enum warm_kind)kind))
            n += atomic_load(&counts->waiting[kind]);
    return n;
}

unsigned language_count_all_warm(const struct warm_counts *counts)
{
    unsigned n = 0;

    for (int kind = WARM_NONE + 1; kind < WARM_KINDS && counts; kind++)
        n += atomic_load(&counts->waiting[kind]);
    return n;
}

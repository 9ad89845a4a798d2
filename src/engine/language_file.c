/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/language_file.h"

#include <ctype.h>
#include <fcntl.h>
#include <regex.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/json.h"
#include "wire/built.h"

#define FILE_BYTES_MAX      65536
#define TEXT_BYTES_MAX      1024
#define FACTOR_MIN          0.1
#define FACTOR_MAX          100.0
#define PROCESSES_EXTRA_MAX 4096

int language_refuse(const struct language_report *report, const char *field, const char *format, ...)
{
    char reason[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reason, sizeof(reason), format, arguments);
    va_end(arguments);
    snprintf(report->error, report->error_size, "%s: %s%s%s", report->file, field, *field ? ": " : "", reason);
    return -EINVAL;
}

/* What a text may be. A rule returns NULL, or says what the text must be. */
typedef const char *(*text_rule)(const char *text);

static bool consists_of(const char *text, const char *further)
{
    for (; *text; text++)
        if (!islower((unsigned char)*text) && !isdigit((unsigned char)*text) && !strchr(further, *text))
            return false;
    return true;
}

static const char *rule_code(const char *text)
{
    return consists_of(text, "") && strlen(text) < 16 ? NULL : "must be at most 15 lower-case letters and digits";
}

static const char *rule_alias(const char *text)
{
    return consists_of(text, "+#-_.") ? NULL : "must be lower-case letters, digits and + # - _ .";
}

static const char *rule_extension(const char *text)
{
    return *text != '.' && !strchr(text, '/') ? NULL : "must be an extension without its dot";
}

static const char *rule_file_name(const char *text)
{
    const char *dot = strrchr(text, '.');

    if (strchr(text, '/') || *text == '.' || strlen(text) >= LANGUAGE_SOURCE_SIZE)
        return "must be a file name without directory";
    return dot && dot[1] ? NULL : "must have an extension";
}

static const char *rule_hidden(const char *text)
{
    return !strchr(text, '/') && strcmp(text, ".") != 0 && strcmp(text, "..") != 0 ? NULL : "must be a plain name";
}

/* A directory ends with a slash. */
static const char *rule_built(const char *text)
{
    char path[BUILT_PATH_SIZE];
    size_t length = strlen(text);

    if (length >= sizeof(path))
        return "is too long";
    memcpy(path, text, length + 1);
    if (path[length - 1] == '/')
        path[length - 1] = '\0';
    return built_path_is_valid(path) ? NULL : "must be a path below " BUILT_DIR;
}

static const char *rule_absolute(const char *text)
{
    return *text == '/' ? NULL : "must be an absolute path";
}

/* The C library copies what stands before a count that many times, and before a '+' once more: within each other they
 * make gigabytes of a line of text. */
static bool grows_when_compiled(const char *text)
{
    unsigned pluses = 0, groups = 0;

    for (const char *at = text; *at; at++) {
        if (*at == '{' && ((at[1] >= '0' && at[1] <= '9') || at[1] == ','))
            return true;
        pluses += *at == '+';
        groups += *at == '(';
    }
    return pluses > 8 || groups > 8;
}

static const char *rule_class_regex(const char *text)
{
    regex_t regex;
    size_t n_groups;

    if (grows_when_compiled(text))
        return "must not count repetitions, and has at most eight of '+' and of '('";
    if (regcomp(&regex, text, REG_EXTENDED) != 0)
        return "must be a POSIX extended regular expression";
    n_groups = regex.re_nsub;
    regfree(&regex);
    return n_groups > 0 && n_groups < 8 ? NULL : "must have one to seven groups, of which the last is the name";
}

/* The fields of a language file. An offset is that of the member the field fills. */
enum field_kind {
    FIELD_TEXT,   /* char * */
    FIELD_TEXTS,  /* char *[max + 1] */
    FIELD_BOOL,   /* bool */
    FIELD_FACTOR, /* double */
    FIELD_COUNT,  /* uint32_t */
    FIELD_ENV,    /* char *[max + 1], from an object */
    FIELD_WARM,   /* enum warm_kind */
    FIELD_STEPS,  /* the steps */
};

struct field {
    const char *name;
    enum field_kind kind;
    bool required;
    size_t offset;
    size_t max;
    text_rule rule;
};

#define AT(member)   offsetof(struct language, member)
#define ROOM(member) (ARRAY_SIZE(((struct language *)NULL)->member) - 1)

static const struct field fields[] = {
    { "code", FIELD_TEXT, true, AT(code), 0, rule_code },
    { "name", FIELD_TEXT, true, AT(name), 0, NULL },
    { "aliases", FIELD_TEXTS, false, AT(aliases), ROOM(aliases), rule_alias },
    { "extensions", FIELD_TEXTS, true, AT(extensions), ROOM(extensions), rule_extension },
    { "source", FIELD_TEXT, true, AT(source), 0, rule_file_name },
    { "state", FIELD_BOOL, false, AT(state), 0, NULL },
    { "warm", FIELD_WARM, false, AT(warm), 0, NULL },
    { "mirror", FIELD_BOOL, false, AT(mirror), 0, NULL },
    { "public_class_regex", FIELD_TEXT, false, AT(public_class_regex), 0, rule_class_regex },
    { "env", FIELD_ENV, false, AT(env), ROOM(env), NULL },
    { "hidden", FIELD_TEXTS, false, AT(hidden), ROOM(hidden), rule_hidden },
    { "keep", FIELD_TEXTS, false, AT(keep), ROOM(keep), rule_built },
    { "tools", FIELD_TEXTS, false, AT(tools), ROOM(tools), NULL },
    { "steps", FIELD_STEPS, true, AT(steps), LANGUAGE_STEPS_MAX, NULL },
    { "time_factor", FIELD_FACTOR, true, AT(time_factor), 0, NULL },
    { "memory_factor", FIELD_FACTOR, true, AT(memory_factor), 0, NULL },
    { "processes_extra", FIELD_COUNT, false, AT(processes_extra), PROCESSES_EXTRA_MAX, NULL },
    { "patterns", FIELD_TEXTS, false, AT(patterns), ROOM(patterns), NULL },
    { "package", FIELD_TEXT, true, AT(package), 0, NULL },
    { "requires", FIELD_TEXTS, true, AT(requires), ROOM(requires), rule_absolute },
    { "version_argv", FIELD_TEXTS, false, AT(version_argv), ROOM(version_argv), NULL },
};

static const char *const warm_names[WARM_KINDS] = {
    [WARM_PYTHON] = "python", [WARM_NODE] = "node", [WARM_TYPESCRIPT] = "typescript",
    [WARM_PHP] = "php",       [WARM_R] = "r",       [WARM_JAVAC] = "javac",
    [WARM_BASH] = "bash",
};

static int read_warm(const struct language_report *report, const char *field, const json_t *value,
                     enum warm_kind *ret_kind)
{
    const char *text = json_string_value(value);

    for (int kind = WARM_NONE + 1; text && kind < WARM_KINDS; kind++)
        if (warm_names[kind] && strcmp(text, warm_names[kind]) == 0) {
            *ret_kind = (enum warm_kind)kind;
            return 0;
        }
    return language_refuse(report, field, "must be the name of something that can wait for a program");
}

/* Reads a string of 1 to TEXT_BYTES_MAX bytes without control characters into *ret_text. */
static int read_text(const struct language_report *report, const char *field, const json_t *value, text_rule rule,
                     char **ret_text)
{
    const char *text = json_string_value(value);
    const char *broken;

    if (!text || !*text)
        return language_refuse(report, field, "must be a non-empty string");
    if (json_string_length(value) > TEXT_BYTES_MAX)
        return language_refuse(report, field, "is longer than %d bytes", TEXT_BYTES_MAX);
    for (size_t i = 0; i < json_string_length(value); i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return language_refuse(report, field, "contains a control character");
    broken = rule ? rule(text) : NULL;
    if (broken)
        return language_refuse(report, field, "%s", broken);
    *ret_text = strdup(text);
    return *ret_text ? 0 : -ENOMEM;
}

static int read_texts(const struct language_report *report, const char *field, const json_t *value, size_t max,
                      text_rule rule, char **ret_texts)
{
    char name[96];
    int r = 0;

    if (!json_is_array(value))
        return language_refuse(report, field, "must be a list of strings");
    if (json_array_size(value) > max)
        return language_refuse(report, field, "has more than %zu entries", max);
    for (size_t i = 0; i < json_array_size(value) && r == 0; i++) {
        snprintf(name, sizeof(name), "%s[%zu]", field, i);
        r = read_text(report, name, json_array_get(value, i), rule, &ret_texts[i]);
    }
    return r;
}

static bool is_variable_name(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    for (; *name; name++)
        if (!isalnum((unsigned char)*name) && *name != '_')
            return false;
    return true;
}

static int read_env(const struct language_report *report, json_t *value, size_t max, char **ret_env)
{
    const char *key;
    json_t *entry;
    size_t n = 0;

    if (!json_is_object(value))
        return language_refuse(report, "env", "must be an object of strings");
    if (json_object_size(value) > max)
        return language_refuse(report, "env", "has more than %zu entries", max);
    json_object_foreach(value, key, entry)
    {
        CLEANUP_FREE char *text = NULL;
        int r;

        if (!is_variable_name(key))
            return language_refuse(report, "env", "'%s' is no name of a variable", key);
        r = read_text(report, "env", entry, NULL, &text);
        if (r < 0)
            return r;
        if (asprintf(&ret_env[n++], "%s=%s", key, text) < 0) {
            ret_env[n - 1] = NULL;
            return -ENOMEM;
        }
    }
    return 0;
}

static const char *const placeholders[] = { "{source}", "{stem}", "{build}", "{memory_mb}", "{state}" };

size_t language_placeholder_length(const char *text)
{
    size_t n = 1;

    if (*text != '{')
        return 0;
    while (islower((unsigned char)text[n]) || text[n] == '_')
        n++;
    return n > 1 && text[n] == '}' ? n + 1 : 0;
}

static int check_argument(const struct language_report *report, const char *field, const char *element, bool compile)
{
    if (strcmp(element, "{args}") == 0)
        return compile ? language_refuse(report, field, "a compile step takes no {args}") : 0;
    for (const char *c = element; *c; c++) {
        size_t length = language_placeholder_length(c);
        bool known = length == 0;

        for (size_t i = 0; i < ARRAY_SIZE(placeholders) && !known; i++)
            known = strlen(placeholders[i]) == length && strncmp(c, placeholders[i], length) == 0;
        if (!known)
            return language_refuse(report, field, "unknown placeholder %.*s", (int)length, c);
    }
    return 0;
}

static int check_argv(const struct language_report *report, const char *field, char *const *argv, bool compile)
{
    char name[96];
    int r = 0;

    if (!argv[0] || (argv[0][0] != '/' && strncmp(argv[0], "{build}/", 8) != 0))
        return language_refuse(report, field, "must begin with an absolute path");
    for (size_t i = 0; argv[i] && r == 0; i++) {
        snprintf(name, sizeof(name), "%s[%zu]", field, i);
        r = check_argument(report, name, argv[i], compile);
    }
    return r;
}

static int read_cwd(const struct language_report *report, const char *field, const json_t *value, const char **ret_cwd)
{
    static const char *const directories[] = { "workspace", "build" };

    for (size_t i = 0; i < ARRAY_SIZE(directories); i++) {
        if (json_is_string(value) && strcmp(json_string_value(value), directories[i]) == 0) {
            *ret_cwd = directories[i];
            return 0;
        }
    }
    return language_refuse(report, field, "must be \"workspace\" or \"build\"");
}

static int read_flag(const struct language_report *report, const char *field, const json_t *value, bool *ret_flag)
{
    *ret_flag = json_is_true(value);
    return json_is_boolean(value) ? 0 : language_refuse(report, field, "must be true or false");
}

static int read_step(const struct language_report *report, size_t index, json_t *value, struct language_step *step)
{
    char name[64];
    const char *key;
    json_t *entry;
    int r = 0;

    snprintf(name, sizeof(name), "steps[%zu]", index);
    if (!json_is_object(value))
        return language_refuse(report, name, "must be an object");
    json_object_foreach(value, key, entry)
    {
        snprintf(name, sizeof(name), "steps[%zu].%.32s", index, key);
        if (strcmp(key, "argv") == 0)
            r = read_texts(report, name, entry, LANGUAGE_ARGV_MAX, NULL, step->argv);
        else if (strcmp(key, "cwd") == 0)
            r = read_cwd(report, name, entry, &step->cwd);
        else if (strcmp(key, "compile") == 0)
            r = read_flag(report, name, entry, &step->compile);
        else if (strcmp(key, "try") == 0)
            r = read_flag(report, name, entry, &step->attempt);
        else
            r = language_refuse(report, name, "is no known field");
        if (r < 0)
            return r;
    }
    snprintf(name, sizeof(name), "steps[%zu].cwd", index);
    if (!step->cwd)
        return language_refuse(report, name, "is missing");
    snprintf(name, sizeof(name), "steps[%zu].argv", index);
    return check_argv(report, name, step->argv, step->compile);
}

static int read_steps(const struct language_report *report, const json_t *value, struct language *language)
{
    size_t n = json_array_size(value);

    if (n == 0 || n > LANGUAGE_STEPS_MAX)
        return language_refuse(report, "steps", "must be a list of 1 to %d steps", LANGUAGE_STEPS_MAX);
    for (size_t i = 0; i < n; i++) {
        int r = read_step(report, i, json_array_get(value, i), &language->steps[i]);

        language->n_steps = i + 1;
        if (r < 0)
            return r;
        if (language->steps[i].compile != (i + 1 < n))
            return language_refuse(report, "steps", "the last step runs the program, every step before it compiles");
        if (language->steps[i].attempt && i + 2 >= n)
            return language_refuse(report, "steps", "behind a step to try there must be one that compiles");
    }
    return 0;
}

static int read_factor(const struct language_report *report, const char *field, const json_t *value, double *ret_factor)
{
    double factor = json_number_value(value);

    if (!json_is_number(value) || factor < FACTOR_MIN || factor > FACTOR_MAX)
        return language_refuse(report, field, "must be a number from %g to %g", FACTOR_MIN, FACTOR_MAX);
    *ret_factor = factor;
    return 0;
}

static int read_count(const struct language_report *report, const char *field, const json_t *value, size_t max,
                      uint32_t *ret_count)
{
    json_int_t count = json_integer_value(value);

    if (!json_is_integer(value) || count < 0 || count > (json_int_t)max)
        return language_refuse(report, field, "must be an integer from 0 to %zu", max);
    *ret_count = (uint32_t)count;
    return 0;
}

static int read_field(const struct language_report *report, const struct field *field, json_t *value,
                      struct language *language)
{
    void *member = (char *)language + field->offset;

    switch (field->kind) {
    case FIELD_TEXT:
        return read_text(report, field->name, value, field->rule, member);
    case FIELD_TEXTS:
        return read_texts(report, field->name, value, field->max, field->rule, member);
    case FIELD_BOOL:
        *(bool *)member = json_is_true(value);
        return json_is_boolean(value) ? 0 : language_refuse(report, field->name, "must be true or false");
    case FIELD_WARM:
        return read_warm(report, field->name, value, member);
    case FIELD_FACTOR:
        return read_factor(report, field->name, value, member);
    case FIELD_COUNT:
        return read_count(report, field->name, value, field->max, member);
    case FIELD_ENV:
        return read_env(report, value, field->max, member);
    case FIELD_STEPS:
        return read_steps(report, value, language);
    }
    return -EINVAL;
}

static bool is_field(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return true;
    return false;
}

static int read_object(const struct language_report *report, json_t *root, struct language *language)
{
    const char *key;
    json_t *value;

    if (!json_is_object(root))
        return language_refuse(report, "", "must hold one object");
    json_object_foreach(root, key, value)
    {
        if (!is_field(key))
            return language_refuse(report, key, "is no known field");
    }
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        int r = 0;

        value = json_object_get(root, fields[i].name);
        if (value)
            r = read_field(report, &fields[i], value, language);
        else if (fields[i].required)
            r = language_refuse(report, fields[i].name, "is missing");
        if (r < 0)
            return r;
    }
    if (language->keep[0] && language->n_steps < 2)
        return language_refuse(report, "keep", "needs a step that compiles");
    return language->tools[0] ? check_argv(report, "tools", language->tools, false) : 0;
}

int language_file_parse(const struct language_report *report, const char *text, size_t length,
                        struct language *language)
{
    CLEANUP_JSON json_t *root = NULL;
    json_error_t where;

    root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &where);
    if (!root)
        return language_refuse(report, "", "line %d: %s", where.line, where.text);
    return read_object(report, root, language);
}

int language_file_read(const struct language_report *report, int directory_fd, struct language *language)
{
    CLEANUP_CLOSE int fd = openat(directory_fd, report->file, O_RDONLY | O_CLOEXEC);
    CLEANUP_FREE char *text = NULL;
    ssize_t length;

    if (fd < 0)
        return error_from_errno();
    text = malloc(FILE_BYTES_MAX + 1);
    if (!text)
        return -ENOMEM;
    length = fd_read_full(fd, text, FILE_BYTES_MAX + 1);
    if (length < 0)
        return (int)length;
    if (length > FILE_BYTES_MAX)
        return language_refuse(report, "", "is larger than %d bytes", FILE_BYTES_MAX);
    return language_file_parse(report, text, (size_t)length, language);
}

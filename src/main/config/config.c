/* SPDX-License-Identifier: Apache-2.0 */
#include "main/config/config.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "main/config/config_rule.h"
#include "main/config/config_type.h"
#include "main/config/dotenv.h"

static const struct config_param params[CONFIG_COUNT] = {
#define PARAM(name_, field_, type_, group_, default_, help_, ...)                                                      \
    [CONFIG_##name_] = { .name = #name_,                                                                               \
                         .type = CONFIG_##type_,                                                                       \
                         .group = CONFIG_GROUP_##group_,                                                               \
                         .default_text = default_,                                                                     \
                         .help = help_,                                                                                \
                         .offset = offsetof(struct config, field_),                                                    \
                         __VA_ARGS__ },
#include "main/config/config.def"
#undef PARAM
};

static const char *const origin_words[] = {
    [CONFIG_FROM_DEFAULT] = "default",
    [CONFIG_FROM_DOTENV] = ".env",
    [CONFIG_FROM_ENVIRONMENT] = "environment",
};

const struct config_param *config_param(enum config_id id)
{
    return &params[id];
}

const struct config_param *config_param_find(const char *name)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++)
        if (strcmp(params[i].name, name) == 0)
            return &params[i];
    return NULL;
}

static int set_text(struct config *config, enum config_id id, const char *text, enum config_origin origin)
{
    char *copy = strdup(text);

    if (!copy)
        return -ENOMEM;
    free(config->texts[id]);
    config->texts[id] = copy;
    config->origins[id] = origin;
    return 0;
}

/* Surrounding white space is never meant. */
static int set_trimmed(struct config *config, enum config_id id, const char *text, enum config_origin origin)
{
    CLEANUP_FREE char *copy = NULL;
    size_t length;

    text += strspn(text, " \t\r\n");
    length = strlen(text);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]))
        length--;
    if (length == 0 && !config_type_takes_empty(params[id].type))
        return 0;
    copy = strndup(text, length);
    if (!copy)
        return -ENOMEM;
    return set_text(config, id, copy, origin);
}

static int visit_dotenv(void *context, const char *name, const char *value)
{
    const struct config_param *param = config_param_find(name);

    return param ? set_trimmed(context, (enum config_id)(param - params), value, CONFIG_FROM_DOTENV) : 0;
}

static int problem_add(struct buffer *problems, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int problem_add(struct buffer *problems, const char *format, ...)
{
    char line[2048];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line, sizeof(line) - 1, format, args);
    va_end(args);
    if (length < 0)
        return -EINVAL;
    if ((size_t)length > sizeof(line) - 2)
        length = sizeof(line) - 2;
    line[length] = '\n';
    return buffer_append(problems, line, (size_t)length + 1);
}

static int read_dotenv(const char *path, struct buffer *ret_text)
{
    CLEANUP_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat st;
    ssize_t n;
    int r;

    if (fd < 0)
        return errno == ENOENT ? 0 : error_from_errno();
    if (fstat(fd, &st) < 0)
        return error_from_errno();
    if (S_ISDIR(st.st_mode))
        return 0;
    if (!S_ISREG(st.st_mode) || st.st_size > DOTENV_MAX_BYTES)
        return -EINVAL;
    r = buffer_reserve(ret_text, (size_t)st.st_size);
    if (r < 0 || st.st_size == 0)
        return r;
    n = fd_read_full(fd, ret_text->data, (size_t)st.st_size);
    if (n < 0)
        return (int)n;
    ret_text->length = (size_t)n;
    return 0;
}

static int load_dotenv(struct config *config, const char *path, struct buffer *problems)
{
    CLEANUP(buffer_deinit) struct buffer text = BUFFER_INIT(DOTENV_MAX_BYTES + 1);
    struct dotenv_error error;
    int r = read_dotenv(path, &text);

    config->file_unread = r < 0;
    if (r < 0) {
        problem_add(problems, "%s: cannot be read: %s", path,
                    r == -EINVAL ? "not a file of at most 1 MiB" : strerror(-r));
        return CONFIG_E_INVALID;
    }
    if (text.length == 0)
        return 0;
    r = dotenv_parse(text.data, text.length, visit_dotenv, config, &error);
    if (r != DOTENV_E_SYNTAX)
        return r;
    config->file_unread = true;
    problem_add(problems, "%s line %u: %s", path, error.line, error.reason);
    return CONFIG_E_INVALID;
}

static int load_environment(struct config *config, char *const *environment)
{
    for (; *environment; environment++) {
        const char *equals = strchr(*environment, '=');

        for (size_t i = 0; equals && i < CONFIG_COUNT; i++) {
            size_t length = strlen(params[i].name);
            int r;

            if (length != (size_t)(equals - *environment) || memcmp(params[i].name, *environment, length) != 0)
                continue;
            r = set_trimmed(config, (enum config_id)i, equals + 1, CONFIG_FROM_ENVIRONMENT);
            if (r < 0)
                return r;
        }
    }
    return 0;
}

static void explain(const struct config *config, enum config_id id, const char *reason, struct buffer *problems)
{
    const struct config_param *param = &params[id];
    char range[512];

    config_describe_range(param, range, sizeof(range));
    if (param->secret)
        problem_add(problems, "%s (from %s): %s%s", param->name, origin_words[config->origins[id]],
                    reason ? reason : "must be ", reason ? "" : range);
    else
        problem_add(problems, "%s=%.200s (from %s): %s%s", param->name, config->texts[id],
                    origin_words[config->origins[id]], reason ? reason : "must be ", reason ? "" : range);
}

/* Parses one text; a refused one is explained and replaced by the default. */
static int apply(struct config *config, enum config_id id, struct buffer *problems)
{
    const char *reason;
    int r;

    config_type_canonicalise(&params[id], config->texts[id]);
    if (config_type_parse(&params[id], config, config->texts[id], &reason))
        return 0;
    explain(config, id, reason, problems);
    r = set_text(config, id, params[id].default_text, CONFIG_FROM_DEFAULT);
    if (r < 0)
        return r;
    config_type_parse(&params[id], config, config->texts[id], &reason);
    return CONFIG_E_INVALID;
}

static int apply_all(struct config *config, struct buffer *problems)
{
    bool refused = false;

    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        int r = apply(config, (enum config_id)i, problems);

        if (r < 0)
            return r;
        refused |= r == CONFIG_E_INVALID;
    }
    return refused ? CONFIG_E_INVALID : 0;
}

static int set_defaults(struct config *config)
{
    *config = (struct config){ 0 };
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        int r = set_text(config, (enum config_id)i, params[i].default_text, CONFIG_FROM_DEFAULT);

        if (r < 0)
            return r;
    }
    return 0;
}

/* The rules between values make sense only when every value does. */
static int check_rules(const struct config *config, struct buffer *problems)
{
    bool refused = false;

    for (size_t i = 0; i < config_rule_count; i++) {
        const char *sentence = config_rules[i](config);

        if (sentence)
            problem_add(problems, "%s", sentence);
        refused |= sentence != NULL;
    }
    return refused ? CONFIG_E_INVALID : 0;
}

int config_load(struct config *config, char *const *environment, const char *dotenv_path, struct buffer *problems)
{
    int r = set_defaults(config), from_file = 0;

    if (r == 0 && dotenv_path)
        r = from_file = load_dotenv(config, dotenv_path, problems);
    if (r >= 0)
        r = load_environment(config, environment);
    if (r >= 0)
        r = apply_all(config, problems);
    if (r == 0)
        r = check_rules(config, problems);
    return r == 0 ? from_file : r;
}

int config_override(struct config *config, enum config_id id, const char *text, struct buffer *problems)
{
    int r = set_text(config, id, text, CONFIG_FROM_ENVIRONMENT);

    if (r == 0)
        r = apply(config, id, problems);
    if (r == 0)
        r = check_rules(config, problems);
    return r;
}

void config_deinit(struct config *config)
{
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        free(config->texts[i]);
        config->texts[i] = NULL;
    }
}

int config_absolute_paths(struct config *config)
{
    char cwd[PATH_MAX], path[2 * PATH_MAX];
    const char *reason;

    if (!getcwd(cwd, sizeof(cwd)))
        return error_from_errno();
    for (size_t i = 0; i < CONFIG_COUNT; i++) {
        enum config_origin origin = config->origins[i];
        int r;

        if (params[i].type != CONFIG_PATH || config->texts[i][0] == '/' || config->texts[i][0] == '\0')
            continue;
        snprintf(path, sizeof(path), "%s/%s", strcmp(cwd, "/") == 0 ? "" : cwd, config->texts[i]);
        r = set_text(config, (enum config_id)i, path, origin);
        if (r < 0)
            return r;
        if (!config_type_parse(&params[i], config, config->texts[i], &reason))
            return -ENAMETOOLONG;
    }
    return 0;
}

bool config_address_is_loopback(const char *address)
{
    struct in6_addr six;
    struct in_addr four;

    if (inet_pton(AF_INET, address, &four) == 1)
        return (ntohl(four.s_addr) >> 24) == 127;
    if (inet_pton(AF_INET6, address, &six) == 1)
        return IN6_IS_ADDR_LOOPBACK(&six) || (IN6_IS_ADDR_V4MAPPED(&six) && six.s6_addr[12] == 127);
    return strcasecmp(address, "localhost") == 0;
}

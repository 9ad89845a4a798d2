/* SPDX-License-Identifier: Apache-2.0 */
/* check_skill_deps.c -- the packages that all programs may load. Whoever can write there has code in every program that
 * imports it, and what lies there every program can read. */
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "main/check/check.h"

static bool is_directory(const struct config *config)
{
    struct stat st;

    return lstat(config->skill_deps_path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The same directory, or one above it. Both are canonical. */
static bool is_above(const char *directory, const char *path)
{
    size_t length = strlen(directory);

    if (strcmp(directory, "/") == 0)
        return true;
    return strncmp(directory, path, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* Whether the packages' directory holds what the server keeps there, or would keep, or the other way round. */
static bool meets(const char *packages, const char *own)
{
    char existing[PATH_MAX], real[PATH_MAX];

    check_existing(own, existing);
    if (!*own || !realpath(existing, real))
        return false;
    return is_above(packages, real) ||
           (strcmp(existing, own) == 0 && strcmp(real, "/") != 0 && is_above(real, packages));
}

static bool is_apart(const struct config *config)
{
    char packages[PATH_MAX];

    if (!realpath(config->skill_deps_path, packages))
        return false;
    return !meets(packages, config->data_dir) && !meets(packages, config->ssl_key_file) &&
           !meets(packages, config->log_file);
}

/* Every directory from the path up to the root: who may write to one may put another in the place of what is below,
 * unless it is sticky. */
static bool is_roots_alone(const struct config *config)
{
    char path[PATH_MAX];
    const char *at = path;
    bool above = false;

    if (!realpath(config->skill_deps_path, path))
        return false;
    for (;; at = dirname(path), above = true) {
        struct stat st;

        if (stat(at, &st) < 0 || st.st_uid != 0 || (st.st_mode & 022 && !(above && st.st_mode & S_ISVTX)))
            return false;
        if (strcmp(at, "/") == 0)
            return true;
    }
}

static const struct {
    bool (*holds)(const struct config *config);
    const char *otherwise, *mend;
} rules[] = {
    { is_directory, "is no directory", "name a directory, and no link to one" },
    { is_apart, "holds what is the server's own, or lies in it",
      "choose a directory that holds packages and nothing else" },
    { is_roots_alone, "can be written to by others than root, or replaced",
      "chown root and chmod go-w it and each directory above it" },
};

void check_skill_deps(const struct check_context *context, struct check_report *report)
{
    const char *path = context->config->skill_deps_path;

    if (access(path, F_OK) < 0 && errno == ENOENT) {
        check_ok(report, "programs have no packages of the operator's: SKILL_DEPS_PATH=%.200s does not exist", path);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (!rules[i].holds(context->config)) {
            check_say(report, CHECK_FAIL, rules[i].mend, "SKILL_DEPS_PATH=%.200s %s", path, rules[i].otherwise);
            return;
        }
    check_ok(report, "programs see %.300s as /opt/skill-deps", path);
}

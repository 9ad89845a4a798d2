/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/location.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/build_info.h"
#include "base/error.h"

static int put(char *to, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int put(char *to, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(to, PATH_MAX, format, args);
    va_end(args);
    return length >= 0 && length < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int find_share(const char *directory, char *ret_share)
{
    const char *slash = strrchr(directory, '/');

    if (strcmp(directory, CODECELL_BUILD_ROOT) == 0)
        return put(ret_share, "%s", CODECELL_SOURCE_ROOT);
    return put(ret_share, "%.*s/share/codecell", slash ? (int)(slash - directory) : 0, directory);
}

int location_find(struct location *ret_location)
{
    struct location *l = ret_location;
    char directory[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", l->program, sizeof(l->program) - 1);
    int r;

    if (length < 0)
        return error_from_errno();
    l->program[length] = '\0';
    r = put(directory, "%.*s", (int)(strrchr(l->program, '/') - l->program), l->program);
    if (r == 0)
        r = put(l->warden, "%s/codecell-warden", directory);
    if (r == 0)
        r = put(l->zygote, "%s/codecell-zygote.so", directory);
    if (r == 0)
        r = find_share(directory, l->share);
    if (r == 0)
        r = put(l->languages, "%s/languages", l->share);
    if (r == 0)
        r = put(l->guest, "%s/guest", l->share);
    if (r == 0)
        r = put(l->selftest, "%s/selftest", l->share);
    return r;
}

const char *location_program_from_share(const struct location *location)
{
    size_t length = strlen(location->share);

    if (strncmp(location->program, location->share, length) == 0 && location->program[length] == '/')
        return location->program + length + 1;
    return location->program;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* r.c -- the library as R's profile uses it, through .C (guest/r/profile.R). */
#include "zygote/copy.h"
#include "zygote/library.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cell/runtime.h"

#define CANNOT_RUN 127

/* R's own; it copies what it is given. */
extern __attribute__((weak)) void R_set_command_line_arguments(int argc, char **argv);

static bool is_null_device(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

/* R opened the null device as its script, and has read nothing of it. */
static void give_script(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC), at = STDERR_FILENO + 1;

    while (at < RUNTIME_SOCKET_FD && !is_null_device(at))
        at++;
    if (fd < 0 || at == RUNTIME_SOCKET_FD || dup2(fd, at) < 0)
        _exit(CANNOT_RUN);
    close(fd);
}

/* What commandArgs() would be: own arguments with the script's name, and those of the program behind "--args". */
static void give_arguments(char **own, int n_own, const char *script, char **rest)
{
    static const char file[] = "--file=";
    static char separator[] = "--args";
    size_t n = 0, n_rest = zygote_count(rest);
    char **all = calloc((size_t)n_own + n_rest + 2, sizeof(*all)), *name = malloc(sizeof(file) + strlen(script));

    if (!all || !name)
        _exit(CANNOT_RUN);
    memcpy(name, file, sizeof(file) - 1);
    memcpy(name + sizeof(file) - 1, script, strlen(script) + 1);
    for (int i = 0; i < n_own; i++)
        all[n++] = strncmp(own[i], file, sizeof(file) - 1) == 0 ? name : own[i];
    if (n_rest > 0)
        all[n++] = separator;
    for (size_t i = 0; i < n_rest; i++)
        all[n++] = rest[i];
    R_set_command_line_arguments((int)n, all);
    free(all);
    free(name);
}

void zygote_await_r(char **own, const int *n_own)
{
    char **argument;

    if (!R_set_command_line_arguments)
        _exit(CANNOT_RUN);
    zygote_await_started(RUNTIME_SOCKET_FD);
    argument = zygote_arguments() + 1; /* Rscript's: options, the script, arguments */
    while (*argument && (*argument)[0] == '-')
        argument++;
    if (!*argument)
        _exit(CANNOT_RUN);
    give_script(*argument);
    give_arguments(own, *n_own, *argument, argument + 1);
}

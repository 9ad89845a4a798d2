/* SPDX-License-Identifier: Apache-2.0 */
/* php.c -- the library as PHP uses it, through FFI (guest/php/zygote.php).
 *
 * Of the interpreter's symbols two are used, whose first fields are as they were since PHP 5; any other interpreter
 * that loads the library has none of them. */
#include "zygote/copy.h"
#include "zygote/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "wire/zygote.h"

#define FROM_PHP __attribute__((weak))

/* To be kept when PHP unloads it, as it does before it is through. */
#define LIBRARY "/opt/codecell/zygote.so"

#define OWN_FILES_MAX  4
#define NUMBER_MAX     64
#define GLOBALS_LOOKED 1024 /* bytes of them that are looked through, of about 1700 */

extern FROM_PHP struct {
    const char *name, *pretty_name;
    int (*startup)(void *module);
    int (*shutdown)(void *module);
    int (*activate)(void);
    int (*deactivate)(void);
} sapi_module;

extern FROM_PHP char executor_globals[];

/* The interpreter's scripts, which it has open while it waits. In a copy they are opened anew under the same numbers:
 * what it closes in the end must not be the program's. */
static struct own_file {
    int fd;
    off_t at;
    char path[PATH_MAX];
} own_files[OWN_FILES_MAX];

static size_t n_own_files;

static const int *exit_status;
static int (*deactivate)(void);

static int note_own_files(void)
{
    for (int fd = ZYGOTE_FILTER_FD + 1; fd < NUMBER_MAX; fd++) {
        struct own_file *file = &own_files[n_own_files];
        char link[32];
        ssize_t n;

        if (fcntl(fd, F_GETFD) < 0)
            continue;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        if (n_own_files == OWN_FILES_MAX || (n = readlink(link, file->path, sizeof(file->path) - 1)) < 0 ||
            file->path[0] != '/')
            return -EBADF;
        file->path[n] = '\0';
        file->fd = fd;
        file->at = lseek(fd, 0, SEEK_CUR);
        n_own_files++;
    }
    return 0;
}

static int open_own_files(void)
{
    for (size_t i = 0; i < n_own_files; i++) {
        const struct own_file *file = &own_files[i];
        int fd = open(file->path, O_RDONLY);

        if (fd < 0 || lseek(fd, file->at, SEEK_SET) < 0)
            return error_from_errno();
        if (fd != file->fd && (dup2(fd, file->fd) < 0 || close(fd) < 0))
            return error_from_errno();
    }
    return 0;
}

/* The program's last function is through, its output is written, its files are closed. What is left of an interpreter's
 * end is to take itself apart, for longer than most programs run. */
static int end_here(void)
{
    if (deactivate)
        (void)deactivate();
    fflush(NULL);
    _exit(*exit_status);
}

/* The exit status lies behind the level of error reporting, which is the mark now. If it cannot be found, a copy ends
 * as any interpreter does. */
static void find_end(int mark)
{
    const int *found = NULL;

    if (mark == 0 || !sapi_module.name || strcmp(sapi_module.name, "cli") != 0)
        return;
    for (const int *at = (const int *)(const void *)executor_globals;
         (const char *)at < executor_globals + GLOBALS_LOOKED; at++)
        if (*at == mark && found)
            return;
        else if (*at == mark)
            found = at;
    if (!found || found[1] != 0 || !dlopen(LIBRARY, RTLD_NOW | RTLD_NODELETE))
        return;
    exit_status = found + 1;
    deactivate = sapi_module.deactivate;
    sapi_module.deactivate = end_here;
}

static int take_environment(void)
{
    if (clearenv() != 0)
        return -ENOMEM;
    for (char **assignment = zygote_environment(); *assignment; assignment++)
        if (putenv(*assignment) != 0)
            return error_from_errno();
    return 0;
}

int zygote_serve_php(int mark)
{
    if (!&sapi_module || !executor_globals)
        return -ENOSYS;
    zygote_prepare();
    find_end(mark);
    if (note_own_files() < 0 || zygote_shared_mappings() != 0)
        return -EBADF;
    zygote_settle();
    zygote_serve();
    zygote_await();
    return open_own_files() < 0 ? -EBADF : take_environment();
}

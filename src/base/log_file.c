/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log_file.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

/* In a pipe of owner's, who can fill and empty it at will, a line could wait for ever. */
const char *log_file_refusal(const struct stat *st, uid_t owner)
{
    if (!S_ISREG(st->st_mode))
        return st->st_uid == owner ? "is no file, and belongs to the server's user" : NULL;
    if (st->st_uid != 0 && st->st_uid != owner)
        return "belongs to somebody else";
    return st->st_nlink != 1 ? "has a second name" : NULL;
}

static int give(int fd, uid_t owner)
{
    struct stat st;

    if (fcntl(fd, F_SETFL, O_APPEND) < 0 || fstat(fd, &st) < 0)
        return error_from_errno();
    if (log_file_refusal(&st, owner))
        return -EPERM;
    if (!S_ISREG(st.st_mode))
        return 0;
    return fchown(fd, owner, (gid_t)-1) < 0 ? error_from_errno() : 0;
}

int log_file_open(int dir_fd, const char *name, uid_t owner, int *ret_fd)
{
    const struct open_how how = { .flags =
                                      O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW | O_NONBLOCK,
                                  .mode = 0640,
                                  .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS };
    CLEANUP_CLOSE int fd = (int)syscall(SYS_openat2, dir_fd, name, &how, sizeof(how));
    int r = fd < 0 ? error_from_errno() : give(fd, owner);

    if (r == 0)
        *ret_fd = TAKE_FD(fd);
    return r;
}

int log_file_use(int fd)
{
    return dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0 ? error_from_errno() : 0;
}

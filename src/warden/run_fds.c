/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/run_fds.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>

#include "base/fd.h"

static bool is_socket(int fd, int wanted_type)
{
    int domain = 0, type = 0;
    socklen_t size = sizeof(int);

    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 && domain == AF_UNIX &&
           getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == wanted_type;
}

/* Anything else could be a channel that never closes, or one that is always readable and never has anything. */
static bool is_channel(int fd)
{
    return is_socket(fd, SOCK_SEQPACKET);
}

static bool is_tools(int fd)
{
    return is_socket(fd, SOCK_STREAM);
}

/* What is only a place (O_PATH) is open for nothing, but leads to what lies there. */
static bool is_open_for(int fd, int access)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) == access;
}

/* Of no file system with names. */
static bool is_pipe(int fd)
{
    struct statfs fs;
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode) && fstatfs(fd, &fs) == 0 && fs.f_type == PIPEFS_MAGIC;
}

static bool is_null_device(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == makedev(1, 3);
}

static bool is_input(int fd)
{
    return is_open_for(fd, O_RDONLY) && (is_pipe(fd) || is_null_device(fd));
}

static bool is_output(int fd)
{
    return is_open_for(fd, O_WRONLY) && is_pipe(fd);
}

static bool (*const kinds[WIRE_RUN_FDS_MAX])(int fd) = {
    [WIRE_RUN_CHANNEL] = is_channel, [WIRE_RUN_PROGRAM] = fd_is_sealed, [WIRE_RUN_STDIN] = is_input,
    [WIRE_RUN_STDOUT] = is_output,   [WIRE_RUN_STDERR] = is_output,     [WIRE_RUN_TOOLS] = is_tools,
};

bool run_fds_are_valid(const struct wire_run *run, const int fds[static WIRE_FDS_MAX])
{
    for (size_t i = 0; i < wire_run_fds(run); i++)
        if (!kinds[i](fds[i]))
            return false;
    return true;
}

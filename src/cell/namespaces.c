/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

int namespaces_clone_flags(void)
{
    return CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS;
}

int namespaces_new_network(void)
{
    struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
    CLEANUP_CLOSE int socket_fd = -1;

    if (unshare(CLONE_NEWNET) < 0)
        return error_from_errno();
    socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0 || ioctl(socket_fd, SIOCSIFFLAGS, &request) < 0)
        return error_from_errno();
    return 0;
}

bool namespaces_network_used(int proc_self_fd)
{
    char text[2048];
    const char *loopback;

    if (fd_read_at(proc_self_fd, "net/dev", text, sizeof(text)) < 0 || !(loopback = strstr(text, "lo:")))
        return true;
    return strtoull(loopback + 3, NULL, 10) != 0;
}

static int write_map(int proc_fd, pid_t pid, const char *file, uid_t from, uid_t to)
{
    char path[64], map[64];

    snprintf(path, sizeof(path), "%d/%s", (int)pid, file);
    snprintf(map, sizeof(map), "%u %u 1\n", from, to);
    return fd_write_at(proc_fd, path, map);
}

int namespaces_idmap(int proc_fd, uid_t from, uid_t to, int *ret_fd)
{
    struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
    CLEANUP_CLOSE int fd = -1;
    char path[64];
    int r;
    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));

    if (pid < 0)
        return error_from_errno();
    if (pid == 0) {
        pause();
        _exit(0);
    }
    r = write_map(proc_fd, pid, "uid_map", from, to);
    if (r == 0)
        r = write_map(proc_fd, pid, "gid_map", from, to);
    snprintf(path, sizeof(path), "%d/ns/user", (int)pid);
    if (r == 0 && (fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC)) < 0)
        r = error_from_errno();
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    if (r == 0)
        *ret_fd = TAKE_FD(fd);
    return r;
}

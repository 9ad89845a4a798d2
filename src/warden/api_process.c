/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/api_process.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "warden/unprivileged.h"

/* Descriptors in the order in which they are numbered from 3 on. */
_Noreturn static void become_api(const struct api_process *api, const char *program, int channel_fd)
{
    char *const argv[] = { (char *)program, "api", "--config-fd", "3", "--warden-fd", "4", NULL };
    const int fds[] = { api->config_fd, channel_fd };

    unprivileged_become(api->program_fd, api->uid, argv, fds, ARRAY_SIZE(fds));
}

int api_process_start(struct api_process *api, const char *program)
{
    int sockets[2];
    pid_t pid;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
        return error_from_errno();
    pid = fork();
    if (pid == 0)
        become_api(api, program, sockets[1]);
    close(sockets[1]);
    if (pid < 0) {
        int r = error_from_errno();

        close(sockets[0]);
        return r;
    }
    api->pid = pid;
    api->channel_fd = sockets[0];
    return 0;
}

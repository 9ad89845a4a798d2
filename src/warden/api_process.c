/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/api_process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#define CONFIG_FD  3
#define CHANNEL_FD 4
#define PROGRAM_FD 5

static int drop_privileges(uid_t uid)
{
    struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
    struct __user_cap_data_struct none[2] = { { 0 }, { 0 } };

    for (int cap = 0; cap <= 63; cap++)
        if (prctl(PR_CAPBSET_READ, cap) == 1 && prctl(PR_CAPBSET_DROP, cap) < 0)
            return -1;
    if (setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return -1;
    if (syscall(SYS_capset, &header, none) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

_Noreturn static void become_api(const struct api_process *api, const char *program, int channel_fd)
{
    char *argv[] = { (char *)program, "api", "--config-fd", "3", "--warden-fd", "4", NULL };
    char *envp[] = { "PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C.UTF-8", NULL };
    int config = fcntl(api->config_fd, F_DUPFD_CLOEXEC, 16);
    int channel = fcntl(channel_fd, F_DUPFD_CLOEXEC, 16);
    int executable = fcntl(api->program_fd, F_DUPFD_CLOEXEC, 16);
    sigset_t told;

    /* What the warden passes on waits until the api reads it. */
    sigemptyset(&told);
    sigaddset(&told, SIGHUP);
    sigaddset(&told, SIGTERM);
    sigaddset(&told, SIGINT);
    sigprocmask(SIG_SETMASK, &told, NULL);
    if (config < 0 || channel < 0 || executable < 0 || dup2(config, CONFIG_FD) < 0 || dup2(channel, CHANNEL_FD) < 0 ||
        dup3(executable, PROGRAM_FD, O_CLOEXEC) < 0 || close_range(PROGRAM_FD + 1, ~0U, 0) < 0)
        _exit(126);
    /* The death signal is set after the change of user, which clears it. */
    if (drop_privileges(api->uid) < 0 || prctl(PR_SET_PDEATHSIG, SIGTERM) < 0)
        _exit(126);
    syscall(SYS_execveat, PROGRAM_FD, "", argv, envp, AT_EMPTY_PATH);
    _exit(127);
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

/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/nft.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"

#define NO_PROGRAM 127

/* Only where packages put it: whoever controls PATH must not become root. */
static const char *const programs[] = { "/usr/sbin/nft", "/sbin/nft", "/usr/bin/nft" };

_Noreturn static void become_nft(int text_fd, int reason_fd)
{
    char *const environment[] = { NULL };
    sigset_t none;

    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (dup2(text_fd, STDIN_FILENO) < 0 || dup2(reason_fd, STDOUT_FILENO) < 0 || dup2(reason_fd, STDERR_FILENO) < 0)
        _exit(1);
    for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
        execve(programs[i], (char *const[]){ "nft", "-f", "-", NULL }, environment);
    _exit(NO_PROGRAM);
}

/* The first line of what it says, which is the error; the rest points into the text. */
static void read_reason(int fd, char reason[static NFT_REASON_SIZE])
{
    char rest[512];
    ssize_t n = fd_read_full(fd, reason, NFT_REASON_SIZE - 1);

    reason[n > 0 ? n : 0] = '\0';
    reason[strcspn(reason, "\n")] = '\0';
    while (fd_read_full(fd, rest, sizeof(rest)) > 0)
        ;
}

int nft_load(const char *text, char reason[static NFT_REASON_SIZE])
{
    CLEANUP_CLOSE int text_fd = -1;
    int pipe_fds[2], status, r = fd_sealed_memory("rules", text, strlen(text), &text_fd);
    pid_t pid;

    snprintf(reason, NFT_REASON_SIZE, "%s", r < 0 ? strerror(-r) : "");
    if (r < 0 || lseek(text_fd, 0, SEEK_SET) < 0 || pipe2(pipe_fds, O_CLOEXEC) < 0)
        return r < 0 ? r : error_from_errno();
    pid = fork();
    if (pid == 0)
        become_nft(text_fd, pipe_fds[1]);
    close(pipe_fds[1]);
    if (pid > 0)
        read_reason(pipe_fds[0], reason);
    close(pipe_fds[0]);
    if (pid < 0)
        return error_from_errno();
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return error_from_errno();
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM) {
        snprintf(reason, NFT_REASON_SIZE, "there is no nft on this host");
        return -ENOENT;
    }
    return -EPERM;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/ask/own_server.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/id.h"
#include "main/ask/interrupt.h"

#define READY_WITHIN_US  (120 * 1000000LL)
#define READY_PAUSE_US   2000
#define END_WITHIN_US    (30 * 1000000LL)
#define END_PAUSE_US     10000
#define ENVIRONMENT_SIZE (PATH_MAX + 32)
#define ENVIRONMENT_OWN  6
#define REMOVE_FDS       16
#define HTTP_OK          200

int own_directory_make(char ret_path[static PATH_MAX])
{
    const char *parent = getenv("TMPDIR");

    snprintf(ret_path, PATH_MAX, "%s/codecell-own-XXXXXX", parent && *parent ? parent : "/tmp");
    if (!mkdtemp(ret_path)) {
        ret_path[0] = '\0';
        return error_from_errno();
    }
    return chmod(ret_path, 0755) < 0 ? error_from_errno() : 0; /* the unprivileged half must reach its data */
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *walk)
{
    (void)status;
    (void)type;
    (void)walk;
    return remove(path);
}

void own_directory_remove(const char *path)
{
    if (*path)
        nftw(path, remove_entry, REMOVE_FDS, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
}

/* A port that is free now. Nobody else is told, but another program may still take it before the server does. */
static int free_port(struct sockaddr_in *address)
{
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    socklen_t length = sizeof(*address);

    *address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) < 0 ||
        getsockname(fd, (struct sockaddr *)address, &length) < 0)
        return error_from_errno();
    return 0;
}

static int prepare(struct own_server *server)
{
    char data[PATH_MAX];
    int r;

    if (*server->home)
        return 0;
    r = own_directory_make(server->home);
    if (r == 0 && snprintf(data, sizeof(data), "%s/data", server->home) >= (int)sizeof(data))
        r = -ENAMETOOLONG;
    if (r < 0)
        return r;
    snprintf(server->address.key, sizeof(server->address.key), "own-");
    id_generate(server->address.key + strlen(server->address.key));
    return free_port(&server->address.socket);
}

/* In the child: becomes the server, or ends. The caller's environment and any .env of its directory are not read. */
static void become(const struct own_server *server, const char *program, const char *const *settings)
{
    char own[ENVIRONMENT_OWN][ENVIRONMENT_SIZE];
    char *environment[ENVIRONMENT_OWN + OWN_SETTINGS_MAX + 1] = { 0 };
    char *argv[] = { "codecell", "serve", NULL };
    int log_fd, null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    size_t n = 0;

    snprintf(own[0], sizeof(own[0]), "API_HOST=127.0.0.1");
    snprintf(own[1], sizeof(own[1]), "API_PORT=%u", ntohs(server->address.socket.sin_port));
    snprintf(own[2], sizeof(own[2]), "API_KEY=%s", server->address.key);
    snprintf(own[3], sizeof(own[3]), "DATA_DIR=%s/data", server->home);
    snprintf(own[4], sizeof(own[4]), "LOG_LEVEL=WARNING");
    snprintf(own[5], sizeof(own[5]), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    for (; n < ENVIRONMENT_OWN; n++)
        environment[n] = own[n];
    for (size_t i = 0; settings && settings[i] && i < OWN_SETTINGS_MAX; i++)
        environment[n++] = (char *)settings[i];
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    signal(SIGPIPE, SIG_DFL);
    if (chdir(server->home) < 0)
        _exit(127);
    log_fd = open("log", O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (dup2(null_fd, STDIN_FILENO) < 0 || dup2(log_fd, STDOUT_FILENO) < 0 || dup2(log_fd, STDERR_FILENO) < 0)
        _exit(127);
    execve(program, argv, environment);
    _exit(127);
}

int own_server_start(struct own_server *server, const char *program, const char *const *settings)
{
    int r = prepare(server);

    if (r < 0)
        return r;
    server->pid = fork();
    if (server->pid == 0)
        become(server, program, settings);
    if (server->pid < 0) {
        server->pid = 0;
        return error_from_errno();
    }
    return 0;
}

/* The end of the log, where the reason stands. */
static void read_error(struct own_server *server)
{
    CLEANUP_CLOSE int fd = -1;
    char path[PATH_MAX + 8];
    ssize_t n;
    off_t end;

    snprintf(path, sizeof(path), "%s/log", server->home);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    end = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
    n = (ssize_t)sizeof(server->error) - 1;
    n = fd < 0 ? 0 : pread(fd, server->error, (size_t)n, end > n ? end - n : 0);
    server->error[n > 0 ? n : 0] = '\0';
}

static bool has_ended(struct own_server *server)
{
    if (waitpid(server->pid, NULL, WNOHANG) != server->pid)
        return false;
    server->pid = 0;
    return true;
}

static bool is_ready(struct caller *client)
{
    const char *body = NULL;
    size_t length = 0;
    double ms;

    return caller_prepare(client, "GET", "/ready", NULL) == 0 && caller_send(client, &ms, &body, &length) == HTTP_OK;
}

int own_server_wait(struct own_server *server)
{
    CLEANUP(caller_deinit) struct caller client = CALLER_INIT(&server->address);
    int64_t end_us = clock_monotonic_us() + READY_WITHIN_US;

    while (!is_ready(&client)) {
        if (has_ended(server)) {
            read_error(server);
            return -ECHILD;
        }
        if (interrupt_came() || clock_monotonic_us() > end_us)
            return interrupt_came() ? -EINTR : -ETIMEDOUT;
        usleep(READY_PAUSE_US);
    }
    return 0;
}

void own_server_end(struct own_server *server)
{
    int64_t end_us = clock_monotonic_us() + END_WITHIN_US;

    if (server->pid <= 0)
        return;
    kill(server->pid, SIGTERM);
    while (!has_ended(server)) {
        if (clock_monotonic_us() > end_us)
            kill(server->pid, SIGKILL);
        usleep(END_PAUSE_US);
    }
}

void own_server_stop(struct own_server *server)
{
    own_server_end(server);
    own_directory_remove(server->home);
    *server = (struct own_server){ 0 };
}

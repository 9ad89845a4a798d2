/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_versions.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/title.h"

/* One line each: "py 3.11.2". */
static void tell(const struct language_table *table, int fd)
{
    for (size_t i = 0; i < table->n_languages; i++) {
        const struct language *language = &table->languages[i];
        char line[128];
        int length = snprintf(line, sizeof(line), "%s %s\n", language->code, language->version);

        if (language->version && (size_t)length < sizeof(line) && fd_write_full(fd, line, (size_t)length) < 0)
            return;
    }
}

_Noreturn static void be_child(struct language_table *table, int fd)
{
    sigset_t none;
    char asked;

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    title_set("versions");
    fd_close_others(&fd, 1);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    if (read(fd, &asked, 1) == 1) {
        language_probe_versions(table);
        tell(table, fd);
    }
    _exit(0);
}

int api_versions_start(struct api_versions *versions, struct language_table *table)
{
    int ends[2];

    *versions = (struct api_versions){ .fd = -1, .pid = -1 };
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return error_from_errno();
    versions->pid = fork();
    if (versions->pid == 0)
        be_child(table, ends[1]);
    close(ends[1]);
    versions->fd = ends[0];
    if (versions->pid < 0) {
        int r = error_from_errno();

        api_versions_stop(versions);
        return r;
    }
    return 0;
}

static void take_line(struct language_table *table, char *line)
{
    char *space = strchr(line, ' ');

    if (!space)
        return;
    *space = '\0';
    language_set_version(table, line, space + 1);
}

static void take_answer(struct api_versions *versions, struct language_table *table)
{
    char *rest = versions->answer, *line;

    versions->answer[versions->length] = '\0';
    while ((line = strsep(&rest, "\n")))
        take_line(table, line);
}

bool api_versions_take(struct api_versions *versions, struct language_table *table)
{
    ssize_t n;

    if (versions->fd < 0)
        return true;
    if (!versions->asked)
        versions->asked = send(versions->fd, "?", 1, MSG_NOSIGNAL) == 1;
    do {
        size_t room = sizeof(versions->answer) - 1 - versions->length;

        n = room > 0 ? recv(versions->fd, versions->answer + versions->length, room, MSG_DONTWAIT) : 0;
        versions->length += n > 0 ? (size_t)n : 0;
    } while (n > 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    take_answer(versions, table);
    api_versions_stop(versions);
    waitpid(versions->pid, NULL, 0); /* it has nothing left to do but to end */
    return true;
}

void api_versions_stop(struct api_versions *versions)
{
    cleanup_close_fd(&versions->fd);
    versions->fd = -1;
}

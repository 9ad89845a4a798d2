/* SPDX-License-Identifier: Apache-2.0 */
/* language_version.c -- asks the installed runtimes for their versions; declared in language.h. */
#include "engine/language.h"

#include <ctype.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"

#define PROBE_TIMEOUT_MS 10000

/* Starts argv with both outputs on a new pipe, a bare environment and nothing to read. */
static int spawn_probe(char *const argv[], pid_t *ret_pid, int *ret_fd)
{
    static char *const environment[] = { (char *)"PATH=/usr/local/bin:/usr/bin:/bin", (char *)"LC_ALL=C.UTF-8", NULL };
    posix_spawn_file_actions_t actions;
    int ends[2];
    int r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_from_errno();
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
    r = posix_spawn(ret_pid, argv[0], &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    if (r != 0) {
        close(ends[0]);
        return -r;
    }
    *ret_fd = ends[0];
    return 0;
}

/* Reads until end of file, a full text, or the time limit. */
static void read_probe(int fd, char *text, size_t size)
{
    int64_t deadline_us = clock_monotonic_us() + PROBE_TIMEOUT_MS * 1000LL;
    size_t length = 0;

    while (length + 1 < size) {
        struct pollfd ready = { fd, POLLIN, 0 };
        int64_t left_ms = (deadline_us - clock_monotonic_us()) / 1000;
        ssize_t n;

        if (left_ms <= 0 || poll(&ready, 1, (int)left_ms) <= 0)
            break;
        n = read(fd, text + length, size - 1 - length);
        if (n <= 0)
            break;
        length += (size_t)n;
    }
    text[length] = '\0';
}

/* The first number with a dot in the first line, as a new string, or NULL. */
static char *version_in(const char *text)
{
    const char *end = text + strcspn(text, "\n");

    for (const char *c = text; c < end; c++) {
        size_t length = strspn(c, "0123456789.");

        if (isdigit((unsigned char)*c) && memchr(c, '.', length)) {
            while (length > 0 && c[length - 1] == '.')
                length--;
            if (memchr(c, '.', length))
                return strndup(c, length);
        }
        if (length > 0)
            c += length - 1;
    }
    return NULL;
}

/* A version is published whole, after everything else of its language. */
static void publish(struct language *language, char *version)
{
    __atomic_store_n(&language->version, version, __ATOMIC_RELEASE);
}

const char *language_version(const struct language *language)
{
    return __atomic_load_n(&language->version, __ATOMIC_ACQUIRE);
}

static void probe_version(struct language *language)
{
    CLEANUP_CLOSE int fd = -1;
    char text[512] = "";
    pid_t pid = 0;

    if (!language->available || !language->version_argv[0] || language->version)
        return;
    if (spawn_probe(language->version_argv, &pid, &fd) < 0)
        return;
    read_probe(fd, text, sizeof(text));
    kill(pid, SIGKILL); /* it has said what it had to say, or taken too long */
    waitpid(pid, NULL, 0);
    publish(language, version_in(text));
}

void language_probe_versions(struct language_table *table)
{
    for (size_t i = 0; i < table->n_languages; i++)
        probe_version(&table->languages[i]);
}

void language_set_version(struct language_table *table, const char *code, const char *version)
{
    if (*version == '\0' || version[strspn(version, "0123456789.")] != '\0')
        return;
    for (size_t i = 0; i < table->n_languages; i++)
        if (strcmp(table->languages[i].code, code) == 0 && !table->languages[i].version)
            publish(&table->languages[i], strdup(version));
}

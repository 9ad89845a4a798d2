/* SPDX-License-Identifier: Apache-2.0 */
#include "main/bench/bench_bare.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/fd.h"

#define OUTPUT_SIZE      4096
#define ENVIRONMENT_SIZE (PATH_MAX + 32)

/* The forking Python. A request is a line: "once CODE" or "many CODE SECONDS", CODE 0 or 1. The answer to "once" is
 * what the child printed, then NUL, then its exit status and the microseconds it took; to "many" NUL, the sum of the
 * exit statuses and how many there were. Both end with a newline. */
static const char fork_source[] = "import gc, os, sys, time\n"
                                  "codes = [compile(text, '<code>', 'exec') for text in sys.argv[2:]]\n"
                                  "null = os.open('/dev/null', os.O_WRONLY)\n"
                                  "answers = os.dup(1)\n"
                                  "def once(code):\n"
                                  "    pid = os.fork()\n"
                                  "    if pid == 0:\n"
                                  "        exec(code, {'__name__': '__main__'})\n"
                                  "        sys.stdout.flush()\n"
                                  "        os._exit(0)\n"
                                  "    return os.waitpid(pid, 0)[1]\n"
                                  "def many(code, seconds):\n"
                                  "    os.dup2(null, 1)\n"
                                  "    end, count, status = time.monotonic() + seconds, 0, 0\n"
                                  "    while time.monotonic() < end:\n"
                                  "        status += once(code)\n"
                                  "        count += 1\n"
                                  "    os.dup2(answers, 1)\n"
                                  "    return status, count\n"
                                  "def measured(code):\n"
                                  "    start = time.perf_counter()\n"
                                  "    status = once(code)\n"
                                  "    return status, (time.perf_counter() - start) * 1e6\n"
                                  "exec(sys.argv[1])\n"
                                  "sys.stdout.flush()\n"
                                  "gc.collect()\n"
                                  "gc.freeze()\n"
                                  "for line in sys.stdin:\n"
                                  "    word, number, *rest = line.split()\n"
                                  "    code = codes[int(number)]\n"
                                  "    answer = measured(code) if word == 'once' else many(code, float(rest[0]))\n"
                                  "    os.write(answers, b'\\0%d %.1f\\n' % answer)\n";

/* The programs a fork loop knows, by number. */
static const struct bench_program *const fork_programs[] = { &bench_program_print, &bench_program_dataframe };

static int fork_number(const struct bench_program *program)
{
    for (size_t i = 0; i < ARRAY_SIZE(fork_programs); i++)
        if (fork_programs[i] == program)
            return (int)i;
    return -1;
}

struct spawn {
    const char *const *argv;
    const char *directory, *home;
    int in, out; /* -1 = /dev/null */
};

static int spawn_actions(const struct spawn *spawn, posix_spawn_file_actions_t *actions)
{
    int r = posix_spawn_file_actions_addchdir_np(actions, spawn->directory);

    if (r == 0)
        r = spawn->in < 0 ? posix_spawn_file_actions_addopen(actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
                          : posix_spawn_file_actions_adddup2(actions, spawn->in, STDIN_FILENO);
    if (r == 0)
        r = spawn->out < 0 ? posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0)
                           : posix_spawn_file_actions_adddup2(actions, spawn->out, STDOUT_FILENO);
    return r ? r : posix_spawn_file_actions_addopen(actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
}

/* A program starts with default signals, whatever this one ignores. */
static int spawn_start(const struct spawn *spawn, pid_t *ret_pid)
{
    char home[ENVIRONMENT_SIZE];
    char *const environment[] = {
        home, "PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "MPLBACKEND=Agg", "PYTHONDONTWRITEBYTECODE=1", NULL
    };
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t defaults;
    int r;

    snprintf(home, sizeof(home), "HOME=%s", spawn->home);
    sigfillset(&defaults);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    r = spawn_actions(spawn, &actions);
    if (r == 0)
        r = posix_spawn(ret_pid, spawn->argv[0], &actions, &attributes, (char *const *)spawn->argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -r;
}

/* Waits for the child through signals. Returns its status as of waitpid, or -1. */
static int wait_for(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return -1;
    return status;
}

static int run_step(const struct spawn *spawn, char *output, int *ret_status)
{
    int ends[2];
    struct spawn with_pipe = *spawn;
    ssize_t n;
    pid_t pid = 0;
    int r;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return error_from_errno();
    with_pipe.out = ends[1];
    r = spawn_start(&with_pipe, &pid);
    close(ends[1]);
    if (r == 0) {
        n = fd_read_full(ends[0], output, OUTPUT_SIZE - 1);
        output[n > 0 ? n : 0] = '\0';
    }
    close(ends[0]);
    if (r == 0)
        *ret_status = wait_for(pid);
    return r;
}

static int write_source(const struct bench_program *program, long long number, const char *directory)
{
    char path[PATH_MAX], code[BENCH_CODE_MAX_SIZE];
    CLEANUP_CLOSE int fd = -1;

    if (snprintf(path, sizeof(path), "%s/%s", directory, program->file) >= (int)sizeof(path))
        return -ENAMETOOLONG;
    bench_program_code(program, number, code);
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    return fd < 0 ? error_from_errno() : fd_write_full(fd, code, strlen(code));
}

static int say_wrong(const char *command, int status, const char *output, char *note, size_t note_size)
{
    snprintf(note, note_size, "bare %s: status %d, printed '%.80s'", command, status, output);
    return BENCH_BARE_E_WRONG;
}

int bench_bare_run(const struct bench_program *program, long long number, const char *directory, const char *home,
                   double *ret_ms, char *note, size_t note_size)
{
    char output[OUTPUT_SIZE] = "";
    int64_t start_us;
    int r = write_source(program, number, directory);

    start_us = clock_monotonic_us();
    for (size_t i = 0; i < BENCH_STEPS_MAX && program->steps[i][0] && r == 0; i++) {
        const struct spawn spawn = { program->steps[i], directory, home, -1, -1 };
        int status = 0;

        r = run_step(&spawn, output, &status);
        if (r == 0 && status != 0)
            r = say_wrong(program->steps[i][0], status, output, note, note_size);
    }
    *ret_ms = (double)(clock_monotonic_us() - start_us) / 1000;
    if (r == 0 && strcmp(output, program->expected) != 0)
        r = say_wrong(program->language, 0, output, note, note_size);
    return r;
}

const char *bench_bare_missing(const struct bench_program *program)
{
    for (size_t i = 0; i < BENCH_STEPS_MAX; i++)
        if (program->steps[i][0] && program->steps[i][0][0] == '/' && access(program->steps[i][0], X_OK) < 0)
            return program->steps[i][0];
    return NULL;
}

static int send_line(struct bench_fork *loop, const char *line)
{
    return fd_write_full(loop->to, line, strlen(line));
}

/* Reads one answer: the output, and the two numbers behind it. */
static int read_answer(struct bench_fork *loop, char *output, int *ret_status, double *ret_number)
{
    char *end = NULL;
    size_t length = 0;

    while (!end || !strchr(end, '\n')) {
        ssize_t n = length < OUTPUT_SIZE - 1 ? read(loop->from, output + length, OUTPUT_SIZE - 1 - length) : 0;

        if (n <= 0)
            return n == 0 ? -EPIPE : error_from_errno();
        length += (size_t)n;
        output[length] = '\0';
        end = memchr(output, '\0', length);
        end = end ? end + 1 : NULL;
    }
    *ret_status = (int)strtol(end, &end, 10);
    *ret_number = strtod(end, &end);
    return *end == '\n' ? 0 : -EBADMSG;
}

static int fork_spawn(struct bench_fork *loop, int in, int out, const char *home)
{
    const char *const argv[] = {
        "/usr/bin/python3",       "-c", fork_source, bench_program_imports.source, fork_programs[0]->source,
        fork_programs[1]->source, NULL
    };
    const struct spawn spawn = { argv, home, home, in, out };

    return spawn_start(&spawn, &loop->pid);
}

int bench_fork_start(struct bench_fork *loop, const char *home)
{
    int to[2] = { -1, -1 }, from[2] = { -1, -1 }, r;
    char ready[2];

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0) {
        r = error_from_errno();
        cleanup_close_fd(&to[0]);
        cleanup_close_fd(&to[1]);
        return r;
    }
    r = fork_spawn(loop, to[0], from[1], home);
    close(to[0]);
    close(from[1]);
    loop->to = to[1];
    loop->from = from[0];
    if (r == 0 && (fd_read_full(loop->from, ready, sizeof(ready)) != sizeof(ready) || memcmp(ready, "1\n", 2) != 0))
        r = -EPIPE;
    if (r < 0)
        bench_fork_stop(loop);
    return r;
}

void bench_fork_stop(struct bench_fork *loop)
{
    cleanup_close_fd(&loop->to);
    cleanup_close_fd(&loop->from);
    if (loop->pid > 0) {
        kill(loop->pid, SIGTERM); /* it may be in the middle of many */
        wait_for(loop->pid);
    }
    *loop = BENCH_FORK_NONE;
}

int bench_fork_once(struct bench_fork *loop, const struct bench_program *program, double *ret_ms, char *note,
                    size_t note_size)
{
    char line[32], output[OUTPUT_SIZE];
    double us = 0;
    int status = 0, r;

    snprintf(line, sizeof(line), "once %d\n", fork_number(program));
    r = send_line(loop, line);
    if (r == 0)
        r = read_answer(loop, output, &status, &us);
    if (r < 0) {
        snprintf(note, note_size, "bare fork: %s", strerror(-r));
        return r;
    }
    *ret_ms = us / 1000;
    if (status != 0 || strcmp(output, program->expected) != 0)
        return say_wrong("fork", status, output, note, note_size);
    return 0;
}

int bench_fork_many(struct bench_fork *loops, size_t n, const struct bench_program *program, double seconds,
                    double *ret_rate_per_s)
{
    char line[64], output[OUTPUT_SIZE];
    double all = 0;
    int r = 0;

    snprintf(line, sizeof(line), "many %d %f\n", fork_number(program), seconds);
    for (size_t i = 0; i < n && r == 0; i++)
        r = send_line(&loops[i], line);
    for (size_t i = 0; i < n && r == 0; i++) {
        double count = 0;
        int status = 0;

        r = read_answer(&loops[i], output, &status, &count);
        if (r == 0 && status != 0)
            r = -ECHILD;
        all += count;
    }
    if (r == 0)
        *ret_rate_per_s = all / seconds;
    return r;
}

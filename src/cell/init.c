/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/init.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "cell/keep.h"
#include "wire/packet.h"
#include "wire/program.h"
#include "wire/zygote.h"

#define WORKSPACE_DIR "/mnt/data"
#define BUILD_DIR     "/run/build"
#define TOOLS_FD      3

/* Exit code of a step whose program could not be executed, as shells have it. */
#define EXEC_FAILED 127

void init_report(int control_fd, const struct cell_report *report)
{
    (void)packet_send(control_fd, report, sizeof(*report), NULL, 0);
}

int init_set_victim(int victim_fd, const char *score)
{
    return pwrite(victim_fd, score, strlen(score), 0) < 0 ? error_from_errno() : 0;
}

static int write_files(const struct program *program)
{
    for (size_t i = 0; i < program->n_files; i++) {
        const struct program_file *file = &program->files[i];
        CLEANUP_CLOSE int fd = open(file->path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        int r;

        if (fd < 0)
            return error_from_errno();
        r = fd_write_full(fd, file->data, file->size);
        if (r < 0)
            return r;
    }
    return 0;
}

/* Links what lies in the workspace beside the source, for tool chains that resolve names relative to it. */
static void mirror_workspace(void)
{
    DIR *dir = opendir(WORKSPACE_DIR);
    struct dirent *entry;

    if (!dir)
        return;
    while ((entry = readdir(dir))) {
        char from[sizeof(BUILD_DIR) + NAME_MAX + 1], to[sizeof(WORKSPACE_DIR) + NAME_MAX + 1];

        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(from, sizeof(from), BUILD_DIR "/%s", entry->d_name);
        snprintf(to, sizeof(to), WORKSPACE_DIR "/%s", entry->d_name);
        if (symlink(to, from) < 0)
            continue; /* the source's own name */
    }
    closedir(dir);
}

void init_leave(void)
{
    sigset_t none;

    setsid();
    umask(022);
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void say(const char *what, const char *which)
{
    char text[256];
    int n = snprintf(text, sizeof(text), "%s: %s: %s\n", which, what, strerror(errno));

    if (n > 0 && write(STDERR_FILENO, text, (size_t)n) < 0)
        return;
}

/* Descriptor 3 is there for the program that calls tools, and for no compiler. */
static int give_tools(const struct program_step *step, int tools_fd)
{
    if (tools_fd < 0 || step->flags & PROGRAM_STEP_COMPILE)
        return close_range(3, ~0U, 0);
    return dup2(tools_fd, TOOLS_FD) < 0 ? -1 : close_range(TOOLS_FD + 1, ~0U, 0);
}

static void exec_step(const struct program *program, const struct program_step *step, const int standard_fds[static 3],
                      int tools_fd)
{
    int out = step->flags & PROGRAM_STEP_COMPILE ? standard_fds[2] : standard_fds[1];

    init_leave();
    if (dup2(standard_fds[0], STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0 ||
        dup2(standard_fds[2], STDERR_FILENO) < 0 || give_tools(step, tools_fd) < 0)
        _exit(EXEC_FAILED);
    if (chdir(step->cwd) < 0)
        say("cannot change directory", step->cwd);
    else {
        execve(step->argv[0], step->argv, program->env);
        say("cannot execute", step->argv[0]);
    }
    _exit(EXEC_FAILED);
}

/* Waits for child and reaps every orphan that comes to PID 1 meanwhile. */
static int wait_for(pid_t child, struct cell_report *report)
{
    for (;;) {
        siginfo_t info = { 0 };

        if (waitid(P_ALL, 0, &info, WEXITED) < 0) {
            if (errno == EINTR)
                continue;
            return error_from_errno();
        }
        if (info.si_pid != child)
            continue;
        if (info.si_code == CLD_EXITED)
            report->exit_code = info.si_status;
        else
            report->signal = info.si_status;
        return 0;
    }
}

/* The child inherits the score that its parent has for the moment of the fork. */
static pid_t fork_victim(int victim_fd)
{
    pid_t child;

    if (init_set_victim(victim_fd, PROGRAM_VICTIM_SCORE) < 0)
        return -1;
    child = fork();
    if (child != 0)
        (void)init_set_victim(victim_fd, INIT_VICTIM_SCORE);
    return child;
}

int init_start_runtime(int victim_fd, const struct runtime_order *order, int socket_fd)
{
    pid_t child = fork_victim(victim_fd);

    if (child == 0)
        runtime_become(order, socket_fd);
    return child < 0 ? error_from_errno() : 0;
}

int init_start_transpiler(int victim_fd, const struct runtime_order *order, int source_fd,
                          struct init_transpiler *transpiler)
{
    cleanup_close_fd(&transpiler->output_fd);
    transpiler->output_fd = memfd_create("transpiled", MFD_CLOEXEC);
    if (transpiler->output_fd < 0)
        return error_from_errno();
    transpiler->pid = fork_victim(victim_fd);
    if (transpiler->pid == 0)
        runtime_become_transpiler(order, source_fd, transpiler->output_fd);
    return transpiler->pid < 0 ? error_from_errno() : 0;
}

/* Hands over what the compile step made. That it cannot be kept is nobody's concern. */
static void report_built(const struct init_context *context, const struct program *program)
{
    struct cell_report report = { .type = CELL_BUILT };
    CLEANUP_CLOSE int fd = -1;

    if (keep_collect(program->keep, &fd) == 0)
        (void)packet_send(context->control_fd, &report, sizeof(report), &fd, 1);
}

/* Has what waits in the cell be the step. Returns its pid, or 0 if there is none or it cannot be reached: then the
 * step's command is run like any other. */
static pid_t start_warm(const struct init_context *context, const struct program_step *step, size_t index,
                        const int standard_fds[static 3])
{
    struct zygote_start start = {
        .file_bytes_max = context->file_bytes_max,
        .step = (uint32_t)index,
        .rests = context->rests,
    };
    bool compiles = step->flags & PROGRAM_STEP_COMPILE, calls_tools = !compiles && context->fds[CELL_FD_TOOLS] >= 0;
    const int fds[ZYGOTE_START_FDS_MAX] = {
        [ZYGOTE_START_PROGRAM] = context->fds[CELL_FD_PROGRAM], [ZYGOTE_START_STDIN] = standard_fds[0],
        [ZYGOTE_START_STDOUT] = standard_fds[compiles ? 2 : 1], [ZYGOTE_START_STDERR] = standard_fds[2],
        [ZYGOTE_START_TOOLS] = context->fds[CELL_FD_TOOLS],
    };

    if (!(step->flags & PROGRAM_STEP_WARM) || context->fds[CELL_FD_WARM] < 0 ||
        packet_send(context->fds[CELL_FD_WARM], &start, sizeof(start), fds, ZYGOTE_START_FDS + calls_tools) < 0)
        return 0;
    return context->warm_pid;
}

/* One that died before is nobody's child any more: its pipe tells. */
static bool transpiler_lives(const struct init_context *context)
{
    struct pollfd source = { .fd = context->fds[CELL_FD_TRANSPILER], .events = POLLOUT };

    return source.fd >= 0 && poll(&source, 1, 0) > 0 && !(source.revents & POLLERR);
}

static const struct program_file *find_source(const struct program *program)
{
    for (size_t i = 0; i < program->n_files; i++)
        if (strcmp(program->files[i].path, RUNTIME_TRANSPILER_SOURCE) == 0)
            return &program->files[i];
    return NULL;
}

/* Has the transpiler that waits make the attempt. Returns its pid, or 0 as start_warm() does. */
static pid_t start_transpiler(const struct init_context *context, const struct program *program,
                              const struct program_step *step)
{
    const struct program_file *source = find_source(program);
    int r;

    if (!(step->flags & PROGRAM_STEP_TRANSPILER) || !source || !transpiler_lives(context))
        return 0;
    r = fd_write_full(context->fds[CELL_FD_TRANSPILER], source->data, source->size);
    close(context->fds[CELL_FD_TRANSPILER]); /* the end of the source */
    return r < 0 ? 0 : context->transpiler.pid;
}

/* Gives what it made its name, as a file like any that a program writes: with the same limits. */
static int take_transpiled(const struct init_context *context)
{
    CLEANUP_CLOSE int fd = -1;
    struct stat st;
    void *bytes;
    int r;

    if (fstat(context->transpiler.output_fd, &st) < 0)
        return error_from_errno();
    if (st.st_size == 0)
        return -ENODATA;
    fd = open(RUNTIME_TRANSPILER_OUTPUT, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644);
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, context->transpiler.output_fd, 0);
    if (fd < 0 || bytes == MAP_FAILED)
        return error_from_errno();
    r = fd_write_full(fd, bytes, (size_t)st.st_size);
    (void)munmap(bytes, (size_t)st.st_size);
    return r;
}

/* Of a program that was transpiled before, or has nothing to transpile. */
static void dismiss_transpiler(const struct init_context *context, const struct program *program)
{
    for (size_t i = 0; i < program->n_steps; i++)
        if (program->steps[i].flags & PROGRAM_STEP_TRANSPILER && find_source(program))
            return;
    if (transpiler_lives(context))
        (void)kill(context->transpiler.pid, SIGKILL);
}

/* What makes the files that are kept is the last of the steps that compile; or the attempt at it. */
static bool makes_kept(const struct program *program, size_t index)
{
    size_t last = program->steps[index].flags & PROGRAM_STEP_TRY ? index + 1 : index;

    return (program->flags & PROGRAM_KEEP) && last + 2 == program->n_steps;
}

static int run_step(const struct init_context *context, const struct program *program, size_t index,
                    struct cell_report *report)
{
    const struct program_step *step = &program->steps[index];
    bool kept = makes_kept(program, index), tries = step->flags & PROGRAM_STEP_TRY;
    CLEANUP_CLOSE int null_fd = tries ? open("/dev/null", O_WRONLY | O_CLOEXEC) : -1;
    int standard[3] = { context->fds[CELL_FD_STDIN], context->fds[CELL_FD_STDOUT], context->fds[CELL_FD_STDERR] };
    struct keep_relay relay = KEEP_RELAY_INIT;
    int r = kept && !tries ? keep_relay_open(&relay) : 0;
    pid_t child, transpiler;

    if (r < 0 || (tries && null_fd < 0))
        return r < 0 ? r : error_from_errno();
    if (tries)
        standard[2] = null_fd;
    else if (kept)
        standard[2] = relay.write_fd;
    transpiler = start_transpiler(context, program, step);
    child = transpiler ? transpiler : start_warm(context, step, index, standard);
    if (child == 0 && (child = fork_victim(context->victim_fd)) == 0)
        exec_step(program, step, standard, context->fds[CELL_FD_TOOLS]);
    if (child < 0)
        return error_from_errno();
    if (kept && !tries)
        kept = keep_relay_run(&relay, child, context->fds[CELL_FD_STDERR]);
    r = wait_for(child, report);
    if (r == 0 && transpiler && report->exit_code == 0 && report->signal == 0 && take_transpiled(context) < 0)
        report->exit_code = EXEC_FAILED;
    if (r == 0 && kept && report->exit_code == 0 && report->signal == 0)
        report_built(context, program);
    return r;
}

static int run_steps(const struct init_context *context, const struct program *program)
{
    init_report(context->control_fd, &(struct cell_report){ .type = CELL_STARTED });
    for (size_t i = 0; i < program->n_steps; i++) {
        struct cell_report report = { .type = CELL_STEP, .step = (uint32_t)i };
        int r = run_step(context, program, i, &report);
        bool failed = report.exit_code != 0 || report.signal != 0;

        if (r < 0)
            return r;
        if (program->steps[i].flags & PROGRAM_STEP_TRY) {
            i += !failed;
            continue;
        }
        /* Only how it all ended is told: if this process is killed during a later step, the success of an earlier one
         * must not pass for the program's. */
        if (failed || i + 1 == program->n_steps) {
            init_report(context->control_fd, &report);
            break;
        }
    }
    return 0;
}

int init_run(const struct init_context *context, char *name, size_t name_size)
{
    struct program program;
    struct stat st;
    void *bytes;
    int r;

    snprintf(name, name_size, "program");
    if (fstat(context->fds[CELL_FD_PROGRAM], &st) < 0)
        return error_from_errno();
    if (st.st_size <= 0 || st.st_size > PROGRAM_TOTAL_MAX)
        return -EBADMSG;
    bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, context->fds[CELL_FD_PROGRAM], 0);
    if (bytes == MAP_FAILED)
        return error_from_errno();
    r = program_unpack(&program, bytes, (size_t)st.st_size);
    if (r == 0) {
        dismiss_transpiler(context, &program);
        snprintf(name, name_size, "source files");
        r = write_files(&program);
    }
    if (r == 0 && program.flags & PROGRAM_BUILT)
        r = keep_restore(program.built, program.built_size);
    if (r == 0) {
        if (program.flags & PROGRAM_MIRROR)
            mirror_workspace();
        snprintf(name, name_size, "start");
        r = run_steps(context, &program);
    }
    return r;
}

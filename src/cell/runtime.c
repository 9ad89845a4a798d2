/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/runtime.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cell/init.h"

#define ARGUMENTS_MAX   16
#define ENVIRONMENT_MAX 8
#define CANNOT_RUN      127

static const char memory_option[] = "--max-old-space-size=%u";

#define NODE_PATH "NODE_PATH=/usr/local/lib/node_modules:/usr/lib/node_modules:/opt/skill-deps/node/node_modules"

#define TYPESCRIPT                                                                                                     \
    "/usr/bin/node", "--experimental-vm-modules", "--enable-source-maps", memory_option,                               \
        "--require=/opt/codecell/guest/node/typescript.cjs", "/opt/codecell/guest/node/run.cjs"

static const struct runtime {
    const char *command[ARGUMENTS_MAX + 1];
    const char *environment[ENVIRONMENT_MAX + 1];
    const char *directory; /* where it is started, if that matters */
    const char *transpiler[ARGUMENTS_MAX + 1];
} runtimes[WARM_KINDS] = {
    [WARM_NODE] = {
        { "/usr/bin/node", "--experimental-vm-modules", memory_option, "/opt/codecell/guest/node/run.cjs" },
        { RUNTIME_COMMON_ENVIRONMENT, NODE_PATH },
    },
    [WARM_TYPESCRIPT] = {
        { TYPESCRIPT },
        { RUNTIME_COMMON_ENVIRONMENT, NODE_PATH },
    },
    [WARM_TRANSPILER] = {
        { TYPESCRIPT },
        { RUNTIME_COMMON_ENVIRONMENT, NODE_PATH },
        .transpiler = { "/usr/bin/esbuild", "--loader=ts", "--sourcefile=code.ts", "--sourcemap=inline",
                        "--log-level=error", "--supported:dynamic-import=false",
                        "--define:process.env.NODE_ENV=process.env.NODE_ENV", "--format=cjs", "--target=es2019",
                        "--supported:bigint=true", "--log-override:empty-import-meta=error",
                        "--tsconfig-raw={\"compilerOptions\":{\"experimentalDecorators\":true}}" },
    },
    [WARM_R] = {
        { "/usr/bin/Rscript", "--no-save", "--no-restore", "--no-environ", "--no-init-file", "/dev/null" },
        { RUNTIME_COMMON_ENVIRONMENT, "R_PROFILE=/opt/codecell/guest/r/profile.R", "CODECELL_WAITS=1" },
    },
    [WARM_BASH] = { /* that is where its script will be */
        { "/bin/bash", "/run/build/code.sh" },
        { RUNTIME_COMMON_ENVIRONMENT, "BASH_ENV=/opt/codecell/guest/bash/warm.sh" },
        .directory = "/mnt/data",
    },
    [WARM_JAVAC] = {
        { "/bin/sh", "/opt/codecell/guest/java/compile.sh", "--waiting" },
        { RUNTIME_COMMON_ENVIRONMENT },
        .directory = "/run/build", /* Java remembers where it was */
    },
};

static bool is_told_memory(const struct runtime *runtime)
{
    for (const char *const *argument = runtime->command; *argument; argument++)
        if (*argument == memory_option)
            return true;
    return false;
}

uint32_t runtime_memory_mb(enum warm_kind kind, uint64_t memory_bytes)
{
    return kind < WARM_KINDS && is_told_memory(&runtimes[kind]) ? (uint32_t)(memory_bytes >> 20) : 0;
}

/* Interpreters look once at what their standard streams are, and a program's are pipes. */
static int take_pipes(void)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    return dup2(ends[0], STDIN_FILENO) < 0 || dup2(ends[1], STDOUT_FILENO) < 0 || dup2(ends[1], STDERR_FILENO) < 0 ? -1
                                                                                                                   : 0;
}

static const struct runtime *runtime_of(const struct runtime_order *order)
{
    return order->kind < WARM_KINDS ? &runtimes[order->kind] : &runtimes[WARM_NONE];
}

void runtime_become(const struct runtime_order *order, int socket_fd)
{
    const struct runtime *runtime = runtime_of(order);
    const char *command[ARGUMENTS_MAX + 1] = { NULL };
    char memory[sizeof(memory_option) + 16];

    if (!runtime->command[0])
        _exit(CANNOT_RUN);
    snprintf(memory, sizeof(memory), memory_option, order->memory_mb);
    for (int i = 0; i < ARGUMENTS_MAX && runtime->command[i]; i++)
        command[i] = runtime->command[i] == memory_option ? memory : runtime->command[i];
    init_leave();
    if (take_pipes() < 0 || dup2(socket_fd, RUNTIME_SOCKET_FD) < 0 || close_range(3, RUNTIME_SOCKET_FD - 1, 0) < 0 ||
        close_range(RUNTIME_SOCKET_FD + 1, ~0U, 0) < 0 || (runtime->directory && chdir(runtime->directory) < 0))
        _exit(CANNOT_RUN);
    execve(runtime->command[0], (char *const *)command, (char *const *)runtime->environment);
    _exit(CANNOT_RUN);
}

void runtime_become_transpiler(const struct runtime_order *order, int source_fd, int output_fd)
{
    const struct runtime *runtime = runtime_of(order);
    int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);

    init_leave();
    if (!runtime->transpiler[0] || null_fd < 0 || dup2(source_fd, STDIN_FILENO) < 0 ||
        dup2(output_fd, STDOUT_FILENO) < 0 || dup2(null_fd, STDERR_FILENO) < 0 || close_range(3, ~0U, 0) < 0)
        _exit(CANNOT_RUN);
    execve(runtime->transpiler[0], (char *const *)runtime->transpiler, (char *const *)runtime->environment);
    _exit(CANNOT_RUN);
}

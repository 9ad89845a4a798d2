/* SPDX-License-Identifier: Apache-2.0 */
/* bash.c -- the library as bash uses it: a loadable builtin, for guest/bash/warm.sh.
 *
 * Types and names are those that bash shows to loadable builtins (package bash-builtins: builtins.h, command.h), or
 * that its executable exports. What an older or newer one does not have is not set, and the shell then differs by that.
 */
#include "zygote/library.h"

#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cell/runtime.h"

#define BUILTIN_ENABLED 1
#define CANNOT_RUN      127

struct bash_word {
    char *word;
    int flags;
};

struct bash_words {
    struct bash_words *next;
    struct bash_word *word;
};

struct bash_builtin {
    const char *name;
    int (*function)(struct bash_words *words);
    int flags;
    const char *const *long_doc;
    const char *short_doc;
    void *handle;
};

/* bash's own. The first copies what it is given: the positional parameters. */
extern __attribute__((weak)) void remember_args(struct bash_words *words, int replace);
extern __attribute__((weak)) int array_needs_making; /* the environment of commands has changed */
extern
    __attribute__((weak)) int bash_argv_initialized; /* BASH_ARGV and BASH_ARGC have been made from those parameters */
extern __attribute__((weak)) void pop_args(void);    /* takes back the last of them */
extern __attribute__((weak)) time_t shell_start_time;
extern __attribute__((weak)) struct timeval shellstart;

static void give_parameters(char **arguments)
{
    size_t n = zygote_count(arguments);
    CLEANUP_FREE struct bash_words *list = calloc(n + 1, sizeof(*list));
    CLEANUP_FREE struct bash_word *words = calloc(n + 1, sizeof(*words));

    if (!list || !words)
        _exit(CANNOT_RUN);
    for (size_t i = 0; i < n; i++) {
        words[i].word = arguments[i];
        list[i].word = &words[i];
        list[i].next = i + 1 < n ? &list[i + 1] : NULL;
    }
    if (n > 0)
        remember_args(list, 1);
}

/* $SECONDS counts from the program's start. */
static void restart_clock(void)
{
    struct timeval now;

    gettimeofday(&now, NULL);
    if (&shell_start_time)
        shell_start_time = now.tv_sec;
    if (&shellstart)
        shellstart = now;
}

static int wait_for_program(struct bash_words *words)
{
    (void)words;
    if (!remember_args)
        _exit(CANNOT_RUN);
    zygote_await_started(RUNTIME_SOCKET_FD);
    if (!zygote_arguments()[0] || !zygote_arguments()[1])
        _exit(CANNOT_RUN);
    give_parameters(zygote_arguments() + 2); /* behind the shell and its script */
    restart_clock();
    if (&array_needs_making)
        array_needs_making = 1;
    if (&bash_argv_initialized && pop_args) {
        pop_args();
        bash_argv_initialized = 0;
    }
    zygote_forget(); /* bash's own putenv() copies, as does remember_args() */
    return 0;
}

static const char *const no_doc[] = { NULL };

/* Found by its name, <builtin>_struct. */
extern struct bash_builtin codecell_wait_struct;
struct bash_builtin codecell_wait_struct = {
    .name = "codecell_wait",
    .function = wait_for_program,
    .flags = BUILTIN_ENABLED,
    .long_doc = no_doc,
    .short_doc = "codecell_wait",
};

/* SPDX-License-Identifier: Apache-2.0 */
/* Stands before each C program of the self-test. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void held(const char *what, int good, const char *seen)
{
    printf("%s\t%s\t%s\n", good ? "HELD" : "DOWN", what, seen);
    fflush(stdout);
}

/* The mark by which the host finds the processes of this program. */
__attribute__((constructor)) static void take_mark(void)
{
    prctl(PR_SET_NAME, "@MARK@", 0, 0, 0);
    (void)held;
}

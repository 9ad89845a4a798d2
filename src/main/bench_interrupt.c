/* SPDX-License-Identifier: Apache-2.0 */
#include <signal.h>

#include "main/bench.h"

static volatile sig_atomic_t interrupted;

static void remember(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void bench_interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = remember }; /* no SA_RESTART: it ends a wait for an answer */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool bench_interrupted(void)
{
    return interrupted != 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/ask/interrupt.h"

#include <signal.h>

static volatile sig_atomic_t interrupted;

static void remember(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

void interrupt_catch(void)
{
    struct sigaction action = { .sa_handler = remember }; /* no SA_RESTART: it ends a wait for an answer */

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool interrupt_came(void)
{
    return interrupted != 0;
}

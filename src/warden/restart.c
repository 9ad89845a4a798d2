/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/restart.h"

#define PAUSE_MS       1000
#define UNREADY_MAX_MS 300000

void restart_ready(struct restart *restart)
{
    restart->unready = 0;
}

/* The first at_once times none; then twice as long each time. */
static int growing_ms(unsigned times, unsigned at_once, int max_ms)
{
    int ms = PAUSE_MS;

    if (times <= at_once)
        return 0;
    for (unsigned i = at_once + 1; i < times && ms < max_ms; i++)
        ms *= 2;
    return ms < max_ms ? ms : max_ms;
}

int restart_pause_ms(struct restart *restart, int64_t ready_for_ms)
{
    int unready_ms, brief_ms;

    restart->unready++;
    if (ready_for_ms >= RESTART_STEADY_MS)
        restart->brief = 0;
    if (ready_for_ms >= 0)
        restart->brief++;
    unready_ms = growing_ms(restart->unready, 1, UNREADY_MAX_MS);
    brief_ms = growing_ms(restart->brief, RESTART_BRIEF_AT_ONCE, RESTART_BRIEF_MAX_MS);
    return unready_ms > brief_ms ? unready_ms : brief_ms;
}

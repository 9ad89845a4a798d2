/* SPDX-License-Identifier: Apache-2.0 */
/* restart.h -- how long to wait before another zygote is started in the place of one that has died. Pure.
 *
 * One that cannot live is tried again for ever, since what it lacks may come back, but ever more rarely. So is one that
 * becomes ready and is killed again and again, as on a machine whose memory is too small for it: each start costs
 * seconds of processor time that programs are better off without. */
#pragma once

#include <stdint.h>

#define RESTART_STEADY_MS     60000 /* one that was ready for so long has not died of its start */
#define RESTART_BRIEF_AT_ONCE 128   /* that were not, in a row: so many are replaced without a pause */
#define RESTART_BRIEF_MAX_MS  30000

struct restart {
    unsigned unready; /* deaths since one was ready, with its own */
    unsigned brief;   /* of those that were ready, in a row, those that did not stay so for long */
};

/* Another is ready. */
void restart_ready(struct restart *restart);

/* One died that had been ready for so long, -1 = never. Returns the pause in milliseconds. */
int restart_pause_ms(struct restart *restart, int64_t ready_for_ms);

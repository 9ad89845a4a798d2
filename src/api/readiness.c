/* SPDX-License-Identifier: Apache-2.0 */
#include "api/readiness.h"

#include <stdio.h>

#include "base/clock.h"

void readiness_succeeded(struct readiness *readiness)
{
    pthread_mutex_lock(&readiness->lock);
    readiness->succeeded_us = clock_monotonic_us();
    snprintf(readiness->reason, sizeof(readiness->reason), "No execution has succeeded within the last %lld seconds",
             READINESS_WINDOW_US / 1000000);
    pthread_mutex_unlock(&readiness->lock);
}

void readiness_failed(struct readiness *readiness, const char *reason)
{
    pthread_mutex_lock(&readiness->lock);
    snprintf(readiness->reason, sizeof(readiness->reason), "%s", reason);
    pthread_mutex_unlock(&readiness->lock);
}

bool readiness_check(struct readiness *readiness, char ret_reason[static READINESS_REASON_SIZE], int64_t *ret_age_us)
{
    int64_t age_us = -1;
    bool ready;

    pthread_mutex_lock(&readiness->lock);
    if (readiness->succeeded_us)
        age_us = clock_monotonic_us() - readiness->succeeded_us;
    ready = age_us >= 0 && age_us <= READINESS_WINDOW_US;
    if (!ready)
        snprintf(ret_reason, READINESS_REASON_SIZE, "%s", readiness->reason);
    pthread_mutex_unlock(&readiness->lock);
    *ret_age_us = age_us;
    return ready;
}

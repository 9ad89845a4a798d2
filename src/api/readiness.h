/* SPDX-License-Identifier: Apache-2.0 */
/* readiness.h -- did a real execution in a real cell succeed a moment ago (extensions.md X2).
 *
 * Whoever runs executions, or the probe of an idle server, reports each end here; /ready and /health/nsjail read it.
 * Thread-safe. Starts as not ready. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define READINESS_WINDOW_US   (60 * 1000000LL) /* a success counts for so long */
#define READINESS_REASON_SIZE 256

struct readiness {
    pthread_mutex_t lock;
    int64_t succeeded_us; /* monotonic; 0 = never */
    char reason[READINESS_REASON_SIZE];
};

#define READINESS_INIT                                                                                                 \
    {                                                                                                                  \
        .lock = PTHREAD_MUTEX_INITIALIZER, .reason = "No execution has succeeded yet"                                  \
    }

void readiness_succeeded(struct readiness *readiness);

/* Notes why executions fail; a success less than a window ago still counts. */
void readiness_failed(struct readiness *readiness, const char *reason);

/* True if ready. Otherwise the reason, one sentence, is in ret_reason. *ret_age_us is the time since the last success,
 * or negative if there was none. */
bool readiness_check(struct readiness *readiness, char ret_reason[static READINESS_REASON_SIZE], int64_t *ret_age_us);

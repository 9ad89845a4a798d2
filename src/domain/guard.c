/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/guard.h"

#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool domain_lock(void)
{
    pthread_mutex_lock(&lock);
    return true;
}

void domain_unlock(bool *locked)
{
    if (*locked)
        pthread_mutex_unlock(&lock);
}

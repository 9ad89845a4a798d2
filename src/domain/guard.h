/* SPDX-License-Identifier: Apache-2.0 */
/* guard.h -- the one lock of the domain.
 *
 * The store applies a batch whole, but deciding what goes into it takes reads before. The lock makes the two one step
 * wherever another thread's change in between would break a promise:
 *   - check that no record names a blob, delete the blob  |  add an alias of that blob;
 *   - find that a session has expired, delete it          |  renew it;
 *   - find that a session has no user, give it one        |  the same for another user.
 * Reads alone do not take it, nor does the making of a fresh session. The store has one writer anyway, so little waits
 * here that would not wait there. It holds within one process; the embedded store has only one. */
#pragma once

#include <stdbool.h>

#include "base/cleanup.h"

bool domain_lock(void); /* true, so that GUARDED can be one declaration */
void domain_unlock(bool *locked);

/* Holds the lock to the end of the scope. */
#define GUARDED CLEANUP(domain_unlock) __attribute__((unused)) bool guarded_ = domain_lock()

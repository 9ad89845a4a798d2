/* SPDX-License-Identifier: Apache-2.0 */
/* ptc_requests.h -- requests that their clients gave names to, to be able to cancel them (ptc.md P9).
 *
 * A record lives PTC_REQUEST_KEPT_US. At most PTC_REQUESTS_MAX are kept; of those that do not run the oldest goes
 * first. Thread-safe. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "engine/running.h"

#define PTC_REQUEST_ID_MAX  128
#define PTC_REQUESTS_MAX    4096
#define PTC_REQUEST_KEPT_US (15 * 60 * 1000000ll)

struct ptc_requests;

int ptc_requests_new(struct ptc_requests **ret_requests);
struct ptc_requests *ptc_requests_free(struct ptc_requests *requests); /* returns NULL, accepts NULL */

/* ^[A-Za-z0-9_-]{16,128}$ */
bool ptc_request_id_is_valid(const char *id);

enum ptc_request_outcome {
    PTC_REQUEST_E_TAKEN = 1,     /* another request of this name runs */
    PTC_REQUEST_E_CANCELLED = 2, /* it was cancelled before it came */
    PTC_REQUEST_E_FULL = 3,      /* too many run */
};

/* A request of this owner (the hash of its key) begins to work on run. Returns 0, an outcome, or -ENOMEM. */
int ptc_requests_begin(struct ptc_requests *requests, const char *id, const char *owner, struct run *run);

/* It is answered. */
void ptc_requests_end(struct ptc_requests *requests, const char *id);

enum ptc_cancel {
    PTC_CANCEL_REQUESTED, /* it runs and is told to end, or was not seen yet */
    PTC_CANCEL_COMPLETED, /* it is answered */
    PTC_CANCEL_FOREIGN,   /* another owner's */
    PTC_CANCEL_FAILED,    /* no memory, or too many run */
};

enum ptc_cancel ptc_requests_cancel(struct ptc_requests *requests, const char *id, const char *owner);

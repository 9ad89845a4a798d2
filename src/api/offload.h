/* SPDX-License-Identifier: Apache-2.0 */
/* offload.h -- a few threads for work that waits for a disk, so that no HTTP thread does.
 *
 * A handler suspends its request, submits, and returns; the job makes the final call. */
#pragma once

enum offload_outcome {
    OFFLOAD_E_FULL = 1, /* max_waiting jobs wait already */
};

struct offload;

int offload_new(unsigned n_threads, unsigned max_waiting, struct offload **ret_offload);

/* Has run(context) called on one of the threads. Returns 0, OFFLOAD_E_FULL or a negative errno; then it is not called.
 */
int offload_submit(struct offload *offload, void (*run)(void *context), void *context);

/* Finishes what was submitted, joins the threads. Returns NULL. Accepts NULL. */
struct offload *offload_free(struct offload *offload);

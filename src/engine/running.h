/* SPDX-License-Identifier: Apache-2.0 */
/* running.h -- which executions there are: found by id by those who started them, asked how they are, cancelled
 * (extensions.md X5).
 *
 * An entry (struct run) lives from before its execution is queued until RUNNING_KEPT_MS after its end, longer while
 * somebody holds a reference. Every execution has one: adding and ending it takes a lock and no system call. An entry
 * is found by the key that made it and by nobody else; to others it does not exist.
 *
 * The owner's side, in order: running_add(), then any of run_begin() .. run_leave() around the time in which a thread
 * works on it and run_wait() around the time in which none does, then run_done(), then run_unref().
 *
 * Bounds: max_runs entries together. One that has ended makes room for a new one, of the same key first, so that a key
 * that starts many forgets its own. All functions may be called from any thread, and accept a NULL run. */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/id.h"
#include "engine/execution.h"

#define RUNNING_KEPT_MS  60000
#define RUNNING_LIVE_MAX 256

#define RUNNING_LIVE_BYTES_MAX (1ll << 30)

struct feed;
struct live;
struct running;
struct run;

enum run_state {
    RUN_QUEUED,
    RUN_RUNNING,
    RUN_WAITING, /* alive, but no thread works on it: it waits for its client */
    RUN_DONE,
};

enum running_outcome {
    RUNNING_E_FULL = 1, /* max_runs entries, and none of them has ended */
};

struct run_status {
    enum run_state state;
    char execution_id[ID_SIZE];
    char session_id[ID_SIZE]; /* "" = not known yet */
    bool has_result;          /* done, and it came to a result; then the rest is set */
    enum execution_outcome outcome;
    struct execution_usage usage;
};

int running_new(unsigned max_runs, struct running **ret_running);
struct running *running_free(struct running *running); /* returns NULL; entries may outlive it */

/* Adds an execution of the tenant and key (a hash). Returns 0 with a reference (NULL without a table), RUNNING_E_FULL
 * or -ENOMEM. */
int running_add(struct running *running, const char *execution_id, const char *tenant, const char *key_hash,
                struct run **ret_run);

/* A reference, or NULL if there is none of this tenant and key. */
struct run *running_find(struct running *running, const char *execution_id, const char *tenant, const char *key_hash);

/* Forgets entries that ended long ago; to be called now and then. */
void running_expire(struct running *running);

struct run *run_ref(struct run *run);
struct run *run_unref(struct run *run); /* returns NULL */

/* A thread works on it from here on. It is woken through wake_fd (an eventfd, borrowed until run_leave(); -1 = it looks
 * at the flag of run_cancelled() often enough). */
void run_begin(struct run *run, int wake_fd);
void run_leave(struct run *run);

/* No thread works on it: cancel(context) is called, at most once and on the thread that cancels, if it is cancelled
 * before the next run_begin() or run_done(). Returns false if it was cancelled already: then it is not called and the
 * state stays. run_leave() is implied. cancel may take locks, but may not call the functions of this run but
 * run_done() and run_unref(). */
bool run_wait(struct run *run, void (*cancel)(void *context), void *context);

/* What those who find it may want: its events and its input. References of its own are taken; either may be NULL. Once.
 * Of those that have ended the last RUNNING_LIVE_MAX keep their events, or fewer if these are large. */
void run_carry(struct run *run, struct live *live, struct feed *feed);
struct live *run_live(struct run *run); /* a reference, or NULL */
struct feed *run_feed(struct run *run);

void run_session(struct run *run, const char *session_id);

/* It is over; result may be NULL: it never ran, for want of room or for a fault of the server. Nothing but outcome,
 * usage and session of it is copied. Its input is closed. Once. */
void run_done(struct run *run, const struct execution_result *result);

/* It never began: nobody finds it any more. Instead of run_done(). */
void run_forget(struct run *run);

/* Asks for the end. What is over stays as it is. */
void run_cancel(struct run *run);

/* Set for good once it is cancelled; NULL for a NULL run. */
const atomic_bool *run_cancelled(const struct run *run);
bool run_is_cancelled(const struct run *run);

void run_status(struct run *run, struct run_status *ret_status);

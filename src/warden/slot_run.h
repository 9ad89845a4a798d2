/* SPDX-License-Identifier: Apache-2.0 */
/* slot_run.h -- one execution in a slot, from the warden's message to the answer.
 *
 * A program begins in an armed cell or, if it is the next of its session, in the cell that rests. The two ways are the
 * tables run_steps[] and continue_steps[] in slot_run.c; what comes after them is the same. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/workspace.h"
#include "warden/brake.h"
#include "warden/pace.h"
#include "warden/slot_state.h"
#include "wire/message.h"

#define RUN_SEND_MS 30000 /* a reader that stops reading must not hold the slot for ever */

/* One execution. Its descriptors are closed with the answer, or stay while the cell rests. */
struct run {
    struct wire_run request;
    int fds[WIRE_RUN_FDS_MAX];
    int lower_fd; /* detached mount of the input directory; -1 = no inputs */
    struct workspace workspace;
    bool laid; /* it is attached already */
    enum wire_origin origin;
    int64_t received_us, started_us, ended_us; /* 0 = not yet */
    int64_t paused_us;                         /* since when the program waits for its caller; 0 = it does not */
    uint64_t whole_bytes;                      /* its memory limit before the pause */
    bool told_warden;                          /* that it has begun to wait */
    int64_t waited_us;                         /* how long it has, in earlier pauses */
    struct pace pace;
    struct brake brake;
    enum wire_end_reason reason; /* of the keeper's kill */
    uint32_t kernel_kills;       /* for memory, that came before it */
    bool reported, hung_up, built_sent;
    unsigned full_before;      /* scratch file systems, as bits, that an earlier run of the session left full */
    bool rests;                /* it has ended well, and its cell stands still instead of being dead */
    bool unsaved;              /* and has yet to leave its state */
    struct cell_report last;   /* the step that ended last */
    struct wire_failed failed; /* type 0 = no failure */
};

#define RUN_INIT ((struct run){ .workspace = WORKSPACE_INIT })

/* Reads the warden's next message. Returns 0 with a run whose descriptors are *run's, -EAGAIN if it was another
 * message, -EPIPE when the warden has gone, or another negative errno. */
int run_receive(struct slot *slot, struct run *run);

/* Answers a run that would continue in a cell which is no more, and makes *run an empty one. */
void run_refuse(struct run *run);

/* Runs the program in the armed cell, to its answer. Then the cell is dead, or run->rests says that it rests; only then
 * *run still has its descriptors. */
void slot_run_program(struct slot *slot, struct run *run);

/* The same in the cell that rests. */
void slot_continue_program(struct slot *slot, struct run *run);

/* Notes the step that failed and why (a positive errno): the answer will say it. */
void run_fail(struct run *run, const char *step, int error);

void run_close_fds(struct run *run);

/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/slot_results.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "cell/workspace.h"

/* What the harvest may need beyond a cell that has used up its memory. */
#define HARVEST_MEMORY_BYTES (64ull << 20)

#define ANSWER_MS 5 /* at most: files that are stored, or a client that reads slowly, take longer */

void run_make_room(struct slot *slot)
{
    struct cgroup_limits limits = slot->cgroup.current;
    int64_t used = cgroup_slot_memory(&slot->cgroup);

    if (used < 0 || (uint64_t)used + HARVEST_MEMORY_BYTES / 2 < limits.memory_bytes)
        return;
    limits.memory_bytes += HARVEST_MEMORY_BYTES;
    (void)cgroup_slot_limit(&slot->cgroup, &limits);
}

/* How long the program ran; what it waited for its caller does not count. */
static uint64_t wall_us(const struct run *run)
{
    int64_t until_us = run->paused_us ? run->paused_us : run->ended_us;

    return run->started_us ? (uint64_t)(until_us - run->started_us - run->waited_us) : 0;
}

uint64_t slot_parked_bytes(const struct slot *slot)
{
    int64_t bytes = cgroup_slot_memory(&slot->cgroup);

    return bytes > 0 ? (uint64_t)bytes : 1;
}

/* Memory that ran out while the cell was being killed ended nothing. */
static uint32_t oom_kills(const struct slot *slot, const struct run *run, const struct cgroup_figures *figures)
{
    uint32_t now = run->pace.killed_us ? cgroup_slot_kills(&slot->cgroup) : 0;
    uint32_t later = now > run->kernel_kills ? now - run->kernel_kills : 0;

    return later < figures->oom_kills ? figures->oom_kills - later : 0;
}

static int send_ended(struct slot *slot, struct run *run)
{
    struct cgroup_figures figures;
    struct wire_ended ended = {
        .type = WIRE_ENDED,
        .reason = run->pace.killed_us           ? run->reason
                  : run->reported || run->rests ? WIRE_END_EXITED
                                                : WIRE_END_LOST,
        .step = run->last.step,
        .exit_code = run->last.exit_code,
        .signal = run->last.signal,
        .wall_us = wall_us(run),
    };

    cgroup_slot_figures(&slot->cgroup, &figures);
    ended.oom_kills = oom_kills(slot, run, &figures);
    ended.process_limit = figures.process_limit;
    ended.cpu_us = figures.cpu_us;
    ended.memory_peak_bytes = figures.memory_peak_bytes;
    ended.processes_peak = figures.processes_peak;
    ended.disk_full = workspace_is_full(&run->workspace) || (cell_scratch_full(&slot->cell) & ~run->full_before) != 0;
    if (run->rests) {
        ended.parked_bytes = slot_parked_bytes(slot);
        ended.unsaved = run->unsaved;
    }
    return wire_send_within(run->fds[WIRE_RUN_CHANNEL], &ended, NULL, RUN_SEND_MS);
}

static int send_entry(void *context, enum harvest_kind kind, const char *path, int fd, uint64_t size_bytes)
{
    static const enum wire_entry_kind kinds[] = {
        [HARVEST_FILE] = WIRE_ENTRY_FILE,
        [HARVEST_WHITEOUT] = WIRE_ENTRY_WHITEOUT,
        [HARVEST_OPAQUE] = WIRE_ENTRY_OPAQUE,
        [HARVEST_UNREACHED] = WIRE_ENTRY_UNREACHED,
    };
    struct run *run = context;
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = kinds[kind], .size_bytes = size_bytes };
    int r;

    snprintf(entry.path, WIRE_PATH_SIZE, "%s", path);
    r = wire_send_within(run->fds[WIRE_RUN_CHANNEL], &entry, &fd, RUN_SEND_MS);
    return r > 0 ? -EPIPE : r;
}

/* The api decides if it counts. */
int run_send_state(const struct slot *slot, const struct run *run)
{
    struct wire_entry entry = { .type = WIRE_ENTRY, .kind = WIRE_ENTRY_STATE, .path = HARVEST_STATE_NAME };
    CLEANUP_CLOSE int fd = -1;
    int r;

    if (run->request.state_bytes_max == 0)
        return 0;
    r = harvest_state(slot->cell.scratch_fds[CELL_SCRATCH_BUILD], run->request.state_bytes_max, &fd, &entry.size_bytes);
    if (r == HARVEST_STATE_E_NONE)
        return 0;
    if (r == HARVEST_STATE_E_TOO_LARGE)
        entry.kind = WIRE_ENTRY_STATE_TOO_LARGE;
    (void)unlinkat(slot->cell.scratch_fds[CELL_SCRATCH_BUILD], HARVEST_STATE_NAME, 0); /* the next one's is its own */
    return wire_send_within(run->fds[WIRE_RUN_CHANNEL], &entry, &fd, RUN_SEND_MS);
}

/* Returns whether the api was told all: only then does it answer. */
static bool harvest(struct run *run)
{
    struct harvest_options options = {
        .entries_max = run->request.entries_max,
        .file_bytes_max = run->request.file_bytes_max,
        .entry = send_entry,
        .context = run,
    };
    struct harvest_result result;
    struct wire_done done = { .type = WIRE_DONE };

    if (workspace_harvest(&run->workspace, &options, &result) < 0)
        return false;
    done.complete = result.complete;
    done.skipped = result.skipped;
    done.file_at_limit = result.file_at_limit;
    return wire_send_within(run->fds[WIRE_RUN_CHANNEL], &done, NULL, RUN_SEND_MS) == 0;
}

/* The keeper comes before everything else on its processor, and what it does next would delay a short answer by a
 * tenth. The api closes the channel when the answer is out. */
static void await_answer(const struct run *run)
{
    struct pollfd channel = { .fd = run->fds[WIRE_RUN_CHANNEL] };

    (void)poll(&channel, 1, ANSWER_MS);
}

void run_finish(struct slot *slot, struct run *run)
{
    bool told = false;

    run_make_room(slot);
    if (run->failed.type)
        (void)wire_send_within(run->fds[WIRE_RUN_CHANNEL], &run->failed, NULL, RUN_SEND_MS);
    else if (send_ended(slot, run) == 0 && run_send_state(slot, run) == 0)
        told = harvest(run);
    if (told && !run->rests)
        await_answer(run);
    workspace_deinit(&run->workspace);
    if (run->rests)
        return;
    cell_close(&slot->cell);
    run_close_fds(run);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* saver.h -- the states that parked programs leave after their answers have gone out.
 *
 * To write down a large state takes longer than most programs, and the program is still there to do it. So its answer
 * goes out first; then it leaves its state (wire/message.h, WIRE_SAVE), and one thread stores what comes, in the order
 * in which it comes. Until then the cell is unsaved in the table of hot.h. An api that is killed in between has lost
 * what that run left, and nothing else: the session is then as it was before it. */
#pragma once

#include <stdbool.h>

#include "engine/execution.h"
#include "engine/hot.h"

struct saver;

/* Starts the thread for engine->hot, which must live longer, as must the engine. Returns 0 or a negative errno. */
int saver_new(const struct engine *engine, struct saver **ret_saver);

/* Waits for what is being saved, no longer than timeout_ms, and ends the thread. Returns NULL; accepts NULL. */
struct saver *saver_stop(struct saver *saver, int64_t timeout_ms);

/* Parks the cell of a run that has just ended, whose session is locked. If there is no room for one more that is
 * unsaved, or what it leaves decides if it counts, waits until it is saved, the session unlocked meanwhile. A late one
 * that has left nothing knows an earlier state than the session's, and ends. Takes over cell->channel_fd. */
void saver_park(const struct engine *engine, struct hot_cell *cell);

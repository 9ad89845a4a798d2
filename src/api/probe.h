/* SPDX-License-Identifier: Apache-2.0 */
/* probe.h -- asks a dependency with a time limit, also one that may never answer.
 *
 * The question runs on a thread of its own; whoever asks meanwhile shares its answer, so a dependency that hangs holds
 * one thread, however often it is asked about. Thread-safe. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#define PROBE_REASON_SIZE 128

struct probe_answer {
    bool fine;
    double response_ms;
    char reason[PROBE_REASON_SIZE]; /* if not fine */
};

/* The question: true if fine, else one sentence in ret_reason. */
typedef bool (*probe_question)(void *context, char ret_reason[static PROBE_REASON_SIZE]);

struct probe {
    probe_question question;
    void *context;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running;
    int64_t started_us;
    uint64_t n_answers;
    struct probe_answer answer; /* the last one */
};

/* The context must outlive the probe. */
void probe_init(struct probe *probe, probe_question question, void *context);

/* Waits up to limit_ms for a running question. Returns false if it still runs: then the probe and its context must
 * stay. */
bool probe_deinit(struct probe *probe, int64_t limit_ms);

/* Starts the question unless it runs. Returns the ticket for probe_wait(). */
uint64_t probe_start(struct probe *probe);

/* The answer to the question of this ticket, or, at deadline_us (monotonic), that there was none in time. */
struct probe_answer probe_wait(struct probe *probe, uint64_t ticket, int64_t deadline_us);

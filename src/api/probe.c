/* SPDX-License-Identifier: Apache-2.0 */
#include "api/probe.h"

#include <stdio.h>

#include "base/clock.h"

void probe_init(struct probe *probe, probe_question question, void *context)
{
    *probe = (struct probe){ .question = question, .context = context };
    pthread_mutex_init(&probe->lock, NULL);
    pthread_cond_init(&probe->changed, NULL);
}

static double ms_since(int64_t start_us)
{
    return (double)(clock_monotonic_us() - start_us) / 1000;
}

static void *ask(void *argument)
{
    struct probe *probe = argument;
    struct probe_answer answer = { .fine = false };

    answer.fine = probe->question(probe->context, answer.reason);
    pthread_mutex_lock(&probe->lock);
    answer.response_ms = ms_since(probe->started_us);
    probe->answer = answer;
    probe->running = false;
    probe->n_answers++;
    pthread_cond_broadcast(&probe->changed);
    pthread_mutex_unlock(&probe->lock);
    return NULL;
}

/* With the lock held. A thread that cannot be made is an answer too. */
static void launch(struct probe *probe)
{
    pthread_attr_t detached;
    pthread_t thread;

    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    probe->started_us = clock_monotonic_us();
    probe->running = pthread_create(&thread, &detached, ask, probe) == 0;
    pthread_attr_destroy(&detached);
    if (probe->running)
        return;
    probe->answer = (struct probe_answer){ .reason = "the check could not be started" };
    probe->n_answers++;
}

uint64_t probe_start(struct probe *probe)
{
    uint64_t ticket;

    pthread_mutex_lock(&probe->lock);
    ticket = probe->n_answers + 1;
    if (!probe->running)
        launch(probe);
    pthread_mutex_unlock(&probe->lock);
    return ticket;
}

/* With the lock held: true once there is an answer to the ticket. */
static bool await(struct probe *probe, uint64_t ticket, int64_t deadline_us)
{
    while (probe->n_answers < ticket)
        if (clock_wait(&probe->changed, &probe->lock, deadline_us) != 0)
            break;
    return probe->n_answers >= ticket;
}

struct probe_answer probe_wait(struct probe *probe, uint64_t ticket, int64_t deadline_us)
{
    struct probe_answer answer;

    pthread_mutex_lock(&probe->lock);
    if (await(probe, ticket, deadline_us))
        answer = probe->answer;
    else {
        answer = (struct probe_answer){ .response_ms = ms_since(probe->started_us) };
        snprintf(answer.reason, sizeof(answer.reason), "no answer in time");
    }
    pthread_mutex_unlock(&probe->lock);
    return answer;
}

bool probe_deinit(struct probe *probe, int64_t limit_ms)
{
    bool idle;

    pthread_mutex_lock(&probe->lock);
    idle = !probe->running || await(probe, probe->n_answers + 1, clock_monotonic_us() + limit_ms * 1000);
    pthread_mutex_unlock(&probe->lock);
    if (!idle)
        return false;
    pthread_cond_destroy(&probe->changed);
    pthread_mutex_destroy(&probe->lock);
    return true;
}

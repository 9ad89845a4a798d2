/* SPDX-License-Identifier: Apache-2.0 */
#include "api/offload.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct job {
    void (*run)(void *context);
    void *context;
    struct job *next;
};

struct offload {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct job *first, **last;
    unsigned n_waiting, max_waiting;
    bool stopping;
    unsigned n_threads;
    pthread_t threads[];
};

/* Takes the next job, waiting for one. Returns NULL once the queue is empty for good. */
static struct job *job_take(struct offload *offload)
{
    struct job *job;

    pthread_mutex_lock(&offload->lock);
    while (!offload->first && !offload->stopping)
        pthread_cond_wait(&offload->changed, &offload->lock);
    job = offload->first;
    if (job) {
        offload->first = job->next;
        if (!offload->first)
            offload->last = &offload->first;
        offload->n_waiting--;
    }
    pthread_mutex_unlock(&offload->lock);
    return job;
}

static void *work(void *argument)
{
    struct offload *offload = argument;
    struct job *job;

    while ((job = job_take(offload))) {
        job->run(job->context);
        free(job);
    }
    return NULL;
}

int offload_new(unsigned n_threads, unsigned max_waiting, struct offload **ret_offload)
{
    struct offload *offload = calloc(1, sizeof(*offload) + n_threads * sizeof(offload->threads[0]));
    int r;

    if (!offload)
        return -ENOMEM;
    pthread_mutex_init(&offload->lock, NULL);
    pthread_cond_init(&offload->changed, NULL);
    offload->last = &offload->first;
    offload->max_waiting = max_waiting;
    for (; offload->n_threads < n_threads; offload->n_threads++) {
        r = pthread_create(&offload->threads[offload->n_threads], NULL, work, offload);
        if (r) {
            offload_free(offload);
            return -r;
        }
    }
    *ret_offload = offload;
    return 0;
}

int offload_submit(struct offload *offload, void (*run)(void *context), void *context)
{
    struct job *job = calloc(1, sizeof(*job));
    bool full;

    if (!job)
        return -ENOMEM;
    job->run = run;
    job->context = context;
    pthread_mutex_lock(&offload->lock);
    full = offload->n_waiting >= offload->max_waiting || offload->stopping;
    if (!full) {
        *offload->last = job;
        offload->last = &job->next;
        offload->n_waiting++;
        pthread_cond_signal(&offload->changed);
    }
    pthread_mutex_unlock(&offload->lock);
    if (full)
        free(job);
    return full ? OFFLOAD_E_FULL : 0;
}

struct offload *offload_free(struct offload *offload)
{
    if (!offload)
        return NULL;
    pthread_mutex_lock(&offload->lock);
    offload->stopping = true;
    pthread_cond_broadcast(&offload->changed);
    pthread_mutex_unlock(&offload->lock);
    for (unsigned i = 0; i < offload->n_threads; i++)
        pthread_join(offload->threads[i], NULL);
    pthread_cond_destroy(&offload->changed);
    pthread_mutex_destroy(&offload->lock);
    free(offload);
    return NULL;
}

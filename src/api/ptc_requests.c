/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ptc_requests.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum state {
    RUNNING,
    ANSWERED,
    CANCELLED, /* before it came */
};

struct record {
    struct record *next;
    char id[PTC_REQUEST_ID_MAX + 1];
    char owner[EXECUTION_QUEUE_SIZE];
    enum state state;
    struct run *run; /* a reference while it runs */
    int64_t until_us;
};

struct ptc_requests {
    pthread_mutex_t lock;
    struct record *first, **last; /* oldest first */
    unsigned n_records;
};

int ptc_requests_new(struct ptc_requests **ret_requests)
{
    struct ptc_requests *requests = calloc(1, sizeof(*requests));

    if (!requests)
        return -ENOMEM;
    pthread_mutex_init(&requests->lock, NULL);
    requests->last = &requests->first;
    *ret_requests = requests;
    return 0;
}

static void remove_at(struct ptc_requests *requests, struct record **link)
{
    struct record *record = *link;

    *link = record->next;
    if (requests->last == &record->next)
        requests->last = link;
    requests->n_records--;
    run_unref(record->run);
    free(record);
}

struct ptc_requests *ptc_requests_free(struct ptc_requests *requests)
{
    if (!requests)
        return NULL;
    while (requests->first)
        remove_at(requests, &requests->first);
    pthread_mutex_destroy(&requests->lock);
    free(requests);
    return NULL;
}

bool ptc_request_id_is_valid(const char *id)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    size_t length = strlen(id);

    return length >= 16 && length <= PTC_REQUEST_ID_MAX && strspn(id, alphabet) == length;
}

/* The link to a record that has not expired, or NULL. Forgets what has. */
static struct record **find(struct ptc_requests *requests, const char *id)
{
    struct record **link = &requests->first;
    int64_t now_us = clock_monotonic_us();

    while (*link) {
        if ((*link)->state != RUNNING && (*link)->until_us < now_us) {
            remove_at(requests, link);
            continue;
        }
        if (strcmp((*link)->id, id) == 0)
            return link;
        link = &(*link)->next;
    }
    return NULL;
}

static bool make_room(struct ptc_requests *requests)
{
    if (requests->n_records < PTC_REQUESTS_MAX)
        return true;
    for (struct record **link = &requests->first; *link; link = &(*link)->next)
        if ((*link)->state != RUNNING) {
            remove_at(requests, link);
            return true;
        }
    return false;
}

static struct record *add(struct ptc_requests *requests, const char *id, const char *owner, enum state state)
{
    struct record *record = make_room(requests) ? calloc(1, sizeof(*record)) : NULL;

    if (!record)
        return NULL;
    snprintf(record->id, sizeof(record->id), "%s", id);
    snprintf(record->owner, sizeof(record->owner), "%s", owner);
    record->state = state;
    record->until_us = clock_monotonic_us() + PTC_REQUEST_KEPT_US;
    *requests->last = record;
    requests->last = &record->next;
    requests->n_records++;
    return record;
}

static int begin(struct ptc_requests *requests, const char *id, const char *owner, struct run *run)
{
    struct record **link = find(requests, id), *record;

    if (link && (*link)->state == RUNNING)
        return PTC_REQUEST_E_TAKEN;
    if (link && (*link)->state == CANCELLED && strcmp((*link)->owner, owner) == 0) {
        (*link)->state = ANSWERED;
        return PTC_REQUEST_E_CANCELLED;
    }
    if (link)
        remove_at(requests, link);
    record = add(requests, id, owner, RUNNING);
    if (!record)
        return PTC_REQUEST_E_FULL;
    record->run = run_ref(run);
    return 0;
}

int ptc_requests_begin(struct ptc_requests *requests, const char *id, const char *owner, struct run *run)
{
    int r;

    pthread_mutex_lock(&requests->lock);
    r = begin(requests, id, owner, run);
    pthread_mutex_unlock(&requests->lock);
    return r;
}

void ptc_requests_end(struct ptc_requests *requests, const char *id)
{
    struct record **link;

    pthread_mutex_lock(&requests->lock);
    link = find(requests, id);
    if (link && (*link)->state == RUNNING) {
        (*link)->state = ANSWERED;
        (*link)->until_us = clock_monotonic_us() + PTC_REQUEST_KEPT_US;
        (*link)->run = run_unref((*link)->run);
    }
    pthread_mutex_unlock(&requests->lock);
}

/* *ret_run is a reference to what is to be cancelled, outside the lock, or NULL. */
static enum ptc_cancel cancel(struct ptc_requests *requests, const char *id, const char *owner, struct run **ret_run)
{
    struct record **link = find(requests, id);

    *ret_run = NULL;
    if (!link)
        return add(requests, id, owner, CANCELLED) ? PTC_CANCEL_REQUESTED : PTC_CANCEL_FAILED;
    if (strcmp((*link)->owner, owner) != 0)
        return PTC_CANCEL_FOREIGN;
    *ret_run = run_ref((*link)->run);
    return (*link)->state == ANSWERED ? PTC_CANCEL_COMPLETED : PTC_CANCEL_REQUESTED;
}

enum ptc_cancel ptc_requests_cancel(struct ptc_requests *requests, const char *id, const char *owner)
{
    enum ptc_cancel outcome;
    struct run *run;

    pthread_mutex_lock(&requests->lock);
    outcome = cancel(requests, id, owner, &run);
    pthread_mutex_unlock(&requests->lock);
    run_cancel(run);
    run_unref(run);
    return outcome;
}

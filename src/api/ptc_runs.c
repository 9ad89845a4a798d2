/* SPDX-License-Identifier: Apache-2.0 */
#include "api/ptc_runs.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "engine/running.h"

#define LOOK_US 1000000 /* between two looks at keys and deadlines, while somebody waits */

/* A program that waits. */
struct waiting {
    struct waiting *next;
    struct execution_job *job;
    char token[PTC_TOKEN_SIZE];
    int64_t until_us;
};

struct ptc_runs {
    struct ptc_runs_options options;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct waiting *first, **last; /* in the order of their deadlines */
    unsigned n_waiting;
    bool stopping, has_thread;
    pthread_t thread;
};

void ptc_runs_token(char ret_token[static PTC_TOKEN_SIZE])
{
    id_generate(ret_token);
    id_generate(ret_token + ID_LENGTH);
}

/* Takes the entry at a link out of the list. */
static struct waiting *take_out(struct ptc_runs *runs, struct waiting **link)
{
    struct waiting *entry = *link;

    *link = entry->next;
    if (runs->last == &entry->next)
        runs->last = link;
    runs->n_waiting--;
    entry->next = NULL;
    return entry;
}

void ptc_runs_drop(struct ptc_runs *runs, struct execution_job *job)
{
    admission_abandon(job);
    job->result.outcome = OUTCOME_CANCELLED;
    run_done(job->request.run, &job->result);
    if (runs->options.dropped)
        runs->options.dropped(job);
    execution_job_free(job);
}

/* Outside the lock. */
static void drop_all(struct ptc_runs *runs, struct waiting *entries, const char *why)
{
    while (entries) {
        struct waiting *entry = entries;

        entries = entry->next;
        log_info("execution %s: it waited for tool results and is dropped: %s", entry->job->request.execution_id, why);
        ptc_runs_drop(runs, entry->job);
        free(entry);
    }
}

/* Takes every entry out for which a rule holds; they are returned as a list. */
static struct waiting *take_where(struct ptc_runs *runs,
                                  bool (*holds)(struct ptc_runs *, const struct waiting *, void *), void *context)
{
    struct waiting **link = &runs->first, *taken = NULL, **end = &taken;

    while (*link) {
        if (!holds(runs, *link, context)) {
            link = &(*link)->next;
            continue;
        }
        *end = take_out(runs, link);
        end = &(*end)->next;
    }
    return taken;
}

static bool is_late(struct ptc_runs *runs, const struct waiting *entry, void *now_us)
{
    (void)runs;
    return entry->until_us <= *(int64_t *)now_us;
}

static bool is_keyless(struct ptc_runs *runs, const struct waiting *entry, void *context)
{
    (void)context;
    return runs->options.key_is_gone(entry->job->request.queue, runs->options.data);
}

static bool is_cancelled(struct ptc_runs *runs, const struct waiting *entry, void *context)
{
    (void)runs;
    (void)context;
    return run_is_cancelled(entry->job->request.run);
}

static bool is_any(struct ptc_runs *runs, const struct waiting *entry, void *context)
{
    (void)runs;
    (void)entry;
    (void)context;
    return true;
}

/* Called by whoever cancels an execution that waits. */
static void drop_cancelled(void *context)
{
    struct ptc_runs *runs = context;
    struct waiting *entries;

    pthread_mutex_lock(&runs->lock);
    entries = take_where(runs, is_cancelled, NULL);
    pthread_mutex_unlock(&runs->lock);
    drop_all(runs, entries, "it was cancelled");
}

/* What an entry is weighed by: all count the same, or by the memory that they hold. */
typedef int64_t weigh_fn(const struct waiting *entry);

static int64_t weigh_one(const struct waiting *entry)
{
    (void)entry;
    return 1;
}

static int64_t weigh_memory(const struct waiting *entry)
{
    return entry->job->result.held_bytes;
}

/* All together, or those of one key. */
static int64_t weigh_all(const struct ptc_runs *runs, const char *key_hash, weigh_fn *weigh)
{
    int64_t sum = 0;

    for (const struct waiting *entry = runs->first; entry; entry = entry->next)
        if (!key_hash || strcmp(entry->job->request.queue, key_hash) == 0)
            sum += weigh(entry);
    return sum;
}

/* The oldest of the key that has most: nobody drives out the programs of others but with fewer of his own. */
static struct waiting *take_victim(struct ptc_runs *runs, weigh_fn *weigh)
{
    struct waiting **victim = &runs->first;
    int64_t most = 0;

    for (struct waiting **link = &runs->first; *link; link = &(*link)->next) {
        int64_t n = weigh_all(runs, (*link)->job->request.queue, weigh);

        if (n > most) {
            most = n;
            victim = link;
        }
    }
    return *victim ? take_out(runs, victim) : NULL;
}

/* Who goes next for those that are left; NULL = nobody has to. */
static struct waiting *next_victim(struct ptc_runs *runs)
{
    if (runs->n_waiting > runs->options.max_waiting)
        return take_victim(runs, weigh_one);
    if (runs->n_waiting > 1 && weigh_all(runs, NULL, weigh_memory) > runs->options.max_bytes)
        return take_victim(runs, weigh_memory);
    return NULL;
}

/* Those that go for the one that came last. */
static struct waiting *make_room(struct ptc_runs *runs)
{
    struct waiting *victims = NULL, *victim;

    while ((victim = next_victim(runs))) {
        victim->next = victims;
        victims = victim;
    }
    return victims;
}

/* Takes the entry out of a list that it may be in. True if it was. */
static bool take_back(struct waiting **list, const struct waiting *entry)
{
    while (*list && *list != entry)
        list = &(*list)->next;
    if (!*list)
        return false;
    *list = entry->next;
    return true;
}

int ptc_runs_add(struct ptc_runs *runs, struct execution_job *job, const char *token)
{
    struct waiting *entry, *victims = NULL;
    int r = PTC_RUNS_E_OVER;

    if (runs->options.max_waiting == 0)
        return PTC_RUNS_E_NONE;
    entry = calloc(1, sizeof(*entry));
    if (!entry)
        return -ENOMEM;
    entry->job = job;
    entry->until_us = clock_monotonic_us() + runs->options.ttl_ms * 1000;
    snprintf(entry->token, sizeof(entry->token), "%s", token);
    pthread_mutex_lock(&runs->lock);
    /* What is cancelled from here on waits for the lock, and then finds the entry. */
    if (!runs->stopping && run_wait(job->request.run, drop_cancelled, runs)) {
        *runs->last = entry;
        runs->last = &entry->next;
        runs->n_waiting++;
        victims = make_room(runs);
        r = take_back(&victims, entry) ? PTC_RUNS_E_FULL : 0;
        pthread_cond_signal(&runs->changed);
    }
    pthread_mutex_unlock(&runs->lock);
    if (r != 0)
        free(entry);
    drop_all(runs, victims, "too many wait");
    return r;
}

/* Takes as long for every token of the right length. */
static bool is_token(const char *known, const char *given)
{
    unsigned char difference = 0;

    if (strlen(given) != PTC_TOKEN_SIZE - 1)
        return false;
    for (size_t i = 0; i < PTC_TOKEN_SIZE - 1; i++)
        difference |= (unsigned char)(known[i] ^ given[i]);
    return difference == 0;
}

struct execution_job *ptc_runs_take(struct ptc_runs *runs, const char *token, const char *tenant, const char *key_hash)
{
    struct execution_job *job = NULL;

    pthread_mutex_lock(&runs->lock);
    for (struct waiting **link = &runs->first; *link; link = &(*link)->next) {
        const struct execution_request *request = &(*link)->job->request;
        struct waiting *entry;

        if (!is_token((*link)->token, token))
            continue;
        if (strcmp(request->tenant, tenant) == 0 && strcmp(request->queue, key_hash) == 0) {
            entry = take_out(runs, link);
            job = entry->job;
            free(entry);
        }
        break;
    }
    pthread_mutex_unlock(&runs->lock);
    return job;
}

unsigned ptc_runs_waiting(struct ptc_runs *runs)
{
    unsigned n;

    pthread_mutex_lock(&runs->lock);
    n = runs->n_waiting;
    pthread_mutex_unlock(&runs->lock);
    return n;
}

static void look(struct ptc_runs *runs)
{
    int64_t now_us = clock_monotonic_us();
    struct waiting *late, *keyless;

    late = take_where(runs, is_late, &now_us);
    keyless = take_where(runs, is_keyless, NULL);
    pthread_mutex_unlock(&runs->lock);
    drop_all(runs, late, "its time is over");
    drop_all(runs, keyless, "its key is no good any more");
    pthread_mutex_lock(&runs->lock);
}

static void wait_a_moment(struct ptc_runs *runs)
{
    if (runs->first)
        (void)clock_wait(&runs->changed, &runs->lock, clock_monotonic_us() + LOOK_US);
    else
        pthread_cond_wait(&runs->changed, &runs->lock);
}

static void *look_after(void *argument)
{
    struct ptc_runs *runs = argument;

    pthread_mutex_lock(&runs->lock);
    while (!runs->stopping) {
        wait_a_moment(runs);
        look(runs);
    }
    pthread_mutex_unlock(&runs->lock);
    return NULL;
}

int ptc_runs_new(const struct ptc_runs_options *options, struct ptc_runs **ret_runs)
{
    struct ptc_runs *runs = calloc(1, sizeof(*runs));
    int r;

    if (!runs)
        return -ENOMEM;
    runs->options = *options;
    runs->last = &runs->first;
    pthread_mutex_init(&runs->lock, NULL);
    pthread_cond_init(&runs->changed, NULL);
    r = -pthread_create(&runs->thread, NULL, look_after, runs);
    runs->has_thread = r == 0;
    if (r < 0)
        ptc_runs_free(runs);
    else
        *ret_runs = runs;
    return r;
}

void ptc_runs_stop(struct ptc_runs *runs)
{
    struct waiting *entries;

    pthread_mutex_lock(&runs->lock);
    runs->stopping = true;
    entries = take_where(runs, is_any, NULL);
    pthread_cond_signal(&runs->changed);
    pthread_mutex_unlock(&runs->lock);
    drop_all(runs, entries, "the server stops");
}

struct ptc_runs *ptc_runs_free(struct ptc_runs *runs)
{
    if (!runs)
        return NULL;
    ptc_runs_stop(runs);
    if (runs->has_thread)
        pthread_join(runs->thread, NULL);
    pthread_cond_destroy(&runs->changed);
    pthread_mutex_destroy(&runs->lock);
    free(runs);
    return NULL;
}

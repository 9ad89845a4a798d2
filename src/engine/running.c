/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/running.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/clock.h"
#include "base/hash.h"
#include "engine/feed.h"
#include "engine/live.h"

#define BUCKETS 1024 /* chains stay short: max_runs is of the same size */

/* References: the table's while it is listed, and those of the callers. */
struct run {
    char execution_id[ID_SIZE];
    char tenant[TENANT_SIZE];
    char key_hash[EXECUTION_QUEUE_SIZE];
    atomic_uint references;
    atomic_bool cancelled;

    pthread_mutex_t lock; /* guards what follows; taken after the table's */
    enum run_state state;
    char session_id[ID_SIZE];
    bool has_result;
    enum execution_outcome outcome;
    struct execution_usage usage;
    int wake_fd;
    void (*cancel)(void *context);
    void *context;
    struct live *live;
    struct feed *feed;

    /* the table's lock */
    struct running *table; /* NULL = not listed any more */
    struct run *next_same_bucket;
    struct run *prev_done, *next_done; /* in the order in which they ended */
    int64_t done_us;                   /* 0 = alive */
    int64_t live_bytes;                /* of its events, once it has ended */
};

struct running {
    pthread_mutex_t lock;
    unsigned max_runs, n_runs;
    struct run *buckets[BUCKETS];
    struct run *first_done, *last_done;
    unsigned n_done_live; /* of these, those with events */
    int64_t done_live_bytes;
};

int running_new(unsigned max_runs, struct running **ret_running)
{
    struct running *running = calloc(1, sizeof(*running));

    if (!running)
        return -ENOMEM;
    running->max_runs = max_runs;
    pthread_mutex_init(&running->lock, NULL);
    *ret_running = running;
    return 0;
}

static struct run **bucket_of(struct running *running, const char *execution_id)
{
    return &running->buckets[hash_text(execution_id) % BUCKETS];
}

/* Takes the events of an entry. The caller unrefs them, outside the table's lock. */
static struct live *take_live(struct run *run)
{
    struct live *live;

    pthread_mutex_lock(&run->lock);
    live = run->live;
    run->live = NULL;
    pthread_mutex_unlock(&run->lock);
    return live;
}

static bool has_live(struct run *run)
{
    bool has;

    pthread_mutex_lock(&run->lock);
    has = run->live;
    pthread_mutex_unlock(&run->lock);
    return has;
}

static void unlink_done(struct running *running, struct run *run)
{
    if (has_live(run)) {
        running->n_done_live--;
        running->done_live_bytes -= run->live_bytes;
    }
    *(run->prev_done ? &run->prev_done->next_done : &running->first_done) = run->next_done;
    *(run->next_done ? &run->next_done->prev_done : &running->last_done) = run->prev_done;
}

/* Takes an entry out of the table. The caller gives the table's reference back, outside the lock. */
static struct run *unlist(struct running *running, struct run *run)
{
    struct run **link = bucket_of(running, run->execution_id);

    while (*link != run)
        link = &(*link)->next_same_bucket;
    *link = run->next_same_bucket;
    if (run->done_us)
        unlink_done(running, run);
    run->table = NULL;
    running->n_runs--;
    return run;
}

struct running *running_free(struct running *running)
{
    if (!running)
        return NULL;
    for (unsigned i = 0; i < BUCKETS; i++)
        while (running->buckets[i]) {
            struct run *run;

            pthread_mutex_lock(&running->lock);
            run = unlist(running, running->buckets[i]);
            pthread_mutex_unlock(&running->lock);
            run_unref(run);
        }
    pthread_mutex_destroy(&running->lock);
    free(running);
    return NULL;
}

/* The first that ended of those that are asked for, of this key if there is one; NULL = none. */
static struct run *find_oldest(const struct running *running, const char *key_hash, bool with_live)
{
    struct run *any = NULL;

    for (struct run *run = running->first_done; run; run = run->next_done) {
        if (with_live && !has_live(run))
            continue;
        if (strcmp(run->key_hash, key_hash) == 0)
            return run;
        any = any ? any : run;
    }
    return any;
}

/* Lists the entry. Returns 0 or RUNNING_E_FULL; *ret_victim is unlisted then and the caller's to unref. */
static int list(struct running *running, struct run *run, struct run **ret_victim)
{
    struct run **bucket = bucket_of(running, run->execution_id);

    if (running->n_runs >= running->max_runs) {
        struct run *victim = find_oldest(running, run->key_hash, false);

        if (!victim)
            return RUNNING_E_FULL;
        *ret_victim = unlist(running, victim);
    }
    run->table = running;
    run->next_same_bucket = *bucket;
    *bucket = run;
    running->n_runs++;
    return 0;
}

int running_add(struct running *running, const char *execution_id, const char *tenant, const char *key_hash,
                struct run **ret_run)
{
    struct run *run, *victim = NULL;
    int r;

    *ret_run = NULL;
    if (!running)
        return 0;
    run = calloc(1, sizeof(*run));
    if (!run)
        return -ENOMEM;
    snprintf(run->execution_id, sizeof(run->execution_id), "%s", execution_id);
    snprintf(run->tenant, sizeof(run->tenant), "%s", tenant);
    snprintf(run->key_hash, sizeof(run->key_hash), "%s", key_hash);
    atomic_init(&run->references, 2);
    atomic_init(&run->cancelled, false);
    pthread_mutex_init(&run->lock, NULL);
    run->wake_fd = -1;
    pthread_mutex_lock(&running->lock);
    r = list(running, run, &victim);
    pthread_mutex_unlock(&running->lock);
    run_unref(victim);
    if (r != 0) {
        atomic_store(&run->references, 1);
        run_unref(run);
        return r;
    }
    *ret_run = run;
    return 0;
}

struct run *running_find(struct running *running, const char *execution_id, const char *tenant, const char *key_hash)
{
    struct run *run;

    pthread_mutex_lock(&running->lock);
    run = *bucket_of(running, execution_id);
    while (run && (strcmp(run->execution_id, execution_id) != 0 || strcmp(run->tenant, tenant) != 0 ||
                   strcmp(run->key_hash, key_hash) != 0))
        run = run->next_same_bucket;
    run_ref(run);
    pthread_mutex_unlock(&running->lock);
    return run;
}

void running_expire(struct running *running)
{
    int64_t before_us;
    struct run *run;

    if (!running)
        return;
    before_us = clock_monotonic_us() - RUNNING_KEPT_MS * 1000;
    do {
        pthread_mutex_lock(&running->lock);
        run = running->first_done;
        run = run && run->done_us < before_us ? unlist(running, run) : NULL;
        pthread_mutex_unlock(&running->lock);
        run_unref(run);
    } while (run);
}

struct run *run_ref(struct run *run)
{
    if (run)
        atomic_fetch_add(&run->references, 1);
    return run;
}

struct run *run_unref(struct run *run)
{
    if (run && atomic_fetch_sub(&run->references, 1) == 1) {
        live_unref(run->live);
        feed_unref(run->feed);
        pthread_mutex_destroy(&run->lock);
        free(run);
    }
    return NULL;
}

void run_begin(struct run *run, int wake_fd)
{
    if (!run)
        return;
    pthread_mutex_lock(&run->lock);
    run->state = RUN_RUNNING;
    run->wake_fd = wake_fd;
    run->cancel = NULL;
    pthread_mutex_unlock(&run->lock);
}

void run_leave(struct run *run)
{
    if (!run)
        return;
    pthread_mutex_lock(&run->lock);
    run->wake_fd = -1;
    pthread_mutex_unlock(&run->lock);
}

bool run_wait(struct run *run, void (*cancel)(void *context), void *context)
{
    bool waits = true;

    if (!run)
        return true;
    pthread_mutex_lock(&run->lock);
    run->wake_fd = -1;
    if (atomic_load(&run->cancelled))
        waits = false;
    else {
        run->state = RUN_WAITING;
        run->cancel = cancel;
        run->context = context;
    }
    pthread_mutex_unlock(&run->lock);
    return waits;
}

void run_carry(struct run *run, struct live *live, struct feed *feed)
{
    if (!run)
        return;
    pthread_mutex_lock(&run->lock);
    run->live = live_ref(live);
    run->feed = feed_ref(feed);
    pthread_mutex_unlock(&run->lock);
}

struct live *run_live(struct run *run)
{
    struct live *live;

    pthread_mutex_lock(&run->lock);
    live = live_ref(run->live);
    pthread_mutex_unlock(&run->lock);
    return live;
}

struct feed *run_feed(struct run *run)
{
    struct feed *feed;

    pthread_mutex_lock(&run->lock);
    feed = feed_ref(run->feed);
    pthread_mutex_unlock(&run->lock);
    return feed;
}

void run_session(struct run *run, const char *session_id)
{
    if (!run)
        return;
    pthread_mutex_lock(&run->lock);
    snprintf(run->session_id, sizeof(run->session_id), "%s", session_id);
    pthread_mutex_unlock(&run->lock);
}

static bool has_too_much(const struct running *running)
{
    return running->n_done_live > RUNNING_LIVE_MAX ||
           (running->n_done_live > 1 && running->done_live_bytes > RUNNING_LIVE_BYTES_MAX);
}

/* The oldest events, of this key first. The caller unrefs them outside the lock. */
static struct live *take_oldest_live(struct running *running, const char *key_hash)
{
    struct run *oldest = find_oldest(running, key_hash, true);

    running->n_done_live--;
    running->done_live_bytes -= oldest->live_bytes;
    return take_live(oldest);
}

/* Forgets events until those that are left are not too many. */
static void forget_events(struct running *running, const char *key_hash)
{
    struct live *forgotten;

    do {
        pthread_mutex_lock(&running->lock);
        forgotten = has_too_much(running) ? take_oldest_live(running, key_hash) : NULL;
        pthread_mutex_unlock(&running->lock);
        live_unref(forgotten);
    } while (forgotten);
}

/* Puts it at the end of those that are forgotten one day, if it is not forgotten already. */
static void list_done(struct run *run)
{
    struct running *running = run->table;
    struct live *live;

    if (!running)
        return;
    live = run_live(run);
    pthread_mutex_lock(&running->lock);
    run->done_us = clock_monotonic_us();
    run->prev_done = running->last_done;
    *(running->last_done ? &running->last_done->next_done : &running->first_done) = run;
    running->last_done = run;
    if (live) {
        run->live_bytes = (int64_t)live_bytes(live);
        running->done_live_bytes += run->live_bytes;
        running->n_done_live++;
    }
    pthread_mutex_unlock(&running->lock);
    if (live)
        forget_events(running, run->key_hash);
    live_unref(live);
}

void run_done(struct run *run, const struct execution_result *result)
{
    struct feed *feed;

    if (!run)
        return;
    pthread_mutex_lock(&run->lock);
    feed = feed_ref(run->feed);
    run->state = RUN_DONE;
    run->wake_fd = -1;
    run->cancel = NULL;
    if (result) {
        run->has_result = true;
        run->outcome = result->outcome;
        run->usage = result->usage;
        snprintf(run->session_id, sizeof(run->session_id), "%s", result->session_id);
    }
    pthread_mutex_unlock(&run->lock);
    feed_close(feed); /* also of one that never began */
    feed_unref(feed);
    list_done(run);
}

void run_forget(struct run *run)
{
    struct running *running = run ? run->table : NULL;

    if (!running)
        return;
    pthread_mutex_lock(&running->lock);
    unlist(running, run);
    pthread_mutex_unlock(&running->lock);
    run_unref(run);
}

void run_cancel(struct run *run)
{
    void (*cancel)(void *context);
    void *context;

    if (!run)
        return;
    pthread_mutex_lock(&run->lock);
    if (run->state != RUN_DONE)
        atomic_store(&run->cancelled, true);
    cancel = run->cancel;
    context = run->context;
    run->cancel = NULL;
    if (run->wake_fd >= 0)
        (void)eventfd_write(run->wake_fd, 1);
    pthread_mutex_unlock(&run->lock);
    if (cancel)
        cancel(context);
}

const atomic_bool *run_cancelled(const struct run *run)
{
    return run ? &run->cancelled : NULL;
}

bool run_is_cancelled(const struct run *run)
{
    return run && atomic_load(&run->cancelled);
}

void run_status(struct run *run, struct run_status *ret_status)
{
    *ret_status = (struct run_status){ 0 };
    if (!run)
        return;
    snprintf(ret_status->execution_id, sizeof(ret_status->execution_id), "%s", run->execution_id);
    pthread_mutex_lock(&run->lock);
    ret_status->state = run->state;
    snprintf(ret_status->session_id, sizeof(ret_status->session_id), "%s", run->session_id);
    ret_status->has_result = run->has_result;
    ret_status->outcome = run->outcome;
    ret_status->usage = run->usage;
    pthread_mutex_unlock(&run->lock);
}

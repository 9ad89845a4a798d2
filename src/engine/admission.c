/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/admission.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"
#include "engine/running.h"

#define CLOCK_STEP_MS  100
#define WORKER_STACK   (512u << 10)
#define KEY_QUEUES_MAX 1024

/* Jobs of one key, first come first served. Queues with jobs take turns in a list of their own. */
struct key_queue {
    char name[EXECUTION_QUEUE_SIZE];
    struct execution_job *first, **last;
    struct key_queue *next_turn;
    bool has_turn; /* is in the list of turns; may have run empty since */
};

struct admission {
    struct engine *engine;
    pthread_mutex_t lock;
    pthread_cond_t work, idle;
    struct key_queue *queues[KEY_QUEUES_MAX]; /* open addressing by name */
    struct key_queue *first_turn, **last_turn;
    struct execution_job **running; /* a place for each worker */
    int *wake_fds;                  /* the same: what wakes it while it runs a job */
    pthread_t *workers, ticker;
    unsigned n_workers, n_started, n_wake_fds, n_running, n_waiting;
    unsigned n_resumed; /* programs that shall go on; n_waiting counts those that have not begun */
    bool ticker_started, refusing, stopping;
    double mean_run_ms; /* moving average, to foresee waiting times */
};

struct worker_start {
    struct admission *admission;
    unsigned index;
};

struct execution_job *execution_job_new(void)
{
    struct execution_job *job = calloc(1, sizeof(*job));

    if (job) {
        job->request.client_fd = -1;
        job->tick_us = ADMISSION_TICK_US;
        job->result.usage = EXECUTION_USAGE_NONE; /* it may be given up before anything is measured */
        job->result.keeper_fd = -1;
    }
    return job;
}

struct execution_job *execution_job_free(struct execution_job *job)
{
    if (job) {
        job->paused = execution_drop(job->paused);
        execution_request_deinit(&job->request);
        cleanup_close_fd(&job->result.keeper_fd);
        execution_result_deinit(&job->result);
        free(job);
    }
    return NULL;
}

static struct key_queue *find_queue(struct admission *a, const char *name)
{
    unsigned hash = hash_text(name);

    for (unsigned i = 0; i < KEY_QUEUES_MAX; i++) {
        struct key_queue **place = &a->queues[(hash + i) % KEY_QUEUES_MAX];

        if (!*place) {
            *place = calloc(1, sizeof(**place));
            if (*place) {
                snprintf((*place)->name, sizeof((*place)->name), "%s", name);
                (*place)->last = &(*place)->first;
            }
            return *place;
        }
        if (strcmp((*place)->name, name) == 0)
            return *place;
    }
    return a->queues[hash % KEY_QUEUES_MAX]; /* more keys than queues: some share one */
}

static void give_turn(struct admission *a, struct key_queue *queue)
{
    queue->next_turn = NULL;
    queue->has_turn = true;
    *a->last_turn = queue;
    a->last_turn = &queue->next_turn;
}

static struct key_queue *take_turn(struct admission *a)
{
    struct key_queue *queue = a->first_turn;

    a->first_turn = queue->next_turn;
    if (!a->first_turn)
        a->last_turn = &a->first_turn;
    queue->has_turn = false;
    return queue;
}

static unsigned *counter_of(struct admission *a, const struct execution_job *job)
{
    return job->resumed ? &a->n_resumed : &a->n_waiting;
}

/* What goes on comes before all of its key that have not begun, behind others that go on. */
static struct execution_job **place_of(struct key_queue *queue, const struct execution_job *job)
{
    struct execution_job **link = &queue->first;

    if (!job->resumed)
        return queue->last;
    while (*link && (*link)->resumed)
        link = &(*link)->next;
    return link;
}

static void enqueue(struct admission *a, struct key_queue *queue, struct execution_job *job)
{
    struct execution_job **place = place_of(queue, job);

    job->next = *place;
    *place = job;
    if (place == queue->last)
        queue->last = &job->next;
    (*counter_of(a, job))++;
    if (!queue->has_turn)
        give_turn(a, queue);
}

/* The next job; there is one. */
static struct execution_job *dequeue(struct admission *a)
{
    struct key_queue *queue;
    struct execution_job *job;

    do
        queue = take_turn(a);
    while (!queue->first);
    job = queue->first;
    queue->first = job->next;
    (*counter_of(a, job))--;
    if (queue->first)
        give_turn(a, queue);
    else
        queue->last = &queue->first;
    return job;
}

static void tell_idle(struct admission *a)
{
    if (a->n_running == 0 && a->n_waiting == 0 && a->n_resumed == 0)
        pthread_cond_broadcast(&a->idle);
}

static bool client_is_gone(const struct execution_job *job)
{
    struct pollfd p = { .fd = job->request.client_fd, .events = POLLRDHUP };

    return p.fd >= 0 && poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static bool is_overdue(const struct admission *a, const struct execution_job *job, int64_t now_us)
{
    return now_us - job->request.received_us > (int64_t)a->engine->max_queue_seconds * 1000000;
}

/* Nobody waits for what it would do. */
static enum admission_end give_up(struct execution_job *job)
{
    job->paused = execution_drop(job->paused);
    job->result.outcome = OUTCOME_CANCELLED;
    job->result.usage.queue_ms = (double)(clock_monotonic_us() - job->request.received_us) / 1000;
    return ADMISSION_CANCELLED;
}

static enum admission_end execute(struct admission *a, struct execution_job *job)
{
    int r = execution_run(a->engine, &job->request, &job->result, job->error, sizeof(job->error), &job->paused);

    if (r < 0)
        return ADMISSION_FAILED;
    if (r == EXECUTION_E_PAUSED && client_is_gone(job))
        return give_up(job); /* nobody else will ever know the token */
    return r == EXECUTION_E_PAUSED ? ADMISSION_PAUSED : r == EXECUTION_E_REFUSED ? ADMISSION_REFUSED : ADMISSION_DONE;
}

/* Whether the key of a job that has waited is no good any more. */
static bool is_forbidden(const struct admission *a, const struct execution_job *job)
{
    const struct engine *engine = a->engine;

    return engine->key_is_gone && engine->key_is_gone(job->request.queue, engine->key_data);
}

static enum admission_end begin(struct admission *a, struct execution_job *job)
{
    if (client_is_gone(job) || atomic_load(&a->engine->cancel_all))
        return give_up(job);
    if (is_forbidden(a, job)) {
        (void)give_up(job);
        return ADMISSION_FORBIDDEN;
    }
    return execute(a, job);
}

/* Runs one job outside the lock. */
static void run_job(struct admission *a, unsigned index, struct execution_job *job)
{
    int64_t begun_us = clock_monotonic_us();
    enum admission_end end;

    job->request.wake_fd = a->wake_fds[index];
    end = begin(a, job);
    pthread_mutex_lock(&a->lock);
    a->running[index] = NULL; /* no tick after this */
    a->n_running--;
    if (end != ADMISSION_CANCELLED && end != ADMISSION_FORBIDDEN)
        a->mean_run_ms += ((double)(clock_monotonic_us() - begun_us) / 1000 - a->mean_run_ms) / 16;
    tell_idle(a);
    pthread_mutex_unlock(&a->lock);
    job->done(job, end);
}

/* Programs that run, or shall go on. Those that wait for their clients have slots of their own. */
static unsigned n_busy(const struct admission *a)
{
    return a->n_running + a->n_resumed;
}

static bool can_take(const struct admission *a)
{
    return a->n_resumed > 0 || a->n_waiting > 0;
}

static void *work(void *argument)
{
    struct worker_start start = *(struct worker_start *)argument;
    struct admission *a = start.admission;

    free(argument);
    pthread_mutex_lock(&a->lock);
    for (;;) {
        struct execution_job *job;

        while (!can_take(a) && !a->stopping)
            pthread_cond_wait(&a->work, &a->lock);
        if (!can_take(a))
            break;
        job = dequeue(a);
        a->running[start.index] = job;
        a->n_running++;
        pthread_mutex_unlock(&a->lock);
        run_job(a, start.index, job);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static void tick_if_due(struct execution_job *job, int64_t now_us)
{
    if (!job->tick || now_us - job->request.received_us < job->tick_us * (job->n_ticks + 1))
        return;
    job->n_ticks++;
    job->tick(job);
}

/* Takes jobs that nobody waits for any more, or that waited too long, out of a queue; they are returned as a list. */
static struct execution_job *take_hopeless(struct admission *a, struct key_queue *queue, int64_t now_us)
{
    struct execution_job **link = &queue->first, *taken = NULL;

    while (*link) {
        struct execution_job *job = *link;

        job->overdue = !job->resumed && is_overdue(a, job, now_us);
        if (!job->overdue && !client_is_gone(job) && !run_is_cancelled(job->request.run)) {
            tick_if_due(job, now_us);
            link = &job->next;
            continue;
        }
        *link = job->next;
        job->next = taken;
        taken = job;
        (*counter_of(a, job))--;
    }
    queue->last = link;
    return taken;
}

static enum admission_end end_hopeless(struct admission *a, struct execution_job *job)
{
    if (job->overdue)
        return ADMISSION_OVERDUE;
    if (!run_is_cancelled(job->request.run) || client_is_gone(job) || job->resumed)
        return give_up(job);
    job->request.wake_fd = -1;
    return execute(a, job);
}

static void finish_hopeless(struct admission *a, struct execution_job *jobs)
{
    while (jobs) {
        struct execution_job *job = jobs;

        jobs = job->next;
        job->done(job, end_hopeless(a, job));
    }
}

/* Ticks what is due and collects what is hopeless. */
static struct execution_job *look_around(struct admission *a)
{
    struct execution_job *hopeless = NULL, **last = &hopeless;
    int64_t now_us = clock_monotonic_us();

    for (unsigned i = 0; i < a->n_workers; i++)
        if (a->running[i])
            tick_if_due(a->running[i], now_us);
    for (unsigned i = 0; i < KEY_QUEUES_MAX && can_take(a); i++) {
        if (a->queues[i])
            *last = take_hopeless(a, a->queues[i], now_us);
        while (*last)
            last = &(*last)->next;
    }
    tell_idle(a);
    running_expire(a->engine->running);
    return hopeless;
}

static void *tick(void *argument)
{
    struct admission *a = argument;

    pthread_mutex_lock(&a->lock);
    while (!a->stopping) {
        struct execution_job *hopeless = look_around(a);

        pthread_mutex_unlock(&a->lock);
        finish_hopeless(a, hopeless);
        nanosleep(&(struct timespec){ .tv_nsec = CLOCK_STEP_MS * 1000000L }, NULL);
        pthread_mutex_lock(&a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

static int start_worker(struct admission *a, const pthread_attr_t *attributes)
{
    struct worker_start *start = malloc(sizeof(*start));
    int r;

    if (!start)
        return -ENOMEM;
    *start = (struct worker_start){ a, a->n_started };
    a->wake_fds[a->n_started] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (a->wake_fds[a->n_started] < 0) {
        r = error_from_errno();
        free(start);
        return r;
    }
    r = pthread_create(&a->workers[a->n_started], attributes, work, start);
    if (r != 0) {
        close(a->wake_fds[a->n_started]);
        free(start);
        return -r;
    }
    a->n_started++;
    a->n_wake_fds++;
    return 0;
}

int admission_new(struct engine *engine, struct admission **ret_admission)
{
    struct admission *a = calloc(1, sizeof(*a));
    pthread_attr_t attributes;
    int r = 0;

    if (!a)
        return -ENOMEM;
    a->engine = engine;
    a->n_workers = engine->max_concurrent;
    a->last_turn = &a->first_turn;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->work, NULL);
    pthread_cond_init(&a->idle, NULL);
    a->running = calloc(a->n_workers, sizeof(*a->running));
    a->workers = calloc(a->n_workers, sizeof(*a->workers));
    a->wake_fds = calloc(a->n_workers, sizeof(*a->wake_fds));
    if (!a->running || !a->workers || !a->wake_fds)
        r = -ENOMEM;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, WORKER_STACK);
    for (unsigned i = 0; i < a->n_workers && r == 0; i++)
        r = start_worker(a, &attributes);
    if (r == 0) {
        r = -pthread_create(&a->ticker, &attributes, tick, a);
        a->ticker_started = r == 0;
    }
    pthread_attr_destroy(&attributes);
    if (r < 0)
        admission_free(a);
    else
        *ret_admission = a;
    return r;
}

/* Seconds a job would wait if it came now. */
static double foreseen_wait_s(const struct admission *a)
{
    unsigned n_before = a->n_waiting + a->n_resumed;

    return n_busy(a) < a->n_workers ? 0 : a->mean_run_ms / 1000 * (n_before + 1) / a->n_workers;
}

int admission_submit(struct admission *admission, struct execution_job *job, unsigned *ret_retry_after_seconds)
{
    struct admission *a = admission;
    struct key_queue *queue;
    double wait_s;
    int r = 0;

    pthread_mutex_lock(&a->lock);
    wait_s = foreseen_wait_s(a);
    queue = find_queue(a, job->request.queue);
    if (a->refusing)
        r = ADMISSION_E_STOPPING;
    else if (!queue)
        r = -ENOMEM;
    else if (n_busy(a) + a->n_waiting >= a->n_workers + a->engine->max_queued ||
             wait_s > a->engine->max_queue_seconds) {
        *ret_retry_after_seconds = (unsigned)wait_s + 1;
        r = ADMISSION_E_FULL;
    } else
        enqueue(a, queue, job);
    pthread_mutex_unlock(&a->lock);
    if (r == 0)
        pthread_cond_signal(&a->work); /* under the lock, a worker would wake only to wait for it */
    return r;
}

int admission_resume(struct admission *admission, struct execution_job *job)
{
    struct admission *a = admission;
    struct key_queue *queue;
    int r = 0;

    pthread_mutex_lock(&a->lock);
    queue = find_queue(a, job->request.queue);
    if (a->refusing)
        r = ADMISSION_E_STOPPING;
    else if (!queue)
        r = -ENOMEM;
    else {
        job->resumed = true;
        job->n_ticks = 0;
        enqueue(a, queue, job);
    }
    pthread_mutex_unlock(&a->lock);
    if (r == 0)
        pthread_cond_signal(&a->work);
    return r;
}

void admission_abandon(struct execution_job *job)
{
    job->paused = execution_drop(job->paused);
}

unsigned admission_running(struct admission *admission)
{
    unsigned n;

    pthread_mutex_lock(&admission->lock);
    n = admission->n_running;
    pthread_mutex_unlock(&admission->lock);
    return n;
}

unsigned admission_waiting(struct admission *admission)
{
    unsigned n;

    pthread_mutex_lock(&admission->lock);
    n = admission->n_waiting + admission->n_resumed;
    pthread_mutex_unlock(&admission->lock);
    return n;
}

void admission_drain(struct admission *admission, int64_t grace_ms)
{
    struct admission *a = admission;
    int64_t until_us = clock_monotonic_us() + grace_ms * 1000;
    bool waiting = true;

    pthread_mutex_lock(&a->lock);
    a->refusing = true;
    while ((a->n_running > 0 || a->n_waiting > 0 || a->n_resumed > 0) && waiting)
        waiting = clock_wait(&a->idle, &a->lock, until_us) == 0;
    atomic_store(&a->engine->cancel_all, true);
    a->stopping = true;
    pthread_cond_broadcast(&a->work);
    pthread_mutex_unlock(&a->lock);
    for (unsigned i = 0; i < a->n_started; i++)
        pthread_join(a->workers[i], NULL);
    a->n_started = 0;
    if (a->ticker_started)
        pthread_join(a->ticker, NULL);
    a->ticker_started = false;
}

struct admission *admission_free(struct admission *admission)
{
    if (!admission)
        return NULL;
    if (admission->n_started > 0 || admission->ticker_started)
        admission_drain(admission, 0);
    for (unsigned i = 0; i < KEY_QUEUES_MAX; i++)
        free(admission->queues[i]);
    for (unsigned i = 0; i < admission->n_wake_fds; i++)
        close(admission->wake_fds[i]);
    free(admission->wake_fds);
    free(admission->running);
    free(admission->workers);
    pthread_cond_destroy(&admission->work);
    pthread_cond_destroy(&admission->idle);
    pthread_mutex_destroy(&admission->lock);
    free(admission);
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_house.h"

#include <malloc.h>
#include <pthread.h>
#include <string.h>

#include "api/gate.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "domain/audit.h"
#include "domain/file.h"
#include "domain/keyring.h"
#include "domain/session.h"
#include "engine/hot.h"

#define TICK_MS 1000
#define PROBE_AGE_US                                                                                                   \
    (25 * 1000000LL) /* a success older than this is worth a probe; well below the window of readiness */
#define PROBE_RETRY_US   (2 * 1000000LL)
#define PROBE_TIMEOUT_MS 10000
#define SWEEP_FIRST_US   (10 * 1000000LL)
#define FREE_BYTES_KEPT  (4u << 20)
#define TRIM_INTERVAL_US (10 * 1000000LL)
#define SWEEP_BATCH      100
#define ARCHIVE_FIRST_US (20 * 1000000LL)
#define ARCHIVE_BATCH    20
#define EXPIRE_BATCH     1000

struct api_house {
    struct api *api;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool stopping, probing; /* these under lock */
    char probe_session[ID_SIZE];
    int64_t next_probe_us;
    int64_t sweep_interval_us, next_sweep_us;
    int64_t archive_interval_us, next_archive_us;
    int64_t next_trim_us;
    struct api_versions *versions; /* borrowed */
    bool versions_known;
    bool counters_fail;
};

/* On a worker thread of the admission. */
static void probe_done(struct execution_job *job, enum admission_end end)
{
    struct api_house *house = job->context;
    bool fine = end == ADMISSION_DONE && job->result.outcome == OUTCOME_OK;

    if (fine)
        readiness_succeeded(&house->api->readiness);
    else if (end == ADMISSION_DONE)
        readiness_failed(&house->api->readiness, "A trial execution did not succeed");
    else
        readiness_failed(&house->api->readiness, *job->error ? job->error : "A trial execution could not run");
    pthread_mutex_lock(&house->lock);
    if (end == ADMISSION_DONE)
        memcpy(house->probe_session, job->result.session_id, sizeof(house->probe_session));
    house->probing = false;
    house->next_probe_us = clock_monotonic_us() + (fine ? 0 : PROBE_RETRY_US);
    pthread_cond_broadcast(&house->changed);
    pthread_mutex_unlock(&house->lock);
    execution_job_free(job);
}

/* Every probe uses the session of the one before, so that they leave no trail of sessions. */
static int fill_probe(struct api_house *house, struct execution_job *job)
{
    struct execution_request *request = &job->request;

    request->language = language_find(house->api->engine->languages, "bash");
    request->code = strdup(":");
    request->session_id = *house->probe_session ? strdup(house->probe_session) : NULL;
    if (!request->language || !request->language->available)
        return -ENOENT;
    if (!request->code || (*house->probe_session && !request->session_id))
        return -ENOMEM;
    request->code_length = 1;
    request->cold = true;
    request->timeout_ms = PROBE_TIMEOUT_MS;
    request->received_us = clock_monotonic_us();
    request->client_fd = -1;
    id_generate(request->execution_id);
    memcpy(request->tenant, TENANT_PROBE, sizeof(TENANT_PROBE));
    job->done = probe_done;
    job->context = house;
    return 0;
}

static void start_probe(struct api_house *house)
{
    struct execution_job *job = execution_job_new();
    unsigned retry_after;
    int r = job ? fill_probe(house, job) : -ENOMEM;

    if (r == 0) {
        pthread_mutex_lock(&house->lock);
        house->probing = true;
        pthread_mutex_unlock(&house->lock);
        r = admission_submit(house->api->admission, job, &retry_after);
    }
    if (r == 0)
        return;
    pthread_mutex_lock(&house->lock);
    house->probing = false;
    house->next_probe_us = clock_monotonic_us() + PROBE_RETRY_US;
    pthread_mutex_unlock(&house->lock);
    if (r < 0)
        readiness_failed(&house->api->readiness, r == -ENOENT ? "bash, which trial executions need, is not installed"
                                                              : "A trial execution could not run");
    if (job)
        execution_job_free(job);
}

static bool probe_is_due(struct api_house *house)
{
    char reason[READINESS_REASON_SIZE];
    int64_t age_us;
    bool due;

    (void)readiness_check(&house->api->readiness, reason, &age_us);
    pthread_mutex_lock(&house->lock);
    due = !house->probing && (age_us < 0 || age_us > PROBE_AGE_US) && clock_monotonic_us() >= house->next_probe_us;
    pthread_mutex_unlock(&house->lock);
    return due;
}

static bool is_stopping(struct api_house *house)
{
    bool stopping;

    pthread_mutex_lock(&house->lock);
    stopping = house->stopping;
    pthread_mutex_unlock(&house->lock);
    return stopping;
}

static void tell_expired(struct api_house *house, unsigned n)
{
    struct audit_event event;

    log_info("removed %u expired sessions", n);
    audit_begin(&event, "session", AUDIT_INFO);
    audit_text(&event, "operation", "expired");
    audit_number(&event, "count", n);
    audit_post(house->api->engine->audit, &event);
}

static void sweep(struct api_house *house)
{
    unsigned total = 0, swept = SWEEP_BATCH;
    int r = 0;

    while (r == 0 && swept == SWEEP_BATCH && !is_stopping(house)) {
        r = file_sweep(house->api->engine->kv, house->api->engine->blobs, SWEEP_BATCH, &swept);
        total += r == 0 ? swept : 0;
    }
    if (r < 0)
        log_warning("sweep of expired sessions: %s", strerror(-r));
    else if (total > 0)
        tell_expired(house, total);
    house->next_sweep_us = clock_monotonic_us() + house->sweep_interval_us;
}

/* After the first success, so that the start is not slowed by it. */
static void find_versions(struct api_house *house)
{
    char reason[READINESS_REASON_SIZE];
    int64_t age_us;

    if (!house->versions->asked && !readiness_check(&house->api->readiness, reason, &age_us))
        return;
    house->versions_known = api_versions_take(house->versions, house->api->engine->languages);
}

/* A few at a time, and the next few a tick later: each is written and synced. */
static void archive(struct api_house *house)
{
    const struct engine *engine = house->api->engine;
    const struct state_store store = {
        .kv = engine->kv, .blobs = engine->blobs, .rules = &engine->state, .audit = engine->audit
    };
    unsigned seen, archived;
    int r = state_archive(&store, ARCHIVE_BATCH, &seen, &archived);

    if (r < 0)
        log_warning("archiving Python states: %s", strerror(-r));
    else if (archived > 0)
        log_info("archived %u Python states", archived);
    if (r == 0)
        r = kv_expire(engine->kv, EXPIRE_BATCH);
    if (r < 0)
        log_warning("removal of expired records: %s", strerror(-r));
    if (r < 0 || seen < ARCHIVE_BATCH)
        house->next_archive_us = clock_monotonic_us() + house->archive_interval_us;
}

/* Sleeps a tick, less if told to stop. Returns false then. */
static bool sleep_tick(struct api_house *house)
{
    int64_t until_us = clock_monotonic_us() + TICK_MS * 1000;
    bool stopping;

    pthread_mutex_lock(&house->lock);
    if (!house->stopping)
        (void)clock_wait(&house->changed, &house->lock, until_us);
    stopping = house->stopping;
    pthread_mutex_unlock(&house->lock);
    return !stopping;
}

/* Requests leave the heap in pieces, between what lasts longer than they do, and the C library keeps them. A large one
 * leaves much, which is given back at once; the rest when nobody waits for the time that this takes. */
static void trim_memory(struct api_house *house)
{
    struct admission *admission = house->api->admission;
    bool idle = admission_running(admission) + admission_waiting(admission) == 0;

    if (mallinfo2().fordblks <= FREE_BYTES_KEPT && !(idle && clock_monotonic_us() >= house->next_trim_us))
        return;
    malloc_trim(0);
    house->next_trim_us = clock_monotonic_us() + TRIM_INTERVAL_US;
}

/* Counters that cannot be written stay in memory; one line tells of it, and one of the end. */
static void keep_counters(struct api_house *house)
{
    int r = keyring_flush(gate_keyring(house->api->gate));

    if (r < 0 && !house->counters_fail)
        log_warning("the counters of keys cannot be kept: %s", strerror(-r));
    if (r == 0 && house->counters_fail)
        log_info("the counters of keys are kept again");
    house->counters_fail = r < 0;
}

/* Its session has ended, or its key is not good any more. */
static bool is_out_of_use(void *context, const struct hot_cell *cell)
{
    struct api *api = context;

    return session_is_expired(api->engine->kv, cell->session.id) == 1 || gate_key_is_gone(cell->queue, api);
}

static void *house_main(void *data)
{
    struct api_house *house = data;

    do {
        if (probe_is_due(house))
            start_probe(house);
        if (clock_monotonic_us() >= house->next_sweep_us)
            sweep(house);
        if (clock_monotonic_us() >= house->next_archive_us)
            archive(house);
        if (!house->versions_known)
            find_versions(house);
        if (house->api->engine->hot)
            hot_expire(house->api->engine->hot, is_out_of_use, house->api);
        keep_counters(house);
        trim_memory(house);
    } while (sleep_tick(house));
    return NULL;
}

int api_house_new(struct api *api, const struct config *config, struct api_versions *versions,
                  struct api_house **ret_house)
{
    CLEANUP_FREE struct api_house *house = calloc(1, sizeof(*house));
    int r;

    if (!house)
        return -ENOMEM;
    house->api = api;
    house->versions = versions;
    house->sweep_interval_us = config->session_cleanup_interval_minutes * 60 * 1000000;
    house->next_sweep_us = clock_monotonic_us() + SWEEP_FIRST_US;
    house->archive_interval_us = config->state_archive_check_interval_seconds * 1000000;
    house->next_archive_us = clock_monotonic_us() + ARCHIVE_FIRST_US;
    pthread_mutex_init(&house->lock, NULL);
    pthread_cond_init(&house->changed, NULL);
    r = pthread_create(&house->thread, NULL, house_main, house);
    if (r != 0)
        return -r;
    *ret_house = TAKE_PTR(house);
    return 0;
}

struct api_house *api_house_free(struct api_house *house)
{
    if (!house)
        return NULL;
    pthread_mutex_lock(&house->lock);
    house->stopping = true;
    pthread_cond_broadcast(&house->changed);
    pthread_mutex_unlock(&house->lock);
    pthread_join(house->thread, NULL);
    pthread_cond_destroy(&house->changed);
    pthread_mutex_destroy(&house->lock);
    free(house);
    return NULL;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* health.c -- is the server there, are its parts, can it run code (admin.md A1; extensions.md X2).
 *
 * The names of the services are the contract's: redis stands for the state store, s3 for the object store, nsjail for
 * the sandbox, sandbox_pool for what waits for programs. Probes may take seconds, so they are waited for on offload
 * threads. */
#include "api/health.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/handlers.h"
#include "api/offload.h"
#include "api/probe.h"
#include "api/query.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/json.h"

#define PROBE_LIMIT_MS 3000
#define CACHE_US       (30 * 1000000LL)
#define SERVICE_NAME   "code-interpreter-api"
#define SYSTEM_FAILURE                                                                                                 \
    "{\"status\":\"unhealthy\",\"error\":\"Health check system failure\",\"details\":\"Internal error\"}"

/* From best to worst. */
enum status {
    HEALTHY,
    DEGRADED,
    UNHEALTHY,
};

static const char *const status_names[] = {
    [HEALTHY] = "healthy",
    [DEGRADED] = "degraded",
    [UNHEALTHY] = "unhealthy",
};

enum service_id {
    SERVICE_REDIS,
    SERVICE_S3,
    SERVICE_NSJAIL,
    SERVICE_POOL, /* the last: it is there only if there is a pool */
    SERVICE_COUNT,
};

static bool ask_kv(void *context, char ret_reason[static PROBE_REASON_SIZE]);
static bool ask_blobs(void *context, char ret_reason[static PROBE_REASON_SIZE]);
static bool ask_sandbox(void *context, char ret_reason[static PROBE_REASON_SIZE]);
static json_t *sandbox_details(struct api *api);
static json_t *kv_details(struct api *api);
static json_t *blob_details(struct api *api);
static bool ask_pool(void *context, char ret_reason[static PROBE_REASON_SIZE]);
static json_t *pool_details(struct api *api);

static const struct service {
    const char *name;
    probe_question question;
    double degraded_ms; /* slower than this is degraded */
    json_t *(*details)(struct api *api);
} services[SERVICE_COUNT] = {
    [SERVICE_REDIS] = { "redis", ask_kv, 1000, kv_details },
    [SERVICE_S3] = { "s3", ask_blobs, 2000, blob_details },
    [SERVICE_NSJAIL] = { "nsjail", ask_sandbox, INFINITY, sandbox_details },
    [SERVICE_POOL] = { "sandbox_pool", ask_pool, INFINITY, pool_details },
};

struct health {
    struct api *api;
    struct probe probes[SERVICE_COUNT];
    pthread_mutex_t lock; /* for the cache */
    char *report;         /* JSON text of the last detailed report, or NULL */
    enum status report_status;
    int64_t report_us;
};

static bool ask_kv(void *context, char ret_reason[static PROBE_REASON_SIZE])
{
    const struct api *api = context;
    int r = kv_ping(api->engine->kv);

    if (r < 0)
        snprintf(ret_reason, PROBE_REASON_SIZE, "the database does not answer: %s", strerror(-r));
    return r >= 0;
}

/* Writes a byte and forgets it: what finds a full or read-only disk. */
static bool ask_blobs(void *context, char ret_reason[static PROBE_REASON_SIZE])
{
    const struct api *api = context;
    struct blob_writer *writer = NULL;
    int r = blob_writer_new(api->engine->blobs, "health", false, 1, &writer);

    if (r == 0)
        r = blob_writer_append(writer, "", 1);
    blob_writer_free(writer);
    if (r)
        snprintf(ret_reason, PROBE_REASON_SIZE, "the file store cannot be written: %s",
                 r == BLOB_E_FULL ? "no space left" : strerror(-r));
    return r == 0;
}

static bool ask_sandbox(void *context, char ret_reason[static PROBE_REASON_SIZE])
{
    struct api *api = context;
    char reason[READINESS_REASON_SIZE];
    int64_t age_us;
    bool ready = readiness_check(&api->readiness, reason, &age_us);

    if (!ready)
        snprintf(ret_reason, PROBE_REASON_SIZE, "%.*s", PROBE_REASON_SIZE - 1, reason);
    return ready;
}

static json_t *kv_details(struct api *api)
{
    (void)api;
    return json_pack("{s:s}", "backend", "sqlite");
}

static json_t *blob_details(struct api *api)
{
    (void)api;
    return json_pack("{s:s}", "backend", "directory");
}

static json_t *sandbox_details(struct api *api)
{
    char reason[READINESS_REASON_SIZE];
    int64_t age_us;
    json_t *details;

    (void)readiness_check(&api->readiness, reason, &age_us);
    details = json_pack("{s:s, s:i, s:i}", "backend", "codecell-warden", "running",
                        (int)admission_running(api->admission), "waiting", (int)admission_waiting(api->admission));
    if (details && age_us >= 0)
        json_object_set_new(details, "last_success_seconds", json_integer(age_us / 1000000));
    return details;
}

/* A pool that is empty costs time and nothing else. */
static bool ask_pool(void *context, char ret_reason[static PROBE_REASON_SIZE])
{
    (void)context;
    (void)ret_reason;
    return true;
}

static json_t *pool_details(struct api *api)
{
    const struct language_table *table = api->engine->languages;
    const struct warm_counts *counts = api->engine->warm;
    json_t *languages = json_object();

    for (size_t i = 0; i < table->n_languages; i++)
        if (table->languages[i].available && table->languages[i].warm != WARM_NONE)
            json_object_set_new(languages, table->languages[i].code,
                                json_integer(language_count_warm(&table->languages[i], counts)));
    return json_pack("{s:b, s:s, s:i, s:o}", "enabled", 1, "architecture", "codecell-zygote", "total_available",
                     (int)language_count_all_warm(counts), "languages", languages);
}

static size_t count_services(const struct api *api)
{
    return api->has_pool ? SERVICE_COUNT : SERVICE_POOL;
}

static enum status status_of(const struct service *service, const struct probe_answer *answer)
{
    if (!answer->fine)
        return UNHEALTHY;
    return answer->response_ms > service->degraded_ms ? DEGRADED : HEALTHY;
}

static json_t *service_json(struct api *api, const struct service *service, const struct probe_answer *answer)
{
    char timestamp[CLOCK_ISO_SIZE];
    json_t *object, *details = answer->fine ? service->details(api) : NULL;

    clock_format_iso(clock_wall_ms(), timestamp);
    object =
        json_pack("{s:s, s:s, s:s, s:f}", "service", service->name, "status", status_names[status_of(service, answer)],
                  "timestamp", timestamp, "response_time_ms", round(answer->response_ms * 1000) / 1000);
    if (object && details)
        json_object_set(object, "details", details);
    if (object && !answer->fine)
        json_object_set_new(object, "error", json_string(answer->reason));
    json_decref(details);
    return object;
}

static json_t *summary_json(size_t n_services, const unsigned counts[static UNHEALTHY + 1])
{
    return json_pack("{s:i, s:i, s:i, s:i}", "total_services", (int)n_services, "healthy_services",
                     (int)counts[HEALTHY], "degraded_services", (int)counts[DEGRADED], "unhealthy_services",
                     (int)counts[UNHEALTHY]);
}

/* Asks all services at once and renders the report of A1.2. Returns its text (the caller's) or NULL without memory. */
static char *report_make(struct health *health, enum status *ret_worst)
{
    CLEANUP_JSON json_t *list = json_object();
    CLEANUP_JSON json_t *report = NULL;
    uint64_t tickets[SERVICE_COUNT];
    size_t n_services = count_services(health->api);
    unsigned counts[UNHEALTHY + 1] = { 0 };
    char timestamp[CLOCK_ISO_SIZE];
    int64_t deadline_us = clock_monotonic_us() + PROBE_LIMIT_MS * 1000LL;

    *ret_worst = HEALTHY;
    for (size_t i = 0; i < n_services; i++)
        tickets[i] = probe_start(&health->probes[i]);
    for (size_t i = 0; i < n_services; i++) {
        struct probe_answer answer = probe_wait(&health->probes[i], tickets[i], deadline_us);
        enum status status = status_of(&services[i], &answer);

        counts[status]++;
        *ret_worst = status > *ret_worst ? status : *ret_worst;
        json_object_set_new(list, services[i].name, service_json(health->api, &services[i], &answer));
    }
    clock_format_iso(clock_wall_ms(), timestamp);
    report = json_pack("{s:s, s:s, s:O, s:o}", "status", status_names[*ret_worst], "timestamp", timestamp, "services",
                       list, "summary", summary_json(n_services, counts));
    return json_dumps(report, JSON_ANSWER);
}

/* The cached report if it is young enough and wanted, else NULL. */
static char *report_cached(struct health *health, bool use_cache, enum status *ret_status)
{
    char *report = NULL;

    pthread_mutex_lock(&health->lock);
    if (use_cache && health->report && clock_monotonic_us() - health->report_us < CACHE_US) {
        report = strdup(health->report);
        *ret_status = health->report_status;
    }
    pthread_mutex_unlock(&health->lock);
    return report;
}

static void report_keep(struct health *health, const char *report, enum status status)
{
    char *copy = strdup(report);

    pthread_mutex_lock(&health->lock);
    free(health->report);
    health->report = copy;
    health->report_status = status;
    health->report_us = clock_monotonic_us();
    pthread_mutex_unlock(&health->lock);
}

static void respond_report(struct http_request *request, char *report, enum status status)
{
    const struct http_header headers[] = {
        { status == DEGRADED ? "X-Health-Status" : NULL, "degraded" },
        { NULL, NULL },
    };

    http_respond(request, status == UNHEALTHY ? 503 : 200, "application/json", headers, report, strlen(report));
}

static void check_all(void *context)
{
    struct http_request *request = context;
    const struct api *api = http_request_data(request);
    enum status status;
    char *report = report_make(api->health, &status);

    if (!report) {
        http_respond_static(request, 503, "application/json", NULL, SYSTEM_FAILURE, strlen(SYSTEM_FAILURE));
        return;
    }
    report_keep(api->health, report, status);
    respond_report(request, report, status);
}

void handle_health_detailed(struct http_request *request)
{
    const struct api *api = http_request_data(request);
    enum status status;
    bool use_cache = true;
    char *report;

    if (!query_read_flag(request, "use_cache", &use_cache))
        return;
    report = report_cached(api->health, use_cache, &status);
    if (report)
        respond_report(request, report, status);
    else
        answer_offloaded(request, check_all);
}

static void check_one(struct http_request *request, enum service_id id)
{
    struct api *api = http_request_data(request);
    struct probe *probe = &api->health->probes[id];
    struct probe_answer answer = probe_wait(probe, probe_start(probe), clock_monotonic_us() + PROBE_LIMIT_MS * 1000LL);

    http_respond_json(request, answer.fine ? 200 : 503, service_json(api, &services[id], &answer));
}

static void check_redis(void *context)
{
    check_one(context, SERVICE_REDIS);
}

static void check_s3(void *context)
{
    check_one(context, SERVICE_S3);
}

static void check_nsjail(void *context)
{
    check_one(context, SERVICE_NSJAIL);
}

void handle_health_redis(struct http_request *request)
{
    answer_offloaded(request, check_redis);
}

void handle_health_s3(struct http_request *request)
{
    answer_offloaded(request, check_s3);
}

void handle_health_nsjail(struct http_request *request)
{
    answer_offloaded(request, check_nsjail);
}

void handle_health(struct http_request *request)
{
    struct api *api = http_request_data(request);
    bool stopping = atomic_load(&api->stopping);

    http_respond_json(request, stopping ? 503 : 200,
                      json_pack("{s:s, s:s, s:s}", "status", status_names[stopping ? UNHEALTHY : HEALTHY], "version",
                                API_VERSION, "service", SERVICE_NAME));
}

static void respond_not_ready(struct http_request *request, const char *error, const char *reason)
{
    json_t *extra = json_pack("{s:b, s:s}", "ready", 0, "reason", reason);

    answer_error(request, 503, error, NULL, extra, NULL);
    json_decref(extra);
}

void handle_ready(struct http_request *request)
{
    static const char stopping[] = "Service is shutting down";
    struct api *api = http_request_data(request);
    char reason[READINESS_REASON_SIZE];
    int64_t age_us;

    if (atomic_load(&api->stopping))
        respond_not_ready(request, stopping, stopping);
    else if (readiness_check(&api->readiness, reason, &age_us))
        http_respond_json(request, 200, json_pack("{s:b}", "ready", 1));
    else
        respond_not_ready(request, age_us < 0 ? "Service is starting up" : "Service is not ready", reason);
}

int health_new(struct api *api, struct health **ret_health)
{
    struct health *health = calloc(1, sizeof(*health));

    if (!health)
        return -ENOMEM;
    health->api = api;
    pthread_mutex_init(&health->lock, NULL);
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        probe_init(&health->probes[i], services[i].question, api);
    *ret_health = health;
    return 0;
}

struct health *health_free(struct health *health)
{
    bool idle = true;

    if (!health)
        return NULL;
    for (size_t i = 0; i < SERVICE_COUNT; i++)
        idle &= probe_deinit(&health->probes[i], PROBE_LIMIT_MS);
    free(health->report);
    pthread_mutex_destroy(&health->lock);
    /* A probe that hangs in a dead dependency may still wake up: its memory goes with the process. */
    if (idle)
        free(health);
    return NULL;
}

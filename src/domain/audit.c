/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "domain/audit_file.h"

#define GATHER_MS    5    /* what comes together is written together, and not while its request has the processor */
#define RETRY_MS     1000 /* after a failed write */
#define REMIND_EVERY 60   /* retries */
#define FOLLOW_MS    1000 /* between two looks whether another process wrote to the log */

struct remembered {
    char *text;
    char type[AUDIT_TYPE_SIZE];
    enum audit_severity severity;
    int64_t wall_ms;
};

struct audit {
    struct audit_file file;
    bool has_file;
    int echo_fd;
    uint64_t unechoed_unsaid;
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work, ending;
    struct buffer queue; /* events, a newline behind each */
    uint64_t lost_unsaid;
    bool stopping;
    struct audit_status status;
    struct remembered *ring;
    size_t max_ring, next, n_ring;
};

/* ---- the ring ---- */

/* Takes entry->text, which may be NULL: no memory. */
static void put_into_ring(struct audit *audit, const struct remembered *entry)
{
    free(audit->ring[audit->next].text);
    audit->ring[audit->next] = *entry;
    audit->next = (audit->next + 1) % audit->max_ring;
    audit->n_ring += audit->n_ring < audit->max_ring;
}

static void remember(struct audit *audit, const struct audit_event *event)
{
    struct remembered entry = {
        .text = strndup(event->text, event->length),
        .severity = event->severity,
        .wall_ms = event->wall_ms,
    };

    memcpy(entry.type, event->type, sizeof(entry.type));
    put_into_ring(audit, &entry);
}

static bool matches(const struct remembered *entry, const struct audit_filter *filter)
{
    return entry->text && (!filter->type || strcmp(filter->type, entry->type) == 0) &&
           (!filter->severity || strcmp(filter->severity, audit_severity_name(entry->severity)) == 0) &&
           entry->wall_ms >= filter->since_ms;
}

static int copy_matching(const struct audit *audit, const struct audit_filter *filter, size_t limit, char **texts)
{
    size_t n = 0;

    for (size_t age = 1; age <= audit->n_ring && n < limit; age++) {
        const struct remembered *entry = &audit->ring[(audit->next + audit->max_ring - age) % audit->max_ring];

        if (!matches(entry, filter))
            continue;
        texts[n] = strdup(entry->text);
        if (!texts[n++])
            return -ENOMEM;
    }
    return 0;
}

int audit_recent(struct audit *audit, const struct audit_filter *filter, size_t limit, char ***ret_texts)
{
    char **texts = calloc(limit + 1, sizeof(*texts));
    int r;

    if (!texts)
        return -ENOMEM;
    pthread_mutex_lock(&audit->lock);
    r = copy_matching(audit, filter, limit, texts);
    pthread_mutex_unlock(&audit->lock);
    if (r < 0) {
        audit_recent_free(texts);
        return r;
    }
    *ret_texts = texts;
    return 0;
}

void audit_recent_free(char **texts)
{
    for (char **text = texts; text && *text; text++)
        free(*text);
    free(texts);
}

/* ---- the queue ---- */

/* Both parts or none. */
static bool enqueue(struct buffer *queue, const struct audit_event *event)
{
    if (buffer_reserve(queue, event->length + 1) < 0)
        return false;
    (void)buffer_append(queue, event->text, event->length);
    (void)buffer_append(queue, "\n", 1);
    return true;
}

void audit_post(struct audit *audit, struct audit_event *event)
{
    bool first_lost = false;

    if (!audit)
        return;
    audit_end(event);
    pthread_mutex_lock(&audit->lock);
    remember(audit, event);
    audit->status.posted++;
    if (!enqueue(&audit->queue, event)) {
        first_lost = audit->lost_unsaid++ == 0;
        audit->status.lost++;
    }
    pthread_mutex_unlock(&audit->lock);
    pthread_cond_signal(&audit->work); /* under the lock, the thread would wake only to wait for it */
    if (first_lost)
        log_error("the audit queue is full: events are being lost");
}

struct audit_status audit_status(struct audit *audit)
{
    struct audit_status status;

    pthread_mutex_lock(&audit->lock);
    status = audit->status;
    pthread_mutex_unlock(&audit->lock);
    return status;
}

/* ---- the thread ---- */

/* With the lock held: says how many are missing, behind those that came before them. */
static void own_up(struct audit *audit, struct buffer *batch)
{
    struct audit_event event;

    if (audit->lost_unsaid == 0)
        return;
    audit_begin(&event, "audit", AUDIT_CRITICAL);
    audit_text(&event, "operation", "events_lost");
    audit_number(&event, "lost", (int64_t)audit->lost_unsaid);
    audit_end(&event);
    batch->ceiling += event.length + 1;
    if (!enqueue(batch, &event))
        return; /* no memory: said with the next batch */
    remember(audit, &event);
    audit->lost_unsaid = 0;
}

/* Returns early, with false, if told to stop. */
static bool pause_for(struct audit *audit, int64_t ms)
{
    int64_t until_us = clock_monotonic_us() + ms * 1000;
    bool stopping;

    pthread_mutex_lock(&audit->lock);
    while (!audit->stopping && clock_wait(&audit->ending, &audit->lock, until_us) == 0)
        continue;
    stopping = audit->stopping;
    pthread_mutex_unlock(&audit->lock);
    return !stopping;
}

/* Waits for events, for the end, or for max_ms (0 = as long as it takes). Returns true if there is something to write.
 */
static bool await_work(struct audit *audit, int64_t max_ms)
{
    int64_t until_us = clock_monotonic_us() + max_ms * 1000;
    bool has_work;
    int r = 0;

    pthread_mutex_lock(&audit->lock);
    while (audit->queue.length == 0 && audit->lost_unsaid == 0 && !audit->stopping && r == 0)
        r = max_ms > 0 ? clock_wait(&audit->work, &audit->lock, until_us)
                       : pthread_cond_wait(&audit->work, &audit->lock);
    has_work = audit->queue.length > 0 || audit->lost_unsaid > 0;
    pthread_mutex_unlock(&audit->lock);
    return has_work;
}

/* The batch is empty if max_ms passed first. Returns false when there is nothing more to write, ever. */
static bool take_batch(struct audit *audit, int64_t max_ms, struct buffer *ret_batch)
{
    bool more;

    if (await_work(audit, max_ms))
        (void)pause_for(audit, GATHER_MS);
    pthread_mutex_lock(&audit->lock);
    *ret_batch = audit->queue;
    audit->queue = BUFFER_INIT(ret_batch->ceiling);
    own_up(audit, ret_batch);
    more = ret_batch->length > 0 || !audit->stopping;
    pthread_mutex_unlock(&audit->lock);
    return more;
}

static void set_failing(struct audit *audit, bool failing)
{
    pthread_mutex_lock(&audit->lock);
    audit->status.failing = failing;
    pthread_mutex_unlock(&audit->lock);
}

/* Until it works; a server that is told to stop tries once more and then gives up, aloud. */
static bool write_batch(struct audit *audit, const struct buffer *batch, struct buffer *lines)
{
    bool more = true;

    for (unsigned tries = 0;; tries++) {
        int r = audit_file_write(&audit->file, batch, lines);

        if (r == 0) {
            if (tries > 0) {
                log_info("the audit log can be written again");
                set_failing(audit, false);
            }
            return true;
        }
        set_failing(audit, true);
        if (tries % REMIND_EVERY == 0 || !more)
            log_error("the audit log cannot be written: %s%s", strerror(-r),
                      more ? "; events are kept and tried again" : "; the last events are lost");
        if (!more)
            return false;
        more = pause_for(audit, RETRY_MS);
    }
}

/* An event itself, of the output only: it must be there whatever the level of the log is, and it is known whether it
 * was written. */
static void own_up_to_gap(struct audit *audit)
{
    struct audit_event event;

    if (audit->unechoed_unsaid == 0)
        return;
    audit_begin(&event, "audit", AUDIT_WARNING);
    audit_text(&event, "operation", "events_left_out");
    audit_number(&event, "left_out", (int64_t)audit->unechoed_unsaid);
    audit_text(&event, "message", "events are missing above: this output was not being read");
    audit_end(&event);
    event.text[event.length++] = '\n'; /* there is room: the chain has not added to it */
    if (fd_offer(audit->echo_fd, event.text, event.length) == 0)
        audit->unechoed_unsaid = 0;
}

/* Each line with one write, so that those of other processes stay whole. Never waits: a reader of the log output that
 * stalls would stop the audit log. */
static void echo(struct audit *audit, const struct buffer *lines)
{
    const char *at = lines->data, *end = at + lines->length;

    while (audit->echo_fd >= 0 && at < end) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));

        own_up_to_gap(audit);
        switch (fd_offer(audit->echo_fd, at, (size_t)(newline + 1 - at))) {
        case 0:
            break;
        case FD_E_BUSY:
            audit->unechoed_unsaid++;
            break;
        default:
            return;
        }
        at = newline + 1;
    }
}

/* ---- what other processes wrote ---- */

static bool severity_from_name(const char *name, enum audit_severity *ret_severity)
{
    for (int i = AUDIT_INFO; i <= AUDIT_CRITICAL; i++)
        if (name && strcmp(name, audit_severity_name((enum audit_severity)i)) == 0) {
            *ret_severity = (enum audit_severity)i;
            return true;
        }
    return false;
}

/* A line of the file is what some process wrote there: the ring, which is shown as it is, takes only what is an event.
 */
static void remember_line(struct audit *audit, const char *line, size_t length)
{
    struct remembered entry = { .wall_ms = clock_wall_ms() };
    json_t *object = json_loadb(line, length, JSON_REJECT_DUPLICATES, NULL);
    const char *type = json_string_value(json_object_get(object, "event_type"));

    if (type && strlen(type) < sizeof(entry.type) &&
        severity_from_name(json_string_value(json_object_get(object, "severity")), &entry.severity)) {
        memcpy(entry.type, type, strlen(type) + 1);
        entry.text = strndup(line, length);
        pthread_mutex_lock(&audit->lock);
        put_into_ring(audit, &entry);
        pthread_mutex_unlock(&audit->lock);
    }
    json_decref(object);
}

/* Empties lines. */
static void remember_lines(struct audit *audit, struct buffer *lines)
{
    const char *at = lines->data, *end = at + lines->length;

    for (const char *newline; at < end && (newline = memchr(at, '\n', (size_t)(end - at))); at = newline + 1)
        remember_line(audit, at, (size_t)(newline - at));
    buffer_deinit(lines);
    *lines = BUFFER_INIT(AUDIT_FILE_OTHERS_MAX_BYTES);
}

/* Their events are this server's as well: to be seen at the monitoring endpoints and in its output. */
static void take_up_others(struct audit *audit)
{
    echo(audit, &audit->file.others);
    remember_lines(audit, &audit->file.others);
}

/* Without an event: what was found out about the files does not wait for the next one. */
static void write_findings(struct audit *audit)
{
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(2 * AUDIT_EVENT_MAX_BYTES);

    if (write_batch(audit, &(struct buffer){ 0 }, &lines))
        echo(audit, &lines);
}

static void say_note(struct audit *audit)
{
    if (audit->file.note[0])
        log_warning("%s; `codecell audit verify` tells more", audit->file.note);
    audit->file.note[0] = '\0';
}

/* After each turn of the thread. */
static void look_around(struct audit *audit)
{
    if (!audit->has_file)
        return;
    if (audit_file_follow(&audit->file))
        write_findings(audit);
    if (audit->file.others.length > 0)
        take_up_others(audit);
    if (audit->file.told.length > 0)
        remember_lines(audit, &audit->file.told);
    say_note(audit);
}

/* How long to wait for events; 0 = as long as it takes. */
static int64_t next_look_ms(struct audit *audit)
{
    int64_t settle_ms = audit_file_settle(&audit->file);

    return settle_ms > 0 || !audit->has_file ? settle_ms : FOLLOW_MS;
}

static void *audit_main(void *argument)
{
    struct audit *audit = argument;
    struct buffer batch;

    while (take_batch(audit, next_look_ms(audit), &batch)) {
        CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(batch.length * 3 + AUDIT_EVENT_MAX_BYTES);

        if (!audit->has_file)
            echo(audit, &batch);
        else if (batch.length > 0 && write_batch(audit, &batch, &lines))
            echo(audit, &lines);
        look_around(audit);
        buffer_deinit(&batch);
    }
    own_up_to_gap(audit);
    buffer_deinit(&batch);
    return NULL;
}

/* ---- life ---- */

static int open_file(struct audit *audit, const struct audit_options *options)
{
    const struct audit_file_options file = {
        .directory = options->directory,
        .max_bytes = options->max_file_bytes,
        .max_rotated = options->max_rotated,
    };
    int r;

    audit->file = AUDIT_FILE_INIT;
    audit->has_file = options->directory != NULL;
    if (!audit->has_file)
        return 0;
    r = audit_file_open(&audit->file, &file);
    if (r == 0)
        say_note(audit);
    return r;
}

static int start_thread(struct audit *audit)
{
    sigset_t all, old;
    int r;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    r = -pthread_create(&audit->thread, NULL, audit_main, audit);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return r;
}

static void release(struct audit *audit)
{
    for (size_t i = 0; audit->ring && i < audit->max_ring; i++)
        free(audit->ring[i].text);
    free(audit->ring);
    audit_file_close(&audit->file);
    buffer_deinit(&audit->queue);
    pthread_cond_destroy(&audit->work);
    pthread_cond_destroy(&audit->ending);
    pthread_mutex_destroy(&audit->lock);
    free(audit);
}

int audit_new(const struct audit_options *options, struct audit **ret_audit)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    int r;

    if (!audit)
        return -ENOMEM;
    pthread_mutex_init(&audit->lock, NULL);
    pthread_cond_init(&audit->work, NULL);
    pthread_cond_init(&audit->ending, NULL);
    audit->queue = BUFFER_INIT(options->max_queue_bytes);
    audit->echo_fd = options->echo_fd;
    audit->max_ring = options->max_ring_events ? options->max_ring_events : 1;
    audit->ring = calloc(audit->max_ring, sizeof(*audit->ring));
    r = open_file(audit, options);
    if (r == 0 && !audit->ring)
        r = -ENOMEM;
    if (r == 0)
        r = start_thread(audit);
    if (r < 0) {
        release(audit);
        return r;
    }
    *ret_audit = audit;
    return 0;
}

struct audit *audit_free(struct audit *audit)
{
    if (!audit)
        return NULL;
    pthread_mutex_lock(&audit->lock);
    audit->stopping = true;
    pthread_cond_broadcast(&audit->work);
    pthread_cond_broadcast(&audit->ending);
    pthread_mutex_unlock(&audit->lock);
    pthread_join(audit->thread, NULL);
    release(audit);
    return NULL;
}

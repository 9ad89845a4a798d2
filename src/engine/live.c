/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/live.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "engine/live_text.h"
#include "engine/spool.h"

#define HEAD_SIZE   96
#define COPY_BYTES  16384
#define CLEAN_BYTES (1 << 20)   /* of what one call of the writer becomes at most: it brings 64 KiB */
#define FREE_BYTES  (8ll << 20) /* of events, that may be as small as their writer likes */
#define HELD_BYTES  4096        /* beyond that, of text that comes in crumbs */

static const char comment[] = { ':', '\n', '\n' };
static const char *const names[] = { [LIVE_STDOUT] = "stdout", [LIVE_STDERR] = "stderr" };

/* One of the two streams. Of the writer's thread alone. */
struct said {
    struct live_text text;
    struct buffer held;    /* text that no event carries yet */
    int64_t held_since_us; /* its first byte */
    struct spool json;     /* all of it, as the inside of a JSON string, for the result */
    char last;
};

struct live {
    atomic_uint references;
    atomic_bool opened;
    void (*open)(void *context);
    void *context;
    struct said streams[2];
    uint64_t text_bytes; /* in events so far */
    bool started;
    char execution_id[32], session_id[136];

    pthread_mutex_t lock; /* guards what follows */
    struct spool log;
    int64_t last_us;
    uint64_t result_at, end_at; /* where these events begin, once they do */
    bool ended, broken, held_back;
    int wake_fd;
    struct live_reader *readers;
    struct live_reader *slow; /* the one that holds back; NULL = none, or it is gone */
};

struct live_reader {
    struct live *live;
    struct live_reader *prev, *next;
    uint64_t offset;
    bool comment; /* to be sent at the next pause */
    void (*wake)(void *context);
    void *context;
};

int live_new(int dir_fd, size_t text_bytes, void (*open)(void *context), void *context, struct live **ret_live)
{
    struct live *live = calloc(1, sizeof(*live));

    if (!live)
        return -ENOMEM;
    atomic_init(&live->references, 1);
    atomic_init(&live->opened, false);
    live->open = open;
    live->context = context;
    for (unsigned i = 0; i < ARRAY_SIZE(live->streams); i++)
        live->streams[i] = (struct said){ .text = LIVE_TEXT_INIT(text_bytes),
                                          .held = BUFFER_INIT(CLEAN_BYTES),
                                          .json = SPOOL_INIT(dir_fd) };
    pthread_mutex_init(&live->lock, NULL);
    live->log = SPOOL_INIT(dir_fd);
    live->last_us = clock_monotonic_us();
    live->wake_fd = -1;
    *ret_live = live;
    return 0;
}

struct live *live_ref(struct live *live)
{
    if (live)
        atomic_fetch_add(&live->references, 1);
    return live;
}

/* Frees what only the writer needs. */
static void forget_streams(struct live *live)
{
    for (unsigned i = 0; i < ARRAY_SIZE(live->streams); i++) {
        buffer_deinit(&live->streams[i].held);
        spool_deinit(&live->streams[i].json);
    }
}

struct live *live_unref(struct live *live)
{
    if (!live || atomic_fetch_sub(&live->references, 1) > 1)
        return NULL;
    forget_streams(live);
    spool_deinit(&live->log);
    pthread_mutex_destroy(&live->lock);
    free(live);
    return NULL;
}

/* ---- the writer ---- */

void live_attach(struct live *live, int wake_fd)
{
    if (!live)
        return;
    pthread_mutex_lock(&live->lock);
    live->wake_fd = wake_fd;
    pthread_mutex_unlock(&live->lock);
}

uint64_t live_bytes(struct live *live)
{
    uint64_t bytes;

    pthread_mutex_lock(&live->lock);
    bytes = live->log.size;
    pthread_mutex_unlock(&live->lock);
    return bytes;
}

bool live_is_open(const struct live *live)
{
    return atomic_load(&live->opened);
}

void live_open(struct live *live)
{
    if (!atomic_exchange(&live->opened, true))
        live->open(live->context);
}

static void wake_readers(struct live *live)
{
    for (struct live_reader *reader = live->readers; reader; reader = reader->next)
        reader->wake(reader->context);
}

/* Whatever failed: once, and for good. */
static void break_off(struct live *live, int error)
{
    if (live->broken)
        return;
    log_error("live output of execution %s: %s", live->execution_id, strerror(-error));
    live->broken = live->ended = true;
}

/* The lock is held. An event begins with its id, which is its place, counted from 1. */
static void event_begin(struct live *live, const char *name, const char *data)
{
    char head[HEAD_SIZE];
    int length = snprintf(head, sizeof(head), "id: %" PRIu64 "\nevent: %s\ndata: %s", live->log.size + 1, name, data);
    int r = spool_append(&live->log, head, (size_t)length);

    if (r < 0)
        break_off(live, r);
}

static void event_add(struct live *live, const char *data, size_t length)
{
    int r = live->broken ? 0 : spool_append(&live->log, data, length);

    if (r < 0)
        break_off(live, r);
}

static void event_end(struct live *live, const char *data)
{
    event_add(live, data, strlen(data));
    event_add(live, "\n\n", 2);
}

/* Lets readers have what was added since the lock was taken. */
static void publish(struct live *live)
{
    live->last_us = clock_monotonic_us();
    wake_readers(live);
    pthread_mutex_unlock(&live->lock);
}

static void say_started(struct live *live)
{
    char data[sizeof(live->session_id) + sizeof(live->execution_id) + 48];

    live->started = true;
    live_open(live);
    snprintf(data, sizeof(data), "{\"execution_id\":\"%s\",\"session_id\":\"%s\"}", live->execution_id,
             live->session_id);
    pthread_mutex_lock(&live->lock);
    event_begin(live, "started", "");
    event_end(live, data);
    publish(live);
}

void live_started(struct live *live, const char *execution_id, const char *session_id)
{
    if (live->started)
        return;
    snprintf(live->execution_id, sizeof(live->execution_id), "%s", execution_id);
    snprintf(live->session_id, sizeof(live->session_id), "%s", session_id);
    say_started(live);
}

static void say_text(struct live *live, enum live_stream stream, const char *json, size_t length)
{
    pthread_mutex_lock(&live->lock);
    event_begin(live, names[stream], "{\"text\":\"");
    event_add(live, json, length);
    event_end(live, "\"}");
    publish(live);
}

/* Text goes out as it comes, unless a program prints a byte at a time and has already made megabytes of events of it;
 * then soon. */
static bool may_wait(const struct live *live, const struct said *said)
{
    uint64_t fair = 2 * live->text_bytes + FREE_BYTES;

    return said->held.length < HELD_BYTES && live->log.size > fair &&
           clock_monotonic_us() - said->held_since_us < LIVE_HELD_US;
}

static int flush(struct live *live, enum live_stream stream, bool at_end)
{
    CLEANUP(buffer_deinit) struct buffer json = BUFFER_INIT(6 * CLEAN_BYTES);
    struct said *said = &live->streams[stream];
    int r;

    if (said->held.length == 0 || (!at_end && may_wait(live, said)))
        return 0;
    r = live_text_escape(said->held.data, said->held.length, &json);
    if (r == 0)
        r = spool_append(&said->json, json.data, json.length);
    if (r < 0)
        return r;
    said->last = said->held.data[said->held.length - 1];
    live->text_bytes += said->held.length;
    said->held.length = 0;
    say_text(live, stream, json.data, json.length);
    return 0;
}

static void fail(struct live *live, int error)
{
    pthread_mutex_lock(&live->lock);
    break_off(live, error);
    wake_readers(live);
    pthread_mutex_unlock(&live->lock);
}

void live_output(struct live *live, enum live_stream stream, const char *data, size_t length)
{
    struct said *said = &live->streams[stream];
    int r;

    if (said->held.length == 0)
        said->held_since_us = clock_monotonic_us();
    r = live_text_add(&said->text, data, length, &said->held);
    if (r == 0)
        r = flush(live, stream, false);
    if (r < 0)
        fail(live, r);
}

int64_t live_flush(struct live *live)
{
    int64_t now_us = clock_monotonic_us(), due_us = -1;

    for (unsigned i = 0; i < ARRAY_SIZE(live->streams); i++) {
        const struct said *said = &live->streams[i];
        int64_t left_us = said->held_since_us + LIVE_HELD_US - now_us;
        int r = flush(live, i, false);

        if (r < 0)
            fail(live, r);
        else if (said->held.length > 0 && (due_us < 0 || left_us < due_us))
            due_us = left_us;
    }
    return due_us;
}

void live_output_end(struct live *live)
{
    for (unsigned i = 0; i < ARRAY_SIZE(live->streams); i++) {
        int r = live_text_end(&live->streams[i].text, &live->streams[i].held);

        if (r == 0)
            r = flush(live, i, true);
        if (r < 0)
            fail(live, r);
    }
}

struct live_said live_said(const struct live *live, enum live_stream stream)
{
    const struct said *said = &live->streams[stream];

    return (struct live_said){ said->json.size > 0, said->text.cut, said->last };
}

bool live_has_room(struct live *live)
{
    bool room;

    pthread_mutex_lock(&live->lock);
    room = !live->slow || live->log.size - live->slow->offset < LIVE_AHEAD_BYTES;
    live->held_back = !room;
    pthread_mutex_unlock(&live->lock);
    return room;
}

/* Copies a stream's text into the event that was begun. */
static void event_add_said(struct live *live, const struct said *said)
{
    char block[COPY_BYTES];

    for (uint64_t at = 0; at < said->json.size && !live->broken;) {
        ssize_t n;

        pthread_mutex_unlock(&live->lock); /* it may be much: readers shall not wait for all of it */
        n = spool_read(&said->json, at, block, sizeof(block));
        pthread_mutex_lock(&live->lock);
        if (n < 0) {
            break_off(live, (int)n);
            return;
        }
        event_add(live, block, (size_t)n);
        at += (uint64_t)n;
    }
}

static void event_add_suffix(struct live *live, const char *suffix)
{
    CLEANUP(buffer_deinit) struct buffer json = BUFFER_INIT(6 * CLEAN_BYTES);
    int r = live_text_escape(suffix, strlen(suffix), &json);

    if (r < 0)
        break_off(live, r);
    else
        event_add(live, json.data, json.length);
}

static void say_end(struct live *live)
{
    live->end_at = live->log.size;
    event_begin(live, "end", "{}");
    event_end(live, "");
    live->ended = true;
}

void live_finish(struct live *live, const char *answer, const char *const suffixes[2])
{
    pthread_mutex_lock(&live->lock);
    live->result_at = live->log.size;
    event_begin(live, "result", "{");
    for (unsigned i = 0; i < ARRAY_SIZE(live->streams); i++) {
        event_add(live, i == LIVE_STDOUT ? "\"stdout\":\"" : "\"stderr\":\"", sizeof("\"stdout\":\"") - 1);
        event_add_said(live, &live->streams[i]);
        event_add_suffix(live, suffixes[i]);
        event_add(live, "\",", 2);
    }
    event_end(live, answer + 1); /* without its brace; it has other members */
    say_end(live);
    publish(live);
    forget_streams(live);
}

void live_fail(struct live *live, const char *answer)
{
    pthread_mutex_lock(&live->lock);
    live->result_at = live->log.size;
    event_begin(live, "result", "");
    event_end(live, answer);
    say_end(live);
    publish(live);
    forget_streams(live);
}

void live_beat(struct live *live)
{
    int64_t now_us = clock_monotonic_us();
    bool silent;

    pthread_mutex_lock(&live->lock);
    silent = !live->ended && now_us - live->last_us >= LIVE_SILENCE_US;
    if (silent) {
        for (struct live_reader *reader = live->readers; reader; reader = reader->next)
            reader->comment = true;
        publish(live);
    } else
        pthread_mutex_unlock(&live->lock);
}

/* ---- readers ---- */

/* Finds where the event after the one with this id begins. Ids are places, and a place is believed only if the event
 * that lies there says so itself. */
static int offset_after(struct live *live, uint64_t id, uint64_t *ret_offset)
{
    char expected[32], block[COPY_BYTES];
    int length = snprintf(expected, sizeof(expected), "id: %" PRIu64 "\n", id);
    uint64_t at = id - 1;
    bool newline = false;
    ssize_t n = spool_read(&live->log, at, block, sizeof(block));

    if (n < length || memcmp(block, expected, (size_t)length) != 0)
        return LIVE_E_UNKNOWN;
    if (live->end_at > 0 && at == live->result_at) { /* it may be long: not looked through */
        *ret_offset = live->end_at;
        return 0;
    }
    while (n > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (newline && block[i] == '\n') {
                *ret_offset = at + (uint64_t)i + 1;
                return 0;
            }
            newline = block[i] == '\n';
        }
        at += (uint64_t)n;
        n = spool_read(&live->log, at, block, sizeof(block));
    }
    return LIVE_E_UNKNOWN;
}

int live_reader_new(struct live *live, uint64_t after_id, bool holds_back, void (*wake)(void *context), void *context,
                    struct live_reader **ret_reader)
{
    struct live_reader *reader = calloc(1, sizeof(*reader));
    int r = 0;

    if (!reader)
        return -ENOMEM;
    *reader = (struct live_reader){ .live = live_ref(live), .wake = wake, .context = context };
    pthread_mutex_lock(&live->lock);
    if (after_id > 0)
        r = offset_after(live, after_id, &reader->offset);
    if (r == 0) {
        reader->next = live->readers;
        if (reader->next)
            reader->next->prev = reader;
        live->readers = reader;
        if (holds_back && !live->slow)
            live->slow = reader;
    }
    pthread_mutex_unlock(&live->lock);
    if (r == 0) {
        *ret_reader = reader;
        return 0;
    }
    free(reader);
    live_unref(live);
    return r;
}

/* The lock is held. */
static void pulse(struct live *live)
{
    if (live->held_back && live->wake_fd >= 0)
        (void)eventfd_write(live->wake_fd, 1);
    live->held_back = false;
}

struct live_reader *live_reader_free(struct live_reader *reader)
{
    struct live *live;

    if (!reader)
        return NULL;
    live = reader->live;
    pthread_mutex_lock(&live->lock);
    *(reader->prev ? &reader->prev->next : &live->readers) = reader->next;
    if (reader->next)
        reader->next->prev = reader->prev;
    if (live->slow == reader) {
        live->slow = NULL;
        pulse(live);
    }
    pthread_mutex_unlock(&live->lock);
    live_unref(live);
    free(reader);
    return NULL;
}

/* A reader has read all there is. The lock is held. */
static ssize_t read_pause(struct live_reader *reader, char *to, size_t max)
{
    const struct live *live = reader->live;

    if (live->ended)
        return live->broken ? LIVE_BROKEN : LIVE_END;
    if (!reader->comment || max < sizeof(comment))
        return LIVE_NOTHING;
    reader->comment = false;
    memcpy(to, comment, sizeof(comment));
    return (ssize_t)sizeof(comment);
}

ssize_t live_read(struct live_reader *reader, void *to, size_t max)
{
    struct live *live = reader->live;
    ssize_t n;

    pthread_mutex_lock(&live->lock);
    n = spool_read(&live->log, reader->offset, to, max);
    if (n > 0) {
        reader->offset += (uint64_t)n;
        reader->comment = false;
        if (live->slow == reader && live->log.size - reader->offset < LIVE_AHEAD_BYTES / 2)
            pulse(live);
    } else
        n = n < 0 ? LIVE_BROKEN : read_pause(reader, to, max);
    pthread_mutex_unlock(&live->lock);
    return n;
}

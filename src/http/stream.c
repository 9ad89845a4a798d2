/* SPDX-License-Identifier: Apache-2.0 */
/* A stream is a bounded buffer between the owner, who writes, and the connection's thread, which calls read_stream()
 * whenever it could send. Finding nothing, that thread parks the connection; the next write resumes it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http/respond.h"

#define BLOCK_BYTES 16384 /* read at once, for clients without chunked encoding */

void stream_deinit(struct stream *stream)
{
    buffer_deinit(&stream->pending);
    free(stream->last);
}

static size_t take(char *to, size_t max, const char *data, size_t length, size_t *sent)
{
    size_t n = length - *sent;

    n = n < max ? n : max;
    if (n)
        memcpy(to, data + *sent, n);
    *sent += n;
    return n;
}

static size_t read_pending(struct stream *stream, char *to, size_t max)
{
    size_t n = take(to, max, stream->pending.data, stream->pending.length, &stream->pending_sent);

    if (stream->pending_sent == stream->pending.length)
        stream->pending.length = stream->pending_sent = 0;
    return n;
}

static ssize_t read_stream(void *context, uint64_t position, char *to, size_t max)
{
    struct http_request *request = context;
    struct stream *stream = &request->stream;
    ssize_t n;

    (void)position;
    pthread_mutex_lock(&request->lock);
    n = (ssize_t)read_pending(stream, to, max);
    if (n == 0 && stream->ended)
        n = (ssize_t)take(to, max, stream->last, stream->last_length, &stream->last_sent);
    if (n > 0)
        pthread_cond_broadcast(&request->room);
    else if (stream->ended)
        n = MHD_CONTENT_READER_END_OF_STREAM;
    else if (request->aborted)
        n = MHD_CONTENT_READER_END_WITH_ERROR;
    else {
        request->parked = true;
        MHD_suspend_connection(request->connection);
    }
    pthread_mutex_unlock(&request->lock);
    return n;
}

/* Asks the source without the lock, for it has its own, under which it wakes. */
static ssize_t read_source(void *context, uint64_t position, char *to, size_t max)
{
    struct http_request *request = context;
    struct stream *stream = &request->stream;
    bool parked = false;
    ssize_t n;

    (void)position;
    do {
        pthread_mutex_lock(&request->lock);
        stream->woken = false;
        pthread_mutex_unlock(&request->lock);
        n = stream->source->read(stream->source_context, to, max);
        if (n == HTTP_SOURCE_END)
            return MHD_CONTENT_READER_END_OF_STREAM;
        if (n < 0)
            return MHD_CONTENT_READER_END_WITH_ERROR;
        if (n > 0)
            return n;
        pthread_mutex_lock(&request->lock);
        if (request->aborted)
            n = MHD_CONTENT_READER_END_WITH_ERROR;
        else if (!stream->woken) {
            parked = request->parked = true;
            MHD_suspend_connection(request->connection);
        }
        pthread_mutex_unlock(&request->lock);
    } while (n == 0 && !parked);
    return n;
}

/* libmicrohttpd 0.9.75 sends the last chunk to HEAD as well, which the client takes for the beginning of its next
 * answer. Without chunks the connection ends. */
static void make_ready(struct http_request *request, struct MHD_Response *response, const char *content_type,
                       const struct http_header *headers)
{
    if (request->head)
        (void)MHD_set_response_options(response, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    respond_decorate(request, response, content_type, headers);
}

static void release_source(void *context)
{
    struct http_request *request = context;

    request->stream.source->close(request->stream.source_context);
    request_unref(request);
}

void http_stream_pull(struct http_request *request, unsigned status, const char *content_type,
                      const struct http_header *headers, const struct http_source *source, void *context)
{
    struct MHD_Response *response;

    request_ref(request);
    request->stream.source = source;
    request->stream.source_context = context;
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_source, request, release_source);
    if (!response) {
        release_source(request);
        return;
    }
    make_ready(request, response, content_type, headers);
    pthread_mutex_lock(&request->lock);
    request->stream.active = !request->answered;
    pthread_mutex_unlock(&request->lock);
    respond_begin(request, response, status);
}

void http_stream_wake(struct http_request *request)
{
    pthread_mutex_lock(&request->lock);
    request->stream.woken = true;
    if (request->answered) /* else it waits for the answer itself */
        respond_resume(request);
    pthread_mutex_unlock(&request->lock);
}

static void release_stream(void *context)
{
    request_unref(context);
}

void http_stream_begin(struct http_request *request, unsigned status, const char *content_type,
                       const struct http_header *headers)
{
    struct MHD_Response *response;

    request_ref(request);
    response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, request, release_stream);
    if (!response) {
        request_unref(request);
        return; /* the writes report a client that is gone; the last call answers 500 */
    }
    make_ready(request, response, content_type, headers);
    pthread_mutex_lock(&request->lock);
    request->stream.pending.ceiling = request->server->options.stream_buffer_bytes;
    request->stream.active = !request->answered;
    pthread_mutex_unlock(&request->lock);
    respond_begin(request, response, status);
}

static bool is_gone(const struct http_request *request)
{
    return !request->connection || !request->stream.active || request->aborted;
}

/* Moves what is unread to the front, so that the ceiling counts unread bytes only. */
static void compact(struct stream *stream)
{
    if (stream->pending_sent == 0)
        return;
    stream->pending.length -= stream->pending_sent;
    memmove(stream->pending.data, stream->pending.data + stream->pending_sent, stream->pending.length);
    stream->pending_sent = 0;
}

/* Appends, waiting for room. The request's lock is held, but not while waiting. */
static int append(struct http_request *request, const void *data, size_t length, int64_t timeout_ms)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;
    bool late = timeout_ms <= 0;

    for (;;) {
        int r;

        if (is_gone(request))
            return HTTP_STREAM_E_GONE;
        compact(&request->stream);
        r = buffer_append(&request->stream.pending, data, length);
        if (r != -E2BIG)
            return r;
        if (late)
            return HTTP_STREAM_E_FULL;
        late = clock_wait(&request->room, &request->lock, until_us) == ETIMEDOUT;
    }
}

int http_stream_write(struct http_request *request, const void *data, size_t length, int64_t timeout_ms)
{
    int r;

    pthread_mutex_lock(&request->lock);
    r = append(request, data, length, timeout_ms);
    if (r == 0)
        respond_resume(request);
    pthread_mutex_unlock(&request->lock);
    return r;
}

void http_stream_end(struct http_request *request, char *last, size_t length)
{
    bool began;

    pthread_mutex_lock(&request->lock);
    began = request->stream.active || !request->connection || request->answered;
    if (!request->aborted) { /* else the client sees a body cut short, which is the truth */
        request->stream.ended = true;
        request->stream.last = last;
        request->stream.last_length = last ? length : 0;
        last = NULL;
    }
    respond_resume(request);
    pthread_mutex_unlock(&request->lock);
    free(last);
    if (began)
        respond_release(request);
    else
        http_respond_error(request, 500, "An unexpected error occurred", NULL, 0, NULL);
}

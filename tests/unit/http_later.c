/* SPDX-License-Identifier: Apache-2.0 */
/* http_later.c -- handlers that answer later, from a thread of their own. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http_subject.h"

static void *answer_later(void *argument)
{
    struct http_request *request = argument;
    size_t length;

    usleep((useconds_t)atoi(http_request_query(request, "ms") ? http_request_query(request, "ms") : "0") * 1000);
    http_request_body(request, &length);
    assert_null(http_request_header(request, "Host"));
    http_respond_json(request, 200, json_pack("{s:i}", "length", (int)length));
    return NULL;
}

static void *stream_later(void *argument)
{
    struct http_request *request = argument;
    int n = atoi(http_request_query(request, "n"));

    http_stream_begin(request, 200, "application/json", NULL);
    for (int i = 0; i < n; i++) {
        if (http_stream_write(request, " ", 1, 0) != 0)
            break;
        usleep(50000);
    }
    http_stream_end(request, strdup("{\"done\":true}"), 13);
    return NULL;
}

/* Writes blocks faster than a client reads, and reports what became of it. */
static void *flood_later(void *argument)
{
    struct http_request *request = argument;
    char block[10000];
    unsigned refused = 0, blocks = 0;
    char last[64];

    memset(block, 'x', sizeof(block));
    http_stream_begin(request, 200, "text/plain", NULL);
    while (blocks < 3000) {
        int r = http_stream_write(request, block, sizeof(block), blocks % 2 ? 0 : 1000);

        if (r == HTTP_STREAM_E_GONE)
            break;
        blocks += r == 0;
        refused += r == HTTP_STREAM_E_FULL;
    }
    snprintf(last, sizeof(last), "refused %u", refused > 0);
    http_stream_end(request, strdup(last), strlen(last));
    return NULL;
}

static void in_thread(struct http_request *request, void *(*work)(void *))
{
    pthread_t thread;

    http_request_suspend(request);
    assert_int_equal(pthread_create(&thread, NULL, work, request), 0);
    pthread_detach(thread);
}

void on_later(struct http_request *request)
{
    in_thread(request, answer_later);
}

void on_stream(struct http_request *request)
{
    in_thread(request, stream_later);
}

/* A body that is read while another thread adds to it. Two hold it: the source, and whoever adds. */
struct growing {
    pthread_mutex_t lock;
    struct http_request *request; /* NULL once the source is closed */
    size_t length, sent;
    int n;
    bool ended;
    unsigned holders;
};

static void growing_release(struct growing *growing)
{
    bool last;

    pthread_mutex_lock(&growing->lock);
    last = --growing->holders == 0;
    pthread_mutex_unlock(&growing->lock);
    if (last)
        free(growing);
}

static ssize_t growing_read(void *context, void *to, size_t max)
{
    struct growing *growing = context;
    size_t n;

    pthread_mutex_lock(&growing->lock);
    n = growing->length - growing->sent;
    n = n < max ? n : max;
    memset(to, 'x', n);
    growing->sent += n;
    if (n == 0 && growing->ended)
        n = (size_t)(growing->n % 2 ? HTTP_SOURCE_CUT : HTTP_SOURCE_END);
    pthread_mutex_unlock(&growing->lock);
    return (ssize_t)n;
}

static void growing_close(void *context)
{
    struct growing *growing = context;

    pthread_mutex_lock(&growing->lock);
    assert_non_null(growing->request);
    growing->request = NULL;
    pthread_mutex_unlock(&growing->lock);
    growing_release(growing);
}

static void grow(struct growing *growing, size_t by, bool ended)
{
    pthread_mutex_lock(&growing->lock);
    growing->length += by;
    growing->ended = ended;
    if (growing->request)
        http_stream_wake(growing->request);
    pthread_mutex_unlock(&growing->lock);
}

static void *pull_later(void *argument)
{
    static const struct http_source source = { growing_read, growing_close };
    struct http_request *request = argument;
    struct growing *growing = calloc(1, sizeof(*growing));

    growing->n = atoi(http_request_query(request, "n"));
    growing->request = request;
    growing->holders = 2;
    pthread_mutex_init(&growing->lock, NULL);
    http_stream_wake(request); /* before there is an answer it means nothing */
    http_stream_pull(request, 200, "text/plain", NULL, &source, growing);
    for (int i = 0; i < growing->n; i++) {
        grow(growing, 100, false);
        if (i % 16 == 0)
            usleep(300);
    }
    http_stream_end(request, NULL, 0); /* ends nothing */
    grow(growing, 7, true);
    growing_release(growing);
    return NULL;
}

void on_pull(struct http_request *request)
{
    in_thread(request, pull_later);
}

void on_flood(struct http_request *request)
{
    in_thread(request, flood_later);
}

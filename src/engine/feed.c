/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/feed.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/buffer.h"

struct feed {
    atomic_uint references;
    pthread_mutex_t lock; /* guards all below */
    struct buffer bytes;  /* written up to sent */
    size_t sent;
    bool open;
    int wake_fd;
};

int feed_new(const char *text, size_t length, bool open, struct feed **ret_feed)
{
    struct feed *feed = calloc(1, sizeof(*feed));
    int r;

    if (!feed)
        return -ENOMEM;
    atomic_init(&feed->references, 1);
    pthread_mutex_init(&feed->lock, NULL);
    feed->bytes = BUFFER_INIT(SIZE_MAX); /* text has passed the limit of bodies; feed_put() has its own */
    feed->open = open;
    feed->wake_fd = -1;
    r = buffer_append(&feed->bytes, text, length);
    if (r < 0)
        feed_unref(feed);
    else
        *ret_feed = feed;
    return r;
}

struct feed *feed_ref(struct feed *feed)
{
    if (feed)
        atomic_fetch_add(&feed->references, 1);
    return feed;
}

struct feed *feed_unref(struct feed *feed)
{
    if (feed && atomic_fetch_sub(&feed->references, 1) == 1) {
        buffer_deinit(&feed->bytes);
        pthread_mutex_destroy(&feed->lock);
        free(feed);
    }
    return NULL;
}

/* The lock is held. */
static int append(struct feed *feed, const char *data, size_t length)
{
    size_t waiting = feed->bytes.length - feed->sent;

    if (!feed->open)
        return FEED_E_CLOSED;
    if (length > FEED_BYTES || (length > 0 && waiting > FEED_BYTES - length))
        return FEED_E_FULL;
    if (feed->sent > 0)
        memmove(feed->bytes.data, feed->bytes.data + feed->sent, waiting);
    feed->bytes.length = waiting;
    feed->sent = 0;
    return buffer_append(&feed->bytes, data, length);
}

int feed_put(struct feed *feed, const char *data, size_t length, bool last)
{
    int r;

    pthread_mutex_lock(&feed->lock);
    r = append(feed, data, length);
    if (r == 0) {
        feed->open = !last;
        if (feed->wake_fd >= 0)
            (void)eventfd_write(feed->wake_fd, 1);
    }
    pthread_mutex_unlock(&feed->lock);
    return r;
}

void feed_attach(struct feed *feed, int wake_fd)
{
    if (!feed)
        return;
    pthread_mutex_lock(&feed->lock);
    feed->wake_fd = wake_fd;
    pthread_mutex_unlock(&feed->lock);
}

bool feed_is_due(struct feed *feed)
{
    bool due;

    pthread_mutex_lock(&feed->lock);
    due = feed->bytes.length > feed->sent || !feed->open;
    pthread_mutex_unlock(&feed->lock);
    return due;
}

int feed_write(struct feed *feed, int fd)
{
    int r = 0;

    pthread_mutex_lock(&feed->lock);
    while (r == 0 && feed->bytes.length > feed->sent) {
        ssize_t n = write(fd, feed->bytes.data + feed->sent, feed->bytes.length - feed->sent);

        if (n > 0)
            feed->sent += (size_t)n;
        else if (errno == EAGAIN)
            break;
        else if (errno != EINTR)
            r = FEED_E_CLOSED;
    }
    if (feed->sent == feed->bytes.length) {
        buffer_deinit(&feed->bytes);
        feed->sent = 0;
        if (!feed->open)
            r = FEED_E_CLOSED;
    }
    if (r == FEED_E_CLOSED)
        feed->open = false;
    pthread_mutex_unlock(&feed->lock);
    return r;
}

void feed_close(struct feed *feed)
{
    if (!feed)
        return;
    pthread_mutex_lock(&feed->lock);
    buffer_deinit(&feed->bytes); /* others may hold the feed long after the program */
    feed->sent = 0;
    feed->open = false;
    feed->wake_fd = -1;
    pthread_mutex_unlock(&feed->lock);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/tool_channel.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/tool_frame.h"
#include "wire/packet.h"

#define BATCH_US   50000 /* ptc.md P5.6 */
#define READ_BYTES 65536

struct tool_channel *tool_channel_new(char **names, size_t n_names, char *manifest)
{
    struct tool_channel *channel = calloc(1, sizeof(*channel));
    struct tool_channel unborn = { .names = names, .n_names = n_names, .manifest = manifest };

    if (!channel) {
        for (size_t i = 0; i < unborn.n_names; i++)
            free(unborn.names[i]);
        free(unborn.names);
        free(unborn.manifest);
        return NULL;
    }
    *channel = unborn;
    channel->manifest_length = strlen(manifest);
    channel->fd = -1;
    channel->in = BUFFER_INIT(TOOL_FRAME_BYTES_MAX + READ_BYTES);
    channel->out = BUFFER_INIT(SIZE_MAX / 2); /* no larger than the request that it comes from */
    channel->last_call = &channel->calls;
    return channel;
}

struct tool_channel *tool_channel_free(struct tool_channel *channel)
{
    if (!channel)
        return NULL;
    tool_channel_clear(channel);
    tool_channel_close(channel);
    for (size_t i = 0; i < channel->n_names; i++)
        free(channel->names[i]);
    free(channel->names);
    free(channel->manifest);
    free(channel->culprit);
    free(channel->failure);
    free(channel);
    return NULL;
}

int tool_channel_open(struct tool_channel *channel)
{
    int pair[2];

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_from_errno();
    packet_refuse_fds(pair[0]);
    channel->fd = pair[0]; /* the flags of the other end are the program's */
    return pair[1];
}

void tool_channel_close(struct tool_channel *channel)
{
    cleanup_close_fd(&channel->fd);
    channel->fd = -1;
    buffer_deinit(&channel->in);
    buffer_deinit(&channel->out);
    channel->out_sent = 0;
}

void tool_channel_clear(struct tool_channel *channel)
{
    while (channel->calls) {
        struct tool_call *call = channel->calls;

        channel->calls = call->next;
        free(call);
    }
    channel->last_call = &channel->calls;
    channel->n_calls = 0;
    channel->pending_bytes = 0;
    channel->round_bytes = 0;
    channel->idle = false;
}

static bool is_full(const struct tool_channel *channel)
{
    return channel->n_calls >= TOOL_CALLS_MAX || channel->pending_bytes >= TOOL_PENDING_BYTES_MAX;
}

static bool has_output(const struct tool_channel *channel)
{
    return channel->out_sent < channel->out.length;
}

short tool_channel_events(const struct tool_channel *channel)
{
    bool deaf = is_full(channel) || has_output(channel);

    return (short)((deaf ? 0 : POLLIN) | (has_output(channel) ? POLLOUT : 0));
}

static const char *find_name(const struct tool_channel *channel, const struct tool_frame *frame)
{
    for (size_t i = 0; i < channel->n_names; i++)
        if (strlen(channel->names[i]) == frame->name_length &&
            memcmp(channel->names[i], frame->name, frame->name_length) == 0)
            return channel->names[i];
    return NULL;
}

static int add_call(struct tool_channel *channel, const struct tool_frame *frame)
{
    const char *name = find_name(channel, frame);
    struct tool_call *call;

    if (!name) {
        channel->culprit = strndup(frame->name, frame->name_length);
        channel->end = TOOL_CHANNEL_UNREGISTERED;
        return channel->culprit ? 0 : -ENOMEM;
    }
    call = malloc(sizeof(*call) + frame->text_length + 1);
    if (!call)
        return -ENOMEM;
    *call = (struct tool_call){ .number = frame->number, .name = name, .argument_length = frame->text_length };
    snprintf(call->id, sizeof(call->id), "call_%03u", ++channel->serial);
    memcpy(call->argument, frame->text, frame->text_length);
    call->argument[frame->text_length] = '\0';
    if (!channel->calls)
        channel->first_call_us = clock_monotonic_us();
    *channel->last_call = call;
    channel->last_call = &call->next;
    channel->n_calls++;
    channel->pending_bytes += sizeof(*call) + frame->text_length;
    channel->idle = false;
    return 0;
}

static int take_frame(struct tool_channel *channel, const struct tool_frame *frame)
{
    switch (frame->kind) {
    case TOOL_FRAME_CALL:
        return add_call(channel, frame);
    case TOOL_FRAME_IDLE:
        channel->idle = channel->n_calls > 0;
        return 0;
    case TOOL_FRAME_FAIL:
        free(channel->failure);
        channel->failure = strndup(frame->text, frame->text_length);
        return channel->failure ? 0 : -ENOMEM;
    }
    return -EINVAL;
}

/* Takes every whole frame out of what was read, as long as there is room for calls. */
static int take_frames(struct tool_channel *channel)
{
    size_t at = 0;
    int r = 0;

    while (r == 0 && channel->end == TOOL_CHANNEL_OPEN && !is_full(channel)) {
        struct tool_frame frame;

        r = tool_frame_parse(channel->in.data + at, channel->in.length - at, &frame);
        if (r < 0)
            channel->end = TOOL_CHANNEL_BROKEN;
        if (r != 0)
            break;
        r = take_frame(channel, &frame);
        at += frame.size;
    }
    if (at > 0) {
        channel->in.length -= at;
        memmove(channel->in.data, channel->in.data + at, channel->in.length);
    }
    return r < 0 && channel->end == TOOL_CHANNEL_OPEN ? r : 0;
}

/* The program's end is closed in all its processes, so nobody waits for an answer. */
static void hang_up(struct tool_channel *channel)
{
    tool_channel_clear(channel);
    tool_channel_close(channel);
}

static int read_some(struct tool_channel *channel)
{
    while (!is_full(channel) && channel->end == TOOL_CHANNEL_OPEN) {
        ssize_t n;
        int r = buffer_reserve(&channel->in, READ_BYTES);

        if (r < 0)
            return r;
        n = recv(channel->fd, channel->in.data + channel->in.length, READ_BYTES, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
            if (channel->in.length == 0)
                buffer_deinit(&channel->in); /* a program that waits shall hold no more than it must */
            return 0;
        }
        if (n <= 0) {
            hang_up(channel);
            return 0;
        }
        channel->in.length += (size_t)n;
        channel->round_bytes += (size_t)n;
        if (channel->round_bytes > TOOL_ROUND_BYTES_MAX) {
            channel->end = TOOL_CHANNEL_BROKEN;
            return 0;
        }
        r = take_frames(channel);
        if (r < 0)
            return r;
    }
    return 0;
}

static void write_some(struct tool_channel *channel)
{
    while (channel->fd >= 0 && has_output(channel)) {
        ssize_t n = send(channel->fd, channel->out.data + channel->out_sent, channel->out.length - channel->out_sent,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n < 0) {
            hang_up(channel);
            return;
        }
        channel->out_sent += (size_t)n;
    }
    buffer_deinit(&channel->out);
    channel->out_sent = 0;
}

int tool_channel_pump(struct tool_channel *channel)
{
    int r;

    if (channel->fd < 0)
        return 0;
    write_some(channel);
    if (has_output(channel))
        return 0;                                   /* who does not read answers is not heard: they would pile up */
    r = channel->fd < 0 ? 0 : take_frames(channel); /* what lay there while there was no room */
    return r < 0 || channel->fd < 0 ? r : read_some(channel);
}

int64_t tool_channel_due_us(const struct tool_channel *channel, int64_t now_us)
{
    int64_t left_us = channel->first_call_us + BATCH_US - now_us;

    if (channel->n_calls == 0)
        return -1;
    return channel->idle || is_full(channel) || left_us < 0 ? 0 : left_us;
}

bool tool_channel_take_round(struct tool_channel *channel)
{
    if (channel->rounds < channel->rounds_max) {
        channel->rounds++;
        return true;
    }
    channel->end = TOOL_CHANNEL_EXHAUSTED;
    return false;
}

static int queue(struct tool_channel *channel, const char *word, uint64_t number, const char *text, size_t length)
{
    char line[TOOL_LINE_BYTES_MAX];
    int n = snprintf(line, sizeof(line), "%s %" PRIu64 " %zu\n", word, number, length);
    int r = buffer_append(&channel->out, line, (size_t)n);

    return r ? r : buffer_append(&channel->out, text, length);
}

int tool_channel_result(struct tool_channel *channel, const struct tool_call *call, const char *json, size_t length)
{
    return queue(channel, "result", call->number, json, length);
}

int tool_channel_error(struct tool_channel *channel, const struct tool_call *call, const char *text, size_t length)
{
    return queue(channel, "error", call->number, text, length);
}

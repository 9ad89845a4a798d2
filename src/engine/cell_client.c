/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/cell_client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "engine/feed.h"
#include "engine/paused_memory.h"

#define READ_BYTES     65536
#define CANCEL_LOOK_MS 200

#define PAUSED_WITHIN_US 1000000 /* a keeper shares the processor time of its cell */

enum {
    POLL_OUT,
    POLL_ERR,
    POLL_CHANNEL,
    POLL_CLIENT,
    POLL_TOOLS,
    POLL_WAKE,
    POLL_IN,
    POLL_COUNT,
};

struct cell_talk {
    struct cell_request request;
    struct cell_outcome *outcome;
    int channel_fd, out_fd, err_fd;
    int in_fd; /* where the program's input is written; -1 = nothing more */
    bool kill_sent, over, paused;
    bool heard_pause;
    int64_t said_bytes, held_bytes; /* what the keeper said; what is counted as held while it waits */
    char *error;
    size_t error_size;
};

void cell_outcome_deinit(struct cell_outcome *outcome)
{
    buffer_deinit(&outcome->out.kept);
    buffer_deinit(&outcome->err.kept);
    cleanup_close_fd(&outcome->state_fd);
    outcome->state_fd = -1;
}

static int complain(struct cell_talk *talk, int code, const char *text)
{
    snprintf(talk->error, talk->error_size, "%s", text);
    return code;
}

/* Programs also open /dev/stdout and its like by name, and are another user: others_may is for them. */
static int make_pipe(mode_t others_may, int *ret_read_fd, int *ret_write_fd)
{
    int pair[2];

    if (pipe2(pair, O_CLOEXEC) < 0)
        return error_from_errno();
    *ret_read_fd = pair[0];
    *ret_write_fd = pair[1];
    return fchmod(pair[0], S_IRUSR | S_IWUSR | others_may) < 0 ? error_from_errno() : 0;
}

/* What the program reads: a pipe that does not block us, or nothing. */
static int make_input(struct cell_talk *talk, int *ret_read_fd)
{
    int r;

    if (!talk->request.feed) {
        *ret_read_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        return *ret_read_fd < 0 ? error_from_errno() : 0;
    }
    r = make_pipe(S_IROTH, ret_read_fd, &talk->in_fd);
    if (r < 0)
        return r;
    return fcntl(talk->in_fd, F_SETFL, O_NONBLOCK) < 0 ? error_from_errno() : 0;
}

/* Makes the pipes and the channel and sends their far ends to the warden. The reading ends do not block; the program's
 * do. */
static int hand_over(struct cell_talk *talk)
{
    CLEANUP_CLOSE int far_channel = -1, out_write = -1, err_write = -1, in_read = -1, tools_fd = -1;
    int pair[2], fds[WIRE_RUN_FDS_MAX], r;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
        return error_from_errno();
    talk->channel_fd = pair[0];
    far_channel = pair[1];
    r = make_pipe(S_IWOTH, &talk->out_fd, &out_write);
    if (r == 0)
        r = make_pipe(S_IWOTH, &talk->err_fd, &err_write);
    if (r == 0)
        r = make_input(talk, &in_read);
    if (r < 0)
        return r;
    if (talk->request.tools) {
        tools_fd = tool_channel_open(talk->request.tools);
        if (tools_fd < 0)
            return tools_fd;
    }
    if (fcntl(talk->out_fd, F_SETFL, O_NONBLOCK) < 0 || fcntl(talk->err_fd, F_SETFL, O_NONBLOCK) < 0)
        return error_from_errno();
    fds[WIRE_RUN_CHANNEL] = far_channel;
    fds[WIRE_RUN_PROGRAM] = talk->request.program_fd;
    fds[WIRE_RUN_STDIN] = in_read;
    fds[WIRE_RUN_STDOUT] = out_write;
    fds[WIRE_RUN_STDERR] = err_write;
    fds[WIRE_RUN_TOOLS] = tools_fd;
    talk->request.run.tools = tools_fd >= 0;
    r = wire_send(talk->request.warden_fd, &talk->request.run, fds);
    return r > 0 ? -EPIPE : r;
}

static void send_kill(struct cell_talk *talk)
{
    struct wire_kill message = { .type = WIRE_KILL };

    if (!talk->kill_sent)
        (void)wire_send(talk->channel_fd, &message, NULL);
    talk->kill_sent = true;
}

/* Keeps a block, or hands it on. Returns 0 or a negative errno. */
static int take_block(struct cell_talk *talk, struct cell_stream *stream, const char *block, size_t length)
{
    const struct cell_request *request = &talk->request;
    size_t room = request->keep_bytes - stream->kept.length;

    if (!request->live)
        return buffer_append(&stream->kept, block, length < room ? length : room);
    request->live->output(request->context, stream == &talk->outcome->err, block, length);
    return 0;
}

/* Whether the streams are read on. What a dead program left is read to its end. */
static bool has_room(const struct cell_talk *talk)
{
    const struct cell_live *live = talk->request.live;

    return !live || talk->kill_sent || talk->outcome->end.type == WIRE_ENDED || live->has_room(talk->request.context);
}

/* Reads what is there. Returns 1 at the end of the stream, 0, or a negative errno. */
static int read_stream(struct cell_talk *talk, int fd, struct cell_stream *stream)
{
    char block[READ_BYTES];

    for (;;) {
        ssize_t n = read(fd, block, sizeof(block));
        int r;

        if (n < 0)
            return errno == EAGAIN || errno == EINTR ? 0 : error_from_errno();
        if (n == 0)
            return 1;
        stream->total_bytes += n;
        r = take_block(talk, stream, block, (size_t)n);
        if (r < 0)
            return r;
        if (stream->total_bytes > talk->request.flood_bytes) {
            talk->outcome->flooded = true;
            send_kill(talk);
        }
        if ((size_t)n < sizeof(block) || !has_room(talk))
            return 0;
    }
}

static int pump(struct cell_talk *talk, int *fd, struct cell_stream *stream)
{
    int r = read_stream(talk, *fd, stream);

    if (r != 0) {
        cleanup_close_fd(fd);
        *fd = -1;
    }
    return r < 0 ? r : 0;
}

static int on_failed(struct cell_talk *talk, const struct wire_failed *failed)
{
    snprintf(talk->error, talk->error_size, "no sandbox could be built: %s: %s", failed->step, strerror(failed->error));
    return -failed->error;
}

bool cell_client_take_state(const struct wire_entry *entry, int fd, int *state_fd, int64_t *state_bytes)
{
    if (entry->kind != WIRE_ENTRY_STATE && entry->kind != WIRE_ENTRY_STATE_TOO_LARGE)
        return false;
    cleanup_close_fd(state_fd);
    *state_fd = fd;
    *state_bytes = (int64_t)entry->size_bytes;
    return true;
}

static int on_entry(struct cell_talk *talk, const struct wire_entry *entry, int fd)
{
    struct cell_outcome *outcome = talk->outcome;

    if (cell_client_take_state(entry, fd, &outcome->state_fd, &outcome->state_bytes))
        return 0;
    return talk->request.entry(talk->request.context, entry, fd);
}

static int on_message(struct cell_talk *talk, const union wire_message *message, int fds[static WIRE_FDS_MAX])
{
    struct cell_outcome *outcome = talk->outcome;
    int r = 0;

    switch (message->type) {
    case WIRE_STARTED:
        outcome->started = true;
        outcome->started_us = clock_monotonic_us();
        outcome->start = message->started;
        if (talk->request.live)
            talk->request.live->started(talk->request.context);
        break;
    case WIRE_PAUSED:
        talk->said_bytes = (int64_t)message->paused.held_bytes;
        talk->heard_pause = true;
        break;
    case WIRE_ENDED:
        outcome->end = message->ended;
        break;
    case WIRE_ENTRY:
        r = on_entry(talk, &message->entry, TAKE_FD(fds[0]));
        break;
    case WIRE_DONE:
        outcome->done = message->done;
        outcome->harvested = true;
        talk->over = true;
        break;
    case WIRE_FAILED:
        r = on_failed(talk, &message->failed);
        break;
    default:
        r = complain(talk, -EPROTO, "the warden broke the protocol");
        break;
    }
    return r;
}

/* Reads every message that is there. */
static int read_channel(struct cell_talk *talk)
{
    while (!talk->over) {
        union wire_message message;
        int fds[WIRE_FDS_MAX];
        int r = wire_receive(talk->channel_fd, WIRE_FROM_WARDEN, MSG_DONTWAIT, &message, fds);

        if (r == -EAGAIN)
            return 0;
        if (r == WIRE_E_CLOSED) {
            /* The end without a harvest is an answer still; before the end it is the slot's keeper that died. */
            if (talk->outcome->end.type != WIRE_ENDED)
                return complain(talk, -EPIPE, "the sandbox's keeper died");
            talk->over = true;
            return 0;
        }
        if (r != 0)
            return complain(talk, r < 0 ? r : -EPROTO, "the warden broke the protocol");
        r = on_message(talk, &message, fds);
        wire_close_fds(fds);
        if (r < 0)
            return r;
    }
    return 0;
}

/* What was killed for another reason, or has ended, is not cancelled any more. */
static void cancel(struct cell_talk *talk)
{
    if (!talk->kill_sent && talk->outcome->end.type != WIRE_ENDED)
        talk->outcome->cancelled = true;
    send_kill(talk);
}

/* A client that closed its connection, or its sending half, wants no more (extensions.md X2). */
static void check_client(struct cell_talk *talk, short revents)
{
    if (revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL))
        cancel(talk);
}

static int pump_tools(struct cell_talk *talk)
{
    int r = tool_channel_pump(talk->request.tools);

    if (talk->request.tools->end != TOOL_CHANNEL_OPEN)
        send_kill(talk);
    return r;
}

static int64_t sooner_ms(int64_t wait_ms, int64_t due_us)
{
    return due_us >= 0 && due_us / 1000 < wait_ms ? (due_us + 999) / 1000 : wait_ms;
}

/* How long poll(2) may wait: the calls that wait are shown to the client when no more are to be expected, and output
 * that is held back in a silence. */
static int wait_ms(const struct cell_talk *talk, int64_t left_ms)
{
    int64_t ms = left_ms > CANCEL_LOOK_MS ? CANCEL_LOOK_MS : left_ms;

    if (talk->request.tools && !talk->kill_sent)
        ms = sooner_ms(ms, tool_channel_due_us(talk->request.tools, clock_monotonic_us()));
    if (talk->request.live)
        ms = sooner_ms(ms, talk->request.live->flush(talk->request.context));
    return (int)ms;
}

static bool wants_pause(const struct cell_talk *talk)
{
    return talk->request.tools && !talk->kill_sent && !talk->over &&
           tool_channel_due_us(talk->request.tools, clock_monotonic_us()) == 0;
}

static void tell_pause(struct cell_talk *talk, enum wire_pause_kind kind)
{
    struct wire_pause message = { .type = WIRE_PAUSE, .kind = kind };

    (void)wire_send(talk->channel_fd, &message, NULL);
}

static void hold(struct cell_talk *talk, int64_t bytes)
{
    atomic_fetch_add(&talk->request.paused_memory->held_bytes, bytes - talk->held_bytes);
    talk->held_bytes = bytes;
}

/* With its whole limit counted already. Few that wait keep their whole limit; of many each may grow by little. */
static enum wire_pause_kind pause_kind(const struct cell_talk *talk)
{
    const struct paused_memory *memory = talk->request.paused_memory;

    return atomic_load(&memory->held_bytes) > memory->budget_bytes / 2 ? WIRE_PAUSE_SMALL : WIRE_PAUSE_WHOLE;
}

/* Waits for the keeper's word on what the program holds; without one it is taken to hold all that it may. */
static int hear_pause(struct cell_talk *talk)
{
    int64_t until_us = clock_monotonic_us() + PAUSED_WITHIN_US;
    int r = 0;

    talk->heard_pause = false;
    while (r == 0 && !talk->heard_pause && !talk->over) {
        struct pollfd poll_channel = { .fd = talk->channel_fd, .events = POLLIN };
        int64_t left_us = until_us - clock_monotonic_us();

        if (left_us <= 0)
            break;
        if (poll(&poll_channel, 1, (int)(left_us / 1000) + 1) > 0)
            r = read_channel(talk);
    }
    return r;
}

static int pause_talk(struct cell_talk *talk)
{
    int r;

    hold(talk, (int64_t)talk->request.run.memory_bytes);
    tell_pause(talk, pause_kind(talk));
    r = hear_pause(talk);
    if (r == 0 && talk->heard_pause)
        hold(talk, talk->said_bytes);
    talk->paused = r == 0 && !talk->over;
    if (!talk->paused)
        hold(talk, 0);
    return talk->paused ? CELL_CLIENT_E_PAUSED : r;
}

/* What the program wrote before it called belongs to this round. Returns CELL_CLIENT_E_PAUSED, 0 if it was killed for
 * it or has ended meanwhile, or a negative errno. */
static int rest(struct cell_talk *talk)
{
    int r = talk->out_fd < 0 ? 0 : pump(talk, &talk->out_fd, &talk->outcome->out);

    if (r == 0 && talk->err_fd >= 0)
        r = pump(talk, &talk->err_fd, &talk->outcome->err);
    if (r < 0 || talk->kill_sent) /* it wrote too much: it does not wait, it ends */
        return r;
    return pause_talk(talk);
}

/* By one flag or the other. */
static bool is_cancelled(const struct cell_request *request)
{
    return atomic_load(request->cancel) || (request->cancel_own && atomic_load(request->cancel_own));
}

/* Nobody reads any more after POLLERR, which poll(2) would report until the end. */
static void write_input(struct cell_talk *talk, short revents)
{
    if (revents & POLLERR)
        feed_close(talk->request.feed);
    else if (feed_write(talk->request.feed, talk->in_fd) == 0)
        return;
    cleanup_close_fd(&talk->in_fd);
    talk->in_fd = -1;
}

/* What is to continue in a parked cell may yet be told that there is none. Nothing is lost then, as long as nobody
 * hears that the cell has closed its end, which poll(2) tells whether asked or not. */
static int input_fd(const struct cell_talk *talk)
{
    return talk->outcome->started || !talk->request.run.continues[0] ? talk->in_fd : -1;
}

static short input_events(const struct cell_talk *talk)
{
    return input_fd(talk) >= 0 && feed_is_due(talk->request.feed) ? POLLOUT : 0;
}

static void calm(int wake_fd)
{
    eventfd_t count;

    (void)eventfd_read(wake_fd, &count);
}

/* A parked program writes no more, and does not close what it wrote to. */
static int read_rest(struct cell_talk *talk)
{
    int r = talk->out_fd < 0 ? 0 : pump(talk, &talk->out_fd, &talk->outcome->out);

    if (r == 0 && talk->err_fd >= 0)
        r = pump(talk, &talk->err_fd, &talk->outcome->err);
    cleanup_close_fd(&talk->out_fd);
    cleanup_close_fd(&talk->err_fd);
    talk->out_fd = talk->err_fd = -1;
    return r;
}

static int converse(struct cell_talk *talk)
{
    int64_t give_up_us = clock_monotonic_us() + (int64_t)talk->request.run.timeout_us + talk->request.grace_us;
    struct tool_channel *tools = talk->request.tools;
    int r = 0;

    while (r == 0 && !(talk->over && talk->out_fd < 0 && talk->err_fd < 0)) {
        bool room = has_room(talk);
        struct pollfd polls[POLL_COUNT] = {
            [POLL_OUT] = { .fd = room ? talk->out_fd : -1, .events = POLLIN },
            [POLL_ERR] = { .fd = room ? talk->err_fd : -1, .events = POLLIN },
            [POLL_CHANNEL] = { .fd = talk->over ? -1 : talk->channel_fd, .events = POLLIN },
            [POLL_CLIENT] = { .fd = talk->kill_sent ? -1 : talk->request.client_fd, .events = POLLRDHUP },
            [POLL_TOOLS] = { .fd = tools && !talk->kill_sent ? tools->fd : -1,
                             .events = tools ? tool_channel_events(tools) : 0 },
            [POLL_WAKE] = { .fd = talk->request.cancel_own ? talk->request.wake_fd : -1, .events = POLLIN },
            [POLL_IN] = { .fd = input_fd(talk), .events = input_events(talk) },
        };
        int64_t left_ms = (give_up_us - clock_monotonic_us()) / 1000;

        if (left_ms <= 0)
            return complain(talk, -ETIMEDOUT, "the sandbox does not answer");
        if (poll(polls, POLL_COUNT, wait_ms(talk, left_ms)) < 0 && errno != EINTR)
            return error_from_errno();
        if (polls[POLL_WAKE].revents)
            calm(talk->request.wake_fd);
        if (is_cancelled(&talk->request))
            cancel(talk);
        if (polls[POLL_OUT].revents)
            r = pump(talk, &talk->out_fd, &talk->outcome->out);
        if (r == 0 && polls[POLL_ERR].revents)
            r = pump(talk, &talk->err_fd, &talk->outcome->err);
        if (r == 0 && polls[POLL_CHANNEL].revents)
            r = read_channel(talk);
        if (r == 0 && talk->over && talk->outcome->end.parked_bytes)
            r = read_rest(talk);
        if (polls[POLL_CLIENT].revents)
            check_client(talk, polls[POLL_CLIENT].revents);
        if (polls[POLL_IN].revents)
            write_input(talk, polls[POLL_IN].revents);
        if (r == 0 && tools && polls[POLL_TOOLS].revents)
            r = pump_tools(talk);
        if (r == 0 && wants_pause(talk)) {
            if (tool_channel_take_round(tools))
                r = rest(talk);
            else
                send_kill(talk);
        }
    }
    return r;
}

static int complain_fault(struct cell_talk *talk, int r)
{
    if (r < 0 && talk->error[0] == '\0')
        snprintf(talk->error, talk->error_size, "the sandbox cannot be reached: %s", strerror(-r));
    return r;
}

int cell_talk_begin(const struct cell_request *request, struct cell_outcome *outcome, char *error, size_t error_size,
                    struct cell_talk **ret_talk)
{
    struct cell_talk *talk = malloc(sizeof(*talk));

    *outcome = (struct cell_outcome){
        .out.kept = BUFFER_INIT(request->keep_bytes),
        .err.kept = BUFFER_INIT(request->keep_bytes),
        .state_fd = -1,
    };
    error[0] = '\0';
    *ret_talk = talk;
    if (!talk)
        return -ENOMEM;
    *talk = (struct cell_talk){
        .request = *request,
        .outcome = outcome,
        .channel_fd = -1,
        .in_fd = -1,
        .out_fd = -1,
        .err_fd = -1,
        .error = error,
        .error_size = error_size,
    };
    return complain_fault(talk, hand_over(talk));
}

int cell_talk_go_on(struct cell_talk *talk, int client_fd, int wake_fd)
{
    talk->request.client_fd = client_fd;
    talk->request.wake_fd = wake_fd;
    if (talk->paused) {
        tell_pause(talk, WIRE_PAUSE_OVER);
        talk->paused = false;
        hold(talk, 0);
    }
    return complain_fault(talk, converse(talk));
}

int64_t cell_talk_held(const struct cell_talk *talk)
{
    return talk->held_bytes;
}

int cell_talk_take_parked(struct cell_talk *talk)
{
    return talk->over && talk->outcome->harvested && talk->outcome->end.parked_bytes ? TAKE_FD(talk->channel_fd) : -1;
}

int cell_talk_take_channel(struct cell_talk *talk)
{
    return talk->over && talk->outcome->harvested ? TAKE_FD(talk->channel_fd) : -1;
}

struct cell_talk *cell_talk_end(struct cell_talk *talk)
{
    if (!talk)
        return NULL;
    if (talk->request.paused_memory)
        hold(talk, 0);
    /* Closing the channel is what cancels an execution that is still running. */
    cleanup_close_fd(&talk->channel_fd);
    cleanup_close_fd(&talk->in_fd);
    cleanup_close_fd(&talk->out_fd);
    cleanup_close_fd(&talk->err_fd);
    if (talk->request.tools)
        tool_channel_close(talk->request.tools);
    free(talk);
    return NULL;
}

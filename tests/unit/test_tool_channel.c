/* SPDX-License-Identifier: Apache-2.0 */
/* Frames, and a channel with the program's end in our hands. */
#include "check.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "engine/tool_channel.h"
#include "engine/tool_frame.h"

static struct tool_channel *new_channel(int *ret_program_fd)
{
    char **names = calloc(3, sizeof(*names));
    struct tool_channel *channel;

    names[0] = strdup("echo");
    names[1] = strdup("my tool");
    channel = tool_channel_new(names, 2, strdup("[]"));
    channel->rounds_max = 2;
    *ret_program_fd = tool_channel_open(channel);
    assert_true(*ret_program_fd >= 0);
    return channel;
}

/* The waiting call of this id, or NULL. */
static const struct tool_call *find_call(const struct tool_channel *channel, const char *id)
{
    const struct tool_call *call = channel->calls;

    while (call && strcmp(call->id, id) != 0)
        call = call->next;
    return call;
}

static void say(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void hears(int fd, const char *expected)
{
    char text[256] = "";

    assert_true(read(fd, text, sizeof(text) - 1) > 0);
    assert_string_equal(text, expected);
}

static void frames_are_parsed(void **state)
{
    static const char call[] = "call 7 4 2\necho{}rest";
    struct tool_frame frame;

    (void)state;
    for (size_t length = 0; length < strlen("call 7 4 2\necho{}"); length++)
        assert_int_equal(tool_frame_parse(call, length, &frame), TOOL_FRAME_E_MORE);
    assert_int_equal(tool_frame_parse(call, strlen(call), &frame), 0);
    assert_int_equal(frame.kind, TOOL_FRAME_CALL);
    assert_int_equal(frame.number, 7);
    assert_memory_equal(frame.name, "echo", frame.name_length);
    assert_memory_equal(frame.text, "{}", frame.text_length);
    assert_int_equal(frame.size, strlen("call 7 4 2\necho{}"));
    assert_int_equal(tool_frame_parse("idle\n", 5, &frame), 0);
    assert_int_equal(frame.kind, TOOL_FRAME_IDLE);
    assert_int_equal(tool_frame_parse("fail 3\nbad", 10, &frame), 0);
    assert_memory_equal(frame.text, "bad", frame.text_length);
}

static void other_lines_are_refused(void **state)
{
    static const char *const lines[] = {
        "\n",
        "call\n",
        "call 1 4\n",
        "call 1 4 2 3\n",
        "call  1 4 2\n",
        "call 1 4 2 \n",
        "call -1 4 2\n",
        "call 1 1025 2\n",
        "call 1 4 1048577\n",
        "call 1 4 9999999999999999999\n",
        "CALL 1 4 2\n",
        "idle 1\n",
        "idles\n",
        "fail\n",
        "fail 16385\n",
        "result 1 2\n",
        "call 0x1 4 2\n",
        "call 1 4 2\r\n",
        "xxxxxxxx\n",
        " call 1 4 2\n",
    };
    char long_line[TOOL_LINE_BYTES_MAX];
    struct tool_frame frame;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        assert_int_equal(tool_frame_parse(lines[i], strlen(lines[i]), &frame), -EBADMSG);
    memset(long_line, 'x', sizeof(long_line));
    assert_int_equal(tool_frame_parse(long_line, sizeof(long_line), &frame), -EBADMSG);
}

static void calls_wait_and_are_answered(void **state)
{
    const struct tool_call *call;
    struct tool_channel *channel;
    int fd;

    (void)state;
    channel = new_channel(&fd);
    assert_int_equal(tool_channel_due_us(channel, clock_monotonic_us()), -1);
    say(fd, "call 5 4 7\necho{\"a\":1}call 9 7 0\nmy tool");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->n_calls, 2);
    assert_true(tool_channel_due_us(channel, clock_monotonic_us()) > 0);
    assert_int_equal(tool_channel_due_us(channel, clock_monotonic_us() + 60000), 0);
    say(fd, "idle\n");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(tool_channel_due_us(channel, clock_monotonic_us()), 0);
    call = find_call(channel, "call_002");
    assert_non_null(call);
    assert_string_equal(call->name, "my tool");
    assert_null(find_call(channel, "call_003"));
    assert_int_equal(tool_channel_result(channel, call, "null", 4), 0);
    assert_int_equal(tool_channel_error(channel, find_call(channel, "call_001"), "no", 2), 0);
    tool_channel_clear(channel);
    assert_true(tool_channel_events(channel) & POLLOUT);
    assert_int_equal(tool_channel_pump(channel), 0);
    hears(fd, "result 9 4\nnullerror 5 2\nno");
    assert_int_equal(tool_channel_events(channel), POLLIN);
    say(fd, "call 1 4 2\necho{}");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_string_equal(channel->calls->id, "call_003");
    close(fd);
    tool_channel_free(channel);
}

static void a_call_after_idle_is_waited_for(void **state)
{
    struct tool_channel *channel;
    int fd;

    (void)state;
    channel = new_channel(&fd);
    say(fd, "idle\ncall 1 4 2\necho{}");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_false(channel->idle);
    say(fd, "idle\ncall 2 4 2\necho{}");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_false(channel->idle);
    close(fd);
    tool_channel_free(channel);
}

static void strangers_and_nonsense_end_it(void **state)
{
    struct tool_channel *channel;
    int fd;

    (void)state;
    channel = new_channel(&fd);
    say(fd, "call 1 5 2\nechos{}call 2 4 2\necho{}");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->end, TOOL_CHANNEL_UNREGISTERED);
    assert_string_equal(channel->culprit, "echos");
    assert_int_equal(channel->n_calls, 0);
    close(fd);
    tool_channel_free(channel);
    channel = new_channel(&fd);
    say(fd, "call 1 4 2\necho{}nonsense\n");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->end, TOOL_CHANNEL_BROKEN);
    close(fd);
    tool_channel_free(channel);
}

static void too_many_calls_wait_in_the_socket(void **state)
{
    static const char call[] = "call 1 4 2\necho{}";
    CLEANUP(buffer_deinit) struct buffer calls = BUFFER_INIT(1 << 20);
    struct tool_channel *channel;
    int fd;

    (void)state;
    channel = new_channel(&fd);
    for (int i = 0; i < TOOL_CALLS_MAX + 500; i++)
        assert_int_equal(buffer_append(&calls, call, strlen(call)), 0);
    say(fd, calls.data); /* at once, for small pieces fill a socket sooner */
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->n_calls, TOOL_CALLS_MAX);
    assert_int_equal(tool_channel_events(channel), 0);
    assert_int_equal(tool_channel_due_us(channel, clock_monotonic_us()), 0);
    tool_channel_clear(channel);
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->n_calls, 500);
    close(fd);
    tool_channel_free(channel);
}

static void who_does_not_read_is_not_heard(void **state)
{
    static char answer[1 << 20];
    CLEANUP_FREE char *heard = malloc(sizeof(answer));
    struct tool_channel *channel;
    int fd;

    (void)state;
    memset(answer, ' ', sizeof(answer));
    channel = new_channel(&fd);
    say(fd, "call 1 4 2\necho{}");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(tool_channel_result(channel, channel->calls, answer, sizeof(answer)), 0);
    tool_channel_clear(channel);
    say(fd, "call 2 4 2\necho{}");
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->n_calls, 0);
    assert_int_equal(tool_channel_events(channel), POLLOUT);
    for (int reads = 0; channel->n_calls == 0 && reads < 10000; reads++) {
        (void)recv(fd, heard, sizeof(answer), MSG_DONTWAIT);
        assert_int_equal(tool_channel_pump(channel), 0);
    }
    assert_int_equal(channel->n_calls, 1);
    assert_int_equal(tool_channel_events(channel), POLLIN);
    close(fd);
    tool_channel_free(channel);
}

static void floods_end_it(void **state)
{
    struct tool_channel *channel;
    static char block[65536];
    int fd;

    (void)state;
    for (size_t i = 0; i + 5 <= sizeof(block); i += 5)
        memcpy(block + i, "idle\n", 5);
    channel = new_channel(&fd);
    for (size_t sent = 0; channel->end == TOOL_CHANNEL_OPEN; sent += sizeof(block) / 5 * 5) {
        assert_true(sent < 2 * TOOL_ROUND_BYTES_MAX);
        assert_true(send(fd, block, sizeof(block) / 5 * 5, 0) > 0);
        assert_int_equal(tool_channel_pump(channel), 0);
    }
    assert_int_equal(channel->end, TOOL_CHANNEL_BROKEN);
    close(fd);
    tool_channel_free(channel);
}

static void nobody_waits_behind_a_closed_end(void **state)
{
    struct tool_channel *channel;
    int fd;

    (void)state;
    channel = new_channel(&fd);
    say(fd, "call 1 4 2\necho{}fail 3\nbad");
    close(fd);
    assert_int_equal(tool_channel_pump(channel), 0);
    assert_int_equal(channel->n_calls, 0);
    assert_int_equal(channel->fd, -1);
    assert_string_equal(channel->failure, "bad");
    assert_int_equal(tool_channel_pump(channel), 0);
    tool_channel_free(channel);
}

static void rounds_are_counted(void **state)
{
    struct tool_channel *channel;
    int fd;

    (void)state;
    channel = new_channel(&fd);
    assert_true(tool_channel_take_round(channel));
    assert_true(tool_channel_take_round(channel));
    assert_false(tool_channel_take_round(channel));
    assert_int_equal(channel->end, TOOL_CHANNEL_EXHAUSTED);
    close(fd);
    tool_channel_free(channel);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_parsed),
        cmocka_unit_test(other_lines_are_refused),
        cmocka_unit_test(calls_wait_and_are_answered),
        cmocka_unit_test(a_call_after_idle_is_waited_for),
        cmocka_unit_test(strangers_and_nonsense_end_it),
        cmocka_unit_test(too_many_calls_wait_in_the_socket),
        cmocka_unit_test(who_does_not_read_is_not_heard),
        cmocka_unit_test(floods_end_it),
        cmocka_unit_test(nobody_waits_behind_a_closed_end),
        cmocka_unit_test(rounds_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

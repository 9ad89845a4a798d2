/* SPDX-License-Identifier: Apache-2.0 */
/* Answers that come later: suspended, streamed, read from a source. */
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_subject.h"

static void test_suspended_answers(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);

    (void)context;
    for (int i = 0; i < 50; i++) {
        struct reply reply;

        push_text(fd, i % 2 ? "POST /later?ms=1 HTTP/1.1\r\n" GOOD JSON(4) "{  }"
                            : "POST /later HTTP/1.1\r\n" GOOD JSON(4) "{  }");
        reply = read_reply(fd);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "{\"length\":4}");
        check_security_headers(&reply);
        reply_deinit(&reply);
    }
}

static void test_stream_sends_life_signs(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    int64_t start_us = clock_monotonic_us(), first_us;
    char byte;
    struct reply reply;

    (void)context;
    push_text(fd, "GET /stream?n=6 HTTP/1.1\r\n" GOOD "\r\n");
    assert_true(recv(fd, &byte, 1, MSG_PEEK) == 1);
    first_us = clock_monotonic_us() - start_us;
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Transfer-Encoding"), "chunked");
    check_security_headers(&reply);
    assert_int_equal(reply.body_length, 19);
    assert_memory_equal(reply.body, "      {\"done\":true}", 19);
    assert_true(clock_monotonic_us() - start_us > 250000);
    assert_true(first_us < 150000);
    reply_deinit(&reply);
}

static void test_stream_to_old_clients(void **context)
{
    struct reply reply = ask(state.server, "GET /stream?n=2 HTTP/1.0\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_memory_equal(reply.body, "  {\"done\":true}", 15);
    reply_deinit(&reply);
}

static void test_stream_is_bounded(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    push_text(fd, "GET /flood HTTP/1.1\r\n" GOOD "\r\n");
    usleep(500000);
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_length, 30000000 + 9);
    assert_memory_equal(reply.body + 30000000, "refused 1", 9);
    reply_deinit(&reply);
}

static void test_a_source_is_read_to_its_end(void **context)
{
    (void)context;
    for (int n = 0; n < 600; n += 6) {
        char request[128];
        struct reply reply;

        snprintf(request, sizeof(request), "GET /pull?n=%d HTTP/1.1\r\n" GOOD "\r\n", n);
        reply = ask(state.server, request);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_length, 100 * n + 7);
        check_security_headers(&reply);
        reply_deinit(&reply);
    }
}

/* What lacks its end shows it: no last chunk, and the connection is closed. */
static void test_a_source_that_breaks_off(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    char bytes[4096];
    size_t length = 0;
    ssize_t n;

    (void)context;
    push_text(fd, "GET /pull?n=3 HTTP/1.1\r\n" GOOD "\r\n");
    while ((n = recv(fd, bytes + length, sizeof(bytes) - length, 0)) > 0)
        length += (size_t)n;
    assert_true(length > 300);
    assert_memory_not_equal(bytes + length - 5, "0\r\n\r\n", 5);
}

static void test_hang_ups_at_any_moment(void **context)
{
    static const char *const requests[] = {
        "POST /later?ms=20 HTTP/1.1\r\n" GOOD JSON(4) "{  }",
        "GET /stream?n=5 HTTP/1.1\r\n" GOOD "\r\n",
        "GET /flood HTTP/1.1\r\n" GOOD "\r\n",
        "GET /pull?n=200 HTTP/1.1\r\n" GOOD "\r\n",
        "GET /file HTTP/1.1\r\n" GOOD "\r\n",
        "POST /echo HTTP/1.1\r\n" GOOD JSON(100) "{",
    };

    (void)context;
    for (int i = 0; i < 150; i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        struct linger reset = { 1, 0 };

        push_text(fd, requests[i % ARRAY_SIZE(requests)]);
        usleep((useconds_t)(i % 7) * 3000);
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_suspended_answers),           cmocka_unit_test(test_stream_sends_life_signs),
        cmocka_unit_test(test_stream_to_old_clients),       cmocka_unit_test(test_stream_is_bounded),
        cmocka_unit_test(test_a_source_is_read_to_its_end), cmocka_unit_test(test_a_source_that_breaks_off),
        cmocka_unit_test(test_hang_ups_at_any_moment),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* Many clients, slow and hostile ones, and a server that stops under them. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "http_subject.h"

static void test_buffered_bodies_together_are_bounded(void **context)
{
    static char block[1 << 20];
    struct http_options options = make_options();
    struct http_server *server;
    int fds[3], refused = 0, served = 0;
    struct reply reply;

    (void)context;
    options.max_buffered_bytes = 2 << 20;
    server = start(&options);
    memset(block, ' ', sizeof(block));
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(server);
        push_text(fds[i], "POST /echo HTTP/1.1\r\n" GOOD JSON(1048578));
        push(fds[i], block, sizeof(block));
    }
    usleep(100000);
    for (int i = 0; i < 3; i++) {
        push_text(fds[i], "{}");
        reply = read_reply(fds[i]);
        refused += reply.status == 503;
        served += reply.status == 200;
        if (reply.status == 503)
            assert_string_equal(header(&reply, "Retry-After"), "1");
        reply_deinit(&reply);
        close(fds[i]);
    }
    assert_true(refused > 0 && served > 0 && refused + served == 3);
    reply = ask(server, "POST /echo HTTP/1.1\r\n" GOOD JSON(2) "{}");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_slow_clients_are_cut(void **context)
{
    static const char trickle[] = "GET /health HTTP/1.1\r\nHost: x\r\nX: ";
    struct http_options options = make_options();
    struct http_server *server;
    int64_t start_us;
    int fd;

    (void)context;
    options.header_seconds = 1;
    options.idle_seconds = 1;
    server = start(&options);
    fd = dial(server);
    start_us = clock_monotonic_us();
    push_text(fd, trickle);
    while (clock_monotonic_us() - start_us < 10000000 && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(100000);
    assert_true(clock_monotonic_us() - start_us < 5000000);
    close(fd);
    http_server_free(server);
}

static void test_stop_answers_what_is_suspended(void **context)
{
    struct http_options options = make_options();
    struct http_server *server = start(&options);
    struct reply reply;
    int fds[4];

    (void)context;
    fds[0] = dial(server);
    push_text(fds[0], "POST /later?ms=700 HTTP/1.1\r\n" GOOD JSON(2) "{}");
    fds[1] = dial(server);
    push_text(fds[1], "GET /stream?n=20 HTTP/1.1\r\n" GOOD "\r\n");
    fds[2] = dial(server);
    push_text(fds[2], "GET /flood HTTP/1.1\r\n" GOOD "\r\n");
    fds[3] = dial(server); /* idle */
    usleep(100000);
    http_server_stop(server, 50);
    reply = read_reply(fds[0]);
    assert_int_equal(reply.status, 503);
    check_error(&reply, "Service is shutting down");
    assert_string_equal(header(&reply, "Connection"), "close");
    reply_deinit(&reply);
    reply = read_reply(fds[1]);
    assert_false(reply.complete);
    reply_deinit(&reply);
    http_server_free(server);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void test_stop_waits_for_running_requests(void **context)
{
    struct http_options options = make_options();
    struct http_server *server = start(&options);
    CLEANUP_CLOSE int fd = dial(server);
    struct reply reply;

    (void)context;
    push_text(fd, "POST /later?ms=200 HTTP/1.1\r\n" GOOD JSON(2) "{}");
    usleep(50000);
    http_server_stop(server, 5000);
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void *hammer(void *argument)
{
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\n" GOOD JSON(7) "{\"a\":1}",
        "POST /later HTTP/1.1\r\n" GOOD JSON(4) "{  }",
        "GET /file HTTP/1.1\r\n" GOOD "\r\n",
        "GET /nosuch HTTP/1.1\r\n" H("bad") "\r\n",
    };
    static const int statuses[] = { 200, 200, 200, 401 };
    unsigned seed = (unsigned)(uintptr_t)argument;
    int fd = dial(state.server);
    uintptr_t wrong = 0;

    for (int i = 0; i < 200; i++) {
        unsigned n = (unsigned)rand_r(&seed) % 4;
        struct reply reply;

        push_text(fd, requests[n]);
        reply = read_reply(fd);
        wrong += !reply.complete || reply.status != statuses[n];
        reply_deinit(&reply);
    }
    close(fd);
    return (void *)wrong;
}

static void test_many_clients_at_once(void **context)
{
    pthread_t threads[16];

    (void)context;
    for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static struct {
    struct http_server *server;
    _Atomic bool ended;
} fire;

/* A client that behaves badly in every way until told to end. */
static void *misbehave(void *argument)
{
    static const char *const requests[] = {
        "POST /later?ms=3 HTTP/1.1\r\n" GOOD JSON(4) "{  }",
        "GET /stream?n=2 HTTP/1.1\r\n" GOOD "\r\n",
        "GET /flood HTTP/1.1\r\n" GOOD "\r\n",
        "GET /file HTTP/1.1\r\n" GOOD "\r\n",
        "POST /echo HTTP/1.1\r\n" GOOD JSON(100) "{",
        "POST /upload HTTP/1.1\r\n" GOOD
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n" PART,
        "POST /upload HTTP/1.1\r\n" H("bad") "Content-Length: 1000000\r\n\r\nxxx",
        "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: -1\r\n\r\n{}",
        "GET /x HTTP/9.1\r\n\r\n",
    };
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct linger reset = { 1, 0 };

    while (!fire.ended) {
        CLEANUP_CLOSE int fd = try_dial(fire.server);

        if (fd < 0) {
            usleep(1000);
            continue;
        }
        for (int n = rand_r(&seed) % 3; n >= 0; n--)
            push_text(fd, requests[(unsigned)rand_r(&seed) % ARRAY_SIZE(requests)]);
        usleep((useconds_t)rand_r(&seed) % 5000);
        if (rand_r(&seed) % 3 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        else if (rand_r(&seed) % 4 == 0)
            shutdown(fd, SHUT_WR);
    }
    return NULL;
}

static void test_stop_under_fire(void **context)
{
    struct http_options options = make_options();
    pthread_t threads[6];

    (void)context;
    options.stream_buffer_bytes = 20000;
    for (uintptr_t round = 0; round < 4; round++) {
        fire.server = start(&options);
        fire.ended = false;
        for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, misbehave, (void *)(round * 7 + i)), 0);
        usleep(200000);
        http_server_stop(fire.server, round % 2 * 100);
        fire.ended = true;
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
            pthread_join(threads[i], NULL);
        fire.server = http_server_free(fire.server);
        assert_int_equal(state.uploads_open, state.uploads_closed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_clients_at_once),
        cmocka_unit_test(test_buffered_bodies_together_are_bounded),
        cmocka_unit_test(test_slow_clients_are_cut),
        cmocka_unit_test(test_stop_answers_what_is_suspended),
        cmocka_unit_test(test_stop_waits_for_running_requests),
        cmocka_unit_test(test_stop_under_fire),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* The server as clients meet it: raw bytes in, raw bytes out, over loopback. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http_subject.h"

static void test_unrouted_answers_carry_detail_and_allow(void **context)
{
    struct reply reply = ask(state.server, "PATCH /items/a/b HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_string_equal(header(&reply, "Allow"), "GET, HEAD, DELETE");
    assert_non_null(strstr(reply.body, "\"detail\":\"Method Not Allowed\""));
    reply_deinit(&reply);
    reply = ask(state.server, "GET /nosuch HTTP/1.1\r\n" GOOD "\r\n");
    assert_non_null(strstr(reply.body, "\"detail\":\"Not Found\""));
    assert_non_null(strstr(reply.body, "\"error_type\":\"resource_not_found\""));
    assert_null(header(&reply, "WWW-Authenticate"));
    reply_deinit(&reply);
}

static void test_head_is_get_without_body(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    push_text(fd, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
    reply = read_reply_within(fd, true, 10000);
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Content-Length"), "5");
    assert_int_equal(reply.body_length, 0);
    reply_deinit(&reply);
    push_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    reply = read_reply(fd);
    assert_string_equal(reply.body, "hello");
    reply_deinit(&reply);
}

static void test_options_is_open(void **context)
{
    struct reply reply = ask(state.server, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: http://o\r\n\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Allow"), "POST");
    assert_null(header(&reply, "Access-Control-Allow-Origin"));
    reply_deinit(&reply);
    reply = ask(state.server, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
}

static void test_parameters_and_query_are_decoded_once(void **context)
{
    struct reply reply = ask(
        state.server, "GET /v1/items/a%20b%2541/%C3%A9?x&detail=f%75ll+1%2B1&detail=2&empty HTTP/1.1\r\n" GOOD "\r\n");
    json_t *json = json_loadb(reply.body, reply.body_length, 0, NULL);

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_string_equal(json_string_value(json_object_get(json, "a")), "a b%41");
    assert_string_equal(json_string_value(json_object_get(json, "b")), "\xc3\xa9");
    assert_string_equal(json_string_value(json_object_get(json, "detail")), "full 1+1");
    assert_string_equal(json_string_value(json_object_get(json, "empty")), "");
    assert_string_equal(json_string_value(json_object_get(json, "ip")), "127.0.0.1");
    assert_string_equal(json_string_value(json_object_get(json, "tenant")), "tenant");
    assert_string_equal(json_string_value(json_object_get(json, "key")), "sk-tes...");
    json_decref(json);
    reply_deinit(&reply);
}

static void test_profile_header_is_on_its_routes_only(void **context)
{
    struct reply reply = ask(state.server, "POST /echo HTTP/1.1\r\nHost: x\r\n\r\n");

    (void)context;
    assert_int_equal(reply.status, 401);
    assert_string_equal(header(&reply, "X-Profile"), "default");
    reply_deinit(&reply);
    reply = ask(state.server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_null(header(&reply, "X-Profile"));
    reply_deinit(&reply);
    reply = ask(state.server, "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: stateful\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"expected_profile\":\"stateful\""));
    assert_non_null(strstr(reply.body, "\"actual_profile\":\"default\""));
    assert_non_null(strstr(reply.body, "\"message\":\"Expected the stateful execution profile, but reached default\""));
    reply_deinit(&reply);
}

static void test_header_values_cannot_split_the_response(void **context)
{
    struct reply reply = ask(state.server, "GET /header?value=a%0d%0aX-Injected:%201%0a%7f HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_null(header(&reply, "X-Injected"));
    assert_string_equal(header(&reply, "Content-Disposition"), "a%0D%0AX-Injected: 1%0A%7F");
    assert_int_equal(count_header(&reply, "Content-Security-Policy"), 1);
    assert_string_equal(header(&reply, "Content-Security-Policy"), "sandbox");
    reply_deinit(&reply);
}

static void test_long_headers(void **context)
{
    static const struct {
        size_t length;
        int status;
    } rows[] = { { 10000, 401 }, { 60000, 401 }, { 66000, 431 }, { 1000000, 431 } };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        CLEANUP_FREE char *value = malloc(rows[i].length);
        struct reply reply;

        memset(value, 'k', rows[i].length);
        push_text(fd, "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-API-Key: ");
        push(fd, value, rows[i].length);
        push_text(fd, "\r\n\r\n");
        reply = read_reply(fd);
        if (reply.status != rows[i].status)
            fail_msg("%zu bytes: %d", rows[i].length, reply.status);
        check_security_headers(&reply);
        check_error(&reply, rows[i].status == 401 ? "Invalid API key" : "Request header fields too large");
        reply_deinit(&reply);
    }
}

static void test_long_chunk_extension(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    static char padding[100000];
    struct reply reply;

    (void)context;
    memset(padding, 'x', sizeof(padding));
    push_text(fd, "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\n2;x=");
    push(fd, padding, sizeof(padding));
    reply = read_reply(fd);
    assert_int_equal(reply.status, 400);
    check_error(&reply, "Malformed request");
    reply_deinit(&reply);
}

static void test_connection_is_kept_and_pipelined(void **context)
{
    static const char two[] = "POST /echo HTTP/1.1\r\n" GOOD JSON(7) "{\"a\":1}GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    CLEANUP_CLOSE int fd = dial(state.server);

    (void)context;
    for (int i = 0; i < 20; i++) {
        char bytes[4096] = "";
        size_t used = 0;

        push_text(fd, two);
        while (used < sizeof(bytes) - 1 && !strstr(bytes, "hello")) {
            ssize_t n = recv(fd, bytes + used, sizeof(bytes) - 1 - used, 0);

            assert_true(n > 0);
            used += (size_t)n;
            bytes[used] = '\0';
        }
        assert_non_null(strstr(bytes, "{\"a\":1}"));
    }
}

/* Whatever follows a request whose end is in doubt is not served. */
static void test_nothing_is_smuggled(void **context)
{
    static const char *const framings[] = { "Content-Length: 4\r\nContent-Length: 38\r\n",
                                            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                            "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
                                            "Transfer-Encoding: xchunked\r\n",
                                            "Content-Length: 5, 5\r\n",
                                            "Content-Length: +5\r\n" };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        char request[400], bytes[4096] = "";
        size_t used = 0;
        ssize_t n;

        snprintf(request, sizeof(request),
                 "POST /echo HTTP/1.1\r\n" GOOD "%s\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", framings[i]);
        push_text(fd, request);
        while (used < sizeof(bytes) - 1 && (n = recv(fd, bytes + used, sizeof(bytes) - 1 - used, 0)) > 0)
            used += (size_t)n;
        bytes[used] = '\0';
        assert_non_null(strstr(bytes, "HTTP/1.1 400 "));
        assert_non_null(strstr(bytes, "Connection: close"));
        assert_null(strstr(bytes + 1, "HTTP/1.1"));
    }
}

/* A refused request with a small body does not cost the connection. */
static void test_refused_body_is_skipped(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);

    (void)context;
    for (int i = 0; i < 3; i++) {
        struct reply reply;

        push_text(fd, "POST /echo HTTP/1.1\r\n" H("bad") JSON(7) "{\"a\":1}");
        reply = read_reply(fd);
        assert_int_equal(reply.status, 401);
        reply_deinit(&reply);
    }
}

/* The client sends all of a large body before it reads: the answer must not be lost to a reset. */
static void test_large_refused_body_still_gets_its_answer(void **context)
{
    static char block[1 << 20];

    (void)context;
    memset(block, 'x', sizeof(block));
    for (int round = 0; round < 3; round++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        struct reply reply;

        push_text(fd, "POST /upload HTTP/1.1\r\n" GOOD
                      "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 104857600\r\n\r\n");
        for (int i = 0; i < 100; i++)
            push(fd, block, sizeof(block));
        reply = read_reply(fd);
        assert_int_equal(reply.status, 413);
        check_security_headers(&reply);
        assert_string_equal(header(&reply, "Connection"), "close");
        reply_deinit(&reply);
    }
}

static void test_chunked_body_beyond_the_limit(void **context)
{
    static char block[1 << 20];
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    memset(block, ' ', sizeof(block));
    push_text(fd,
              "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 5; i++)
        push_chunk(fd, block, sizeof(block));
    push_text(fd, "0\r\n\r\n");
    reply = read_reply(fd);
    assert_int_equal(reply.status, 413);
    reply_deinit(&reply);

    /* without end: cut */
    push_text(fd,
              "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 64; i++)
        push_chunk(fd, block, sizeof(block));
    reply = read_reply_within(fd, false, 5000);
    assert_int_equal(reply.length, 0);
    reply_deinit(&reply);
}

/* The end of the stream in the same packet as the last bytes. */
static void test_end_in_mid_request_is_noticed(void **context)
{
    static const char *const beginnings[] = { "GET", "GET /health HTTP/1.1\r\nHost: x\r\n",
                                              "POST /echo HTTP/1.1\r\n" GOOD JSON(10) "{",
                                              "POST /echo HTTP/1.1\r\n" GOOD
                                              "Transfer-Encoding: chunked\r\n\r\n2;\r\n" };
    int fds[ARRAY_SIZE(beginnings)];

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
        fds[i] = dial(state.server);
        push_text(fds[i], beginnings[i]);
        shutdown(fds[i], SHUT_WR);
    }
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
        struct reply reply = read_reply_within(fds[i], false, 3000);

        assert_int_equal(reply.length, 0);
        assert_int_equal(recv(fds[i], reply.bytes, 1, MSG_DONTWAIT), 0);
        reply_deinit(&reply);
        close(fds[i]);
    }
}

static void test_chunk_bombs(void **context)
{
    static const char *const bombs[] = { "fffffffffffffffff\r\n", "-1\r\n{}\r\n", "zz\r\n", "2;\r\n",
                                         "0x2\r\n{}\r\n0\r\n\r\n" };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(bombs); i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        struct reply reply;

        push_text(fd, "POST /echo HTTP/1.1\r\n" GOOD
                      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        push_text(fd, bombs[i]);
        shutdown(fd, SHUT_WR);
        reply = read_reply(fd);
        assert_int_not_equal(reply.status, 200);
        reply_deinit(&reply);
    }
}

static void test_expect_continue(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    char line[64] = "";
    struct reply reply;

    (void)context;
    push_text(fd, "POST /echo HTTP/1.1\r\n" GOOD "Expect: 100-continue\r\n" JSON(7));
    assert_true(recv(fd, line, 25, MSG_WAITALL) == 25);
    assert_memory_equal(line, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    push_text(fd, "{\"a\":1}");
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);

    push_text(fd, "POST /echo HTTP/1.1\r\n" H("bad") "Expect: 100-continue\r\n" JSON(7));
    reply = read_reply(fd);
    assert_int_equal(reply.status, 401);
    reply_deinit(&reply);
}

static void test_file_is_streamed(void **context)
{
    struct reply reply = ask(state.server, "GET /file HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "0123456789");
    check_security_headers(&reply);
    reply_deinit(&reply);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unrouted_answers_carry_detail_and_allow),
        cmocka_unit_test(test_head_is_get_without_body),
        cmocka_unit_test(test_options_is_open),
        cmocka_unit_test(test_parameters_and_query_are_decoded_once),
        cmocka_unit_test(test_profile_header_is_on_its_routes_only),
        cmocka_unit_test(test_header_values_cannot_split_the_response),
        cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_long_chunk_extension),
        cmocka_unit_test(test_connection_is_kept_and_pipelined),
        cmocka_unit_test(test_nothing_is_smuggled),
        cmocka_unit_test(test_refused_body_is_skipped),
        cmocka_unit_test(test_large_refused_body_still_gets_its_answer),
        cmocka_unit_test(test_chunked_body_beyond_the_limit),
        cmocka_unit_test(test_end_in_mid_request_is_noticed),
        cmocka_unit_test(test_chunk_bombs),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_file_is_streamed),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

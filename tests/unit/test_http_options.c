/* SPDX-License-Identifier: Apache-2.0 */
/* Servers with other options. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "http_subject.h"

static void test_authentication_off(void **context)
{
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.gate = (struct http_gate){ let_in, NULL };
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" H("wrong") "\r\n");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"key\":\"anonymous\""));
    reply_deinit(&reply);
    reply = ask(server, "GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 404);
    reply_deinit(&reply);
    reply = ask(server, "GET /admin/keys HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 401);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_bearer_off(void **context)
{
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.bearer_enabled = false;
    options.debug = true;
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " KEY "\r\n\r\n");
    assert_int_equal(reply.status, 401);
    assert_non_null(header(&reply, "X-Response-Time-Ms"));
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_no_gate_opens_nothing(void **context)
{
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.gate = (struct http_gate){ NULL, NULL };
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 500);
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_refusal_with_a_time(void **context)
{
    struct reply reply = ask(state.server, "GET /items/1/2 HTTP/1.1\r\n" H("blocked") "\r\n");

    (void)context;
    assert_int_equal(reply.status, 429);
    check_error(&reply, "Too many");
    assert_string_equal(header(&reply, "Retry-After"), "17");
    reply_deinit(&reply);
}

static void test_limits(void **context)
{
    struct reply reply = ask(state.server, "GET /limited HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 429);
    check_error(&reply, "rate_limited");
    assert_non_null(strstr(reply.body, "\"message\":\"no more\""));
    assert_non_null(strstr(reply.body, "\"retry_after_seconds\":"));
    assert_in_range(atoi(header(&reply, "Retry-After")), 80, 90);
    assert_string_equal(header(&reply, "RateLimit-Reset"), header(&reply, "Retry-After"));
    assert_string_equal(header(&reply, "RateLimit-Limit"), "5");
    assert_string_equal(header(&reply, "RateLimit-Remaining"), "0");
    assert_string_equal(header(&reply, "X-RateLimit-Limit"), "5");
    assert_string_equal(header(&reply, "X-RateLimit-Remaining"), "0");
    assert_string_equal(header(&reply, "X-RateLimit-Period"), "hourly");
    assert_int_equal(strlen(header(&reply, "X-RateLimit-Reset")), CLOCK_ISO_SIZE - 1);
    reply_deinit(&reply);

    reply = ask(state.server, "GET /counted HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "X-RateLimit-Remaining"), "3");
    assert_null(header(&reply, "Retry-After"));
    assert_null(header(&reply, "RateLimit-Limit"));
    reply_deinit(&reply);

    reply = ask(state.server, "GET /limited HTTP/1.1\r\n" H("wrong") "\r\n");
    assert_int_equal(reply.status, 401); /* step 4 before 6 */
    reply_deinit(&reply);
}

static void test_cors(void **context)
{
    static const char *const origins[] = { "https://a.example", NULL };
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.cors_enabled = true;
    options.cors_origins = origins;
    server = start(&options);
    reply =
        ask(server,
            "OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: x-api-key\r\n\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Access-Control-Allow-Origin"), "https://a.example");
    assert_string_equal(header(&reply, "Access-Control-Allow-Credentials"), "true");
    assert_string_equal(header(&reply, "Access-Control-Allow-Headers"), "x-api-key");
    assert_non_null(strstr(header(&reply, "Access-Control-Allow-Methods"), "PATCH"));
    check_security_headers(&reply);
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n");
    assert_string_equal(header(&reply, "Access-Control-Expose-Headers"), "Content-Disposition");
    assert_string_equal(header(&reply, "Vary"), "Origin");
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example\r\n\r\n");
    assert_int_equal(reply.status, 200);
    assert_null(header(&reply, "Access-Control-Allow-Origin"));
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_forwarded_client_address(void **context)
{
    static const char *const proxies[] = { "127.0.0.0/8", NULL };
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.trusted_proxies = proxies;
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"ip\":\"203.0.113.9\""));
    reply_deinit(&reply);
    reply =
        ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Forwarded-For: \" or 1=1\r\nX-Real-IP: 203.0.113.9\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"ip\":\"203.0.113.9\""));
    reply_deinit(&reply);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Forwarded-For: \" or 1=1\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"ip\":\"127.0.0.1\""));
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_refusing(void **context)
{
    struct http_options options = make_options();
    struct http_server *server = start(&options);
    struct reply reply;

    (void)context;
    http_server_refuse(server, "Service is starting up");
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 503);
    check_error(&reply, "Service is starting up");
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_refuse(server, NULL);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_bad_options_are_named(void **context)
{
    static const char *const bad_block[] = { "10.0.0.0/33", NULL };
    struct http_options options = make_options();
    struct http_server *server = NULL;
    char error[200] = "";

    (void)context;
    options.address = "localhost";
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "'localhost' is no numeric address to listen on");
    options = make_options();
    options.trusted_proxies = bad_block;
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "'10.0.0.0/33' is no address and no CIDR block");
    options = make_options();
    options.port = http_server_port(state.server);
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), -EADDRINUSE);
    options = make_options();
    options.tls_certificate = options.tls_key = "nonsense";
    assert_true(http_server_start(&options, &server, error, sizeof(error)) < 0);
    assert_null(server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_authentication_off),
        cmocka_unit_test(test_bearer_off),
        cmocka_unit_test(test_no_gate_opens_nothing),
        cmocka_unit_test(test_refusal_with_a_time),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_forwarded_client_address),
        cmocka_unit_test(test_refusing),
        cmocka_unit_test(test_bad_options_are_named),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

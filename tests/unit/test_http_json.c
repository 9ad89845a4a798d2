/* SPDX-License-Identifier: Apache-2.0 */
/* JSON bodies, through a live server: what is taken, what is refused, and with which code (http-api.md 7.2, 8.4). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http_client.h"

static void on_echo(struct http_request *request)
{
    json_t *json = http_json_object(request);

    if (json)
        http_respond_json(request, 200, json);
}

static const struct http_route routes[] = { { "POST", "/echo", HTTP_OPEN, false, HTTP_BODY_JSON, false, on_echo,
                                              NULL } };

static int set_up(void **context)
{
    struct http_options options = HTTP_OPTIONS_INIT;
    struct http_server *server;
    char error[200];

    options.routes = routes;
    options.n_routes = ARRAY_SIZE(routes);
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), 0);
    *context = server;
    return 0;
}

static int tear_down(void **context)
{
    http_server_free(*context);
    return 0;
}

static void check(struct http_server *server, const char *what, const void *body, size_t length, int status,
                  const char *needle)
{
    CLEANUP_CLOSE int fd = dial(server);
    struct reply reply;
    char head[200];

    snprintf(head, sizeof(head),
             "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n\r\n", length);
    push_text(fd, head);
    push(fd, body, length);
    reply = read_reply(fd);
    if (!reply.complete || reply.status != status || (needle && !strstr(reply.body, needle)))
        fail_msg("%s: %d %.3000s", what, reply.status, reply.body);
    reply_deinit(&reply);
}

static const struct {
    const char *body;
    size_t length;
    int status;
    const char *needle;
} rows[] = {
#define ROW(body, status, needle)                                                                                      \
    {                                                                                                                  \
        body, sizeof(body) - 1, status, needle                                                                         \
    }
    ROW("{}", 200, "{}"),
    ROW(" {\"a\" : [1, 2.5, true, null] } ", 200, "{\"a\":[1,2.5,true,null]}"),
    ROW("\xef\xbb\xbf{\"a\":1}", 200, "{\"a\":1}"),
    ROW("{\"a\":1,\"a\":2}", 200, "{\"a\":2}"),
    ROW("{\"a\":\"x\\u0000y\"}", 200, "{\"a\":\"x\\u0000y\"}"),
    ROW("{\"a\":\"\\ud83d\\ude00\"}", 200, "\xf0\x9f\x98\x80"),
    ROW("{\"a\":\"[[[{{{\\\"\"}", 200, NULL),
    ROW("{\"a\":9223372036854775807}", 200, "{\"a\":9223372036854775807}"),
    ROW("{\"a\":9223372036854775808}", 200, "{\"a\":9.22337203685478e18}"),
    ROW("{\"a\":12345678901234567890}", 200, "{\"a\":1.23456789012346e19}"),
    ROW("[{\"a\":-99999999999999999999}]", 422, "\"model_attributes_type\""),
    ROW("{\"a\":-9223372036854775809,\"b\":1}", 200, "{\"a\":-9.22337203685478e18,\"b\":1}"),
    ROW("{\"a\":[1e999,-1E+999,1e-999,2]}", 200, "{\"a\":[1e308,-1e308,0.0,2]}"),
    ROW("{\"a\":1e999,\"b\":\"1e999 99999999999999999999 \\\"1e999\"}", 200,
        "\"b\":\"1e999 99999999999999999999 \\\"1e999\"}"),
    ROW("", 422, "\"missing\""),
    ROW("\xef\xbb\xbf", 422, "\"missing\""),
    ROW("[]", 422, "\"model_attributes_type\""),
    ROW("\"text\"", 422, "\"model_attributes_type\""),
    ROW("1", 422, "\"model_attributes_type\""),
    ROW("null", 422, "\"model_attributes_type\""),
    ROW("{", 422, "\"json_invalid\""),
    ROW("{}{}", 422, "\"json_invalid\""),
    ROW("{'a':1}", 422, "\"json_invalid\""),
    ROW("{\"a\":NaN}", 422, "\"json_invalid\""),
    ROW("{\"a\":-Infinity}", 422, "\"json_invalid\""),
    ROW("{\"a\":099999999999999999999}", 422, "\"json_invalid\""),
    ROW("{\"a\":99999999999999999999.}", 422, "\"json_invalid\""),
    ROW("{\"a\":1e999e9}", 422, "\"json_invalid\""),
    ROW("{\"a\":1e999 1}", 422, "\"json_invalid\""),
    ROW("{\"a\":\"\\ud800\"}", 422, "\"json_invalid\""),
    ROW("{\"a\":\"\\udc00x\"}", 422, "\"json_invalid\""),
    ROW("{\"a\":\"\\ud800\",\"b\":1e999}", 422, "\"json_invalid\""),
    ROW("{\"a\":1e999,\"b\":\"\\", 422, "\"json_invalid\""),
    ROW("{\"a\":\"\xff\"}", 422, "\"json_invalid\""),
    ROW("{\"a\":\"\xed\xa0\x80\"}", 422, "\"json_invalid\""),
    ROW("{\"a\":\"x\0y\"}", 422, "\"json_invalid\""),
    ROW("{\"a\\u0000b\":1}", 422, "\"json_invalid\""),
    ROW("{\"a\":\"\n\"}", 422, "\"json_invalid\""),
    ROW("\0", 422, "\"json_invalid\""),
    ROW("\"\\", 422, "\"json_invalid\""),
};

static void test_bodies(void **context)
{
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        check(*context, rows[i].body, rows[i].body, rows[i].length, rows[i].status, rows[i].needle);
}

static void test_depth(void **context)
{
    static const struct {
        size_t depth;
        int status;
    } depths[] = { { 199, 200 }, { 200, 422 }, { 100000, 422 } };

    for (size_t i = 0; i < ARRAY_SIZE(depths); i++) {
        size_t depth = depths[i].depth;
        char *body = malloc(2 * depth + 7);

        memcpy(body, "{\"a\":", 5);
        memset(body + 5, '[', depth);
        memset(body + 5 + depth, ']', depth);
        body[5 + 2 * depth] = '}';
        check(*context, "depth", body, 2 * depth + 6, depths[i].status,
              depths[i].status == 200 ? NULL : "nested too deeply");
        free(body);
    }
}

static void test_number_of_values(void **context)
{
    size_t n = 600000;
    char *body = malloc(2 * n + 8);

    memcpy(body, "{\"a\":[1", 7);
    for (size_t i = 0; i < n; i++)
        memcpy(body + 7 + 2 * i, ",1", 2);
    check(*context, "many values", body, 2 * n + 7, 422, "too many values");
    free(body);
}

static void test_large_string(void **context)
{
    size_t n = 40 << 20;
    char *body = malloc(n);

    memset(body, 'x', n);
    memcpy(body, "{\"a\":\"", 6);
    memcpy(body + n - 2, "\"}", 2);
    check(*context, "40 MB string", body, n, 200, NULL);
    free(body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_number_of_values),
        cmocka_unit_test(test_large_string),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

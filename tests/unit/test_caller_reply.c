/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <string.h>

#include "main/ask/caller.h"
#include "main/ask/caller_reply.h"

static void heads_are_read(void **state)
{
    static const struct {
        const char *text;
        int outcome, status;
        size_t body_bytes;
        bool chunked, closes;
    } rows[] = {
        { "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n", 0, 200, 12, false, false },
        { "HTTP/1.1 503 Service Unavailable\r\ncontent-length:7\r\nConnection: close\r\n\r\nignored", 0, 503, 7, false,
          true },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, 200, 0, true, false },
        { "HTTP/1.1 204\r\nX: y\r\n\r\n", 0, 204, 0, false, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n", CALLER_REPLY_E_MORE, 0, 0, false, false },
        { "", CALLER_REPLY_E_MORE, 0, 0, false, false },
        { "HTTP/1.0 200 OK\r\n\r\n", -EBADMSG, 0, 0, false, false },
        { "HTTP/1.1 2x0 OK\r\n\r\n", -EBADMSG, 0, 0, false, false },
        { "HTTP/1.1 2000 OK\r\n\r\n", -EBADMSG, 0, 0, false, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -EBADMSG, 0, 0, false, false },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", -EBADMSG, 0, 0, false, false },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", -EBADMSG, 0, 0, false, false },
        { "HTTP/1.1 200 OK\nContent-Length: 1\r\n\r\n", -EBADMSG, 0, 0, false, false },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct caller_reply reply = { 0 };

        assert_int_equal(caller_reply_head(rows[i].text, strlen(rows[i].text), &reply), rows[i].outcome);
        if (rows[i].outcome != 0)
            continue;
        assert_int_equal(reply.status, rows[i].status);
        assert_int_equal(reply.body_bytes, rows[i].body_bytes);
        assert_int_equal(reply.chunked, rows[i].chunked);
        assert_int_equal(reply.closes, rows[i].closes);
        assert_int_equal(reply.head_bytes, strstr(rows[i].text, "\r\n\r\n") + 4 - rows[i].text);
    }
}

static void a_head_without_end_is_refused(void **state)
{
    static char text[CALLER_REPLY_HEAD_MAX_BYTES + 1];
    struct caller_reply reply;

    (void)state;
    memset(text, 'x', sizeof(text));
    assert_int_equal(caller_reply_head(text, sizeof(text) - 1, &reply), CALLER_REPLY_E_MORE);
    assert_int_equal(caller_reply_head(text, sizeof(text), &reply), -EBADMSG);
}

static void chunks_are_joined(void **state)
{
    static const struct {
        const char *text, *joined; /* NULL = more is wanted, "!" = refused */
    } rows[] = {
        { "1\r\n \r\n1\r\n \r\nA\r\n{\"a\": \"b\"}\r\n0\r\n\r\n", "  {\"a\": \"b\"}" },
        { "0\r\n\r\n", "" },
        { "3\r\nabc\r\n", NULL },
        { "3\r\nabc\r\n0\r\n", NULL },
        { "3\r\nab", NULL },
        { "5", NULL },
        { "3\r\nabcd\r\n0\r\n\r\n", "!" },
        { "x\r\nabc\r\n0\r\n\r\n", "!" },
        { "\r\n", "!" },
        { "123456789012345", "!" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *copy = strdup(rows[i].text);
        size_t bytes = 0;
        int r = caller_reply_join(copy, strlen(copy), &bytes);

        if (rows[i].joined && strcmp(rows[i].joined, "!") != 0) {
            assert_int_equal(r, 0);
            assert_int_equal(bytes, strlen(rows[i].joined));
            assert_memory_equal(copy, rows[i].joined, bytes);
        } else {
            assert_int_equal(r, rows[i].joined ? -EBADMSG : CALLER_REPLY_E_MORE);
            assert_string_equal(copy, rows[i].text);
        }
    }
}

static void urls_are_a_loopback_or_another_ipv4_address(void **state)
{
    static const struct {
        const char *url;
        uint32_t address;
        uint16_t port;
    } rows[] = {
        { "http://127.0.0.1:8000", INADDR_LOOPBACK, 8000 },
        { "http://localhost:65535/", INADDR_LOOPBACK, 65535 },
        { "http://10.1.2.3:80", 0x0a010203, 80 },
        { "https://127.0.0.1:8000", 0, 0 },
        { "http://127.0.0.1", 0, 0 },
        { "http://127.0.0.1:", 0, 0 },
        { "http://127.0.0.1:0", 0, 0 },
        { "http://127.0.0.1:65536", 0, 0 },
        { "http://127.0.0.1:80/path", 0, 0 },
        { "http://host.example:80", 0, 0 },
        { "http://127.0.0.1:-80", 0, 0 },
        { "", 0, 0 },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct caller_address address = { 0 };

        assert_int_equal(caller_address_parse(rows[i].url, &address), rows[i].port ? 0 : -EINVAL);
        assert_int_equal(ntohl(address.socket.sin_addr.s_addr), rows[i].address);
        assert_int_equal(ntohs(address.socket.sin_port), rows[i].port);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads_are_read),
        cmocka_unit_test(a_head_without_end_is_refused),
        cmocka_unit_test(chunks_are_joined),
        cmocka_unit_test(urls_are_a_loopback_or_another_ipv4_address),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

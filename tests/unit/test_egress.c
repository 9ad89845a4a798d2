/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/public_address.h"
#include "egress/allowlist.h"
#include "egress/client_hello.h"
#include "egress/connect_head.h"
#include "egress/proxy.h"
#include "egress/relay.h"
#include "wire/packet.h"

static void names_have_one_spelling(void **state)
{
    static const char *const good[] = { "a", "Example.ORG", "xn--bcher-kva.example", "a-b.c1", "1.example" };
    static const char *const bad[] = { "",          ".",   "a.",    ".a",  "a..b",    "-a",      "a-",
                                       "a_b",       "a b", "1.2.3", "10",  "127.1",   "0x7f.1",  "a.1b",
                                       "b\xc3\xbc", "a:b", "[::1]", "a/b", "a@b.org", "a%2e.org" };
    char name[HOST_NAME_SIZE], label[65];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(host_name_parse(good[i], strlen(good[i]), name));
    assert_true(host_name_parse("Example.ORG", 11, name));
    assert_string_equal(name, "example.org");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(host_name_parse(bad[i], strlen(bad[i]), name));
    assert_false(host_name_parse("a\0b.org", 7, name));
    memset(label, 'a', 64);
    assert_true(host_name_parse(label, 63, name));
    assert_false(host_name_parse(label, 64, name));
}

static void names_have_a_length(void **state)
{
    char text[HOST_NAME_SIZE + 1], name[HOST_NAME_SIZE];

    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? '.' : 'a';
    assert_true(host_name_parse(text, 253, name));
    assert_false(host_name_parse(text, 255, name));
}

static void lists_hold_hosts_and_ports(void **state)
{
    static struct allowlist list;

    (void)state;
    assert_int_equal(allowlist_parse(" PyPI.org, example.org:8443,,", &list), 0);
    assert_int_equal(list.n, 2);
    assert_true(allowlist_has(&list, "pypi.org", 443));
    assert_true(allowlist_has(&list, "example.org", 8443));
    assert_false(allowlist_has(&list, "example.org", 443));
    assert_false(allowlist_has(&list, "x.pypi.org", 443));
    assert_false(allowlist_has(&list, "pypi.or", 443));
    assert_int_equal(allowlist_parse(",", &list), 0);
    assert_int_equal(list.n, 0);
    assert_true(allowlist_parse("*.pypi.org", &list) < 0);
    assert_true(allowlist_parse("pypi.org:0", &list) < 0);
    assert_true(allowlist_parse("pypi.org:https", &list) < 0);
    assert_true(allowlist_parse("10.0.0.1", &list) < 0);
}

static void a_list_has_an_end(void **state)
{
    static struct allowlist list;
    char text[(ALLOWLIST_MAX + 1) * 2 + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = i % 2 ? ',' : 'a';
    text[sizeof(text) - 1] = '\0';
    assert_true(allowlist_parse(text, &list) < 0);
    assert_int_equal(allowlist_parse(text + 2, &list), 0);
}

static int parse_head(const char *text, struct connect_target *target, size_t *length)
{
    return connect_head_parse(text, strlen(text), target, length);
}

static void a_head_is_read_once(void **state)
{
    struct connect_target target;
    size_t length;

    (void)state;
    assert_int_equal(parse_head("CONNECT A.example:8443 HTTP/1.1\r\nHost: b.example\r\n\r\nrest", &target, &length), 0);
    assert_string_equal(target.host, "a.example");
    assert_int_equal(target.port, 8443);
    assert_int_equal(length, strlen("CONNECT A.example:8443 HTTP/1.1\r\nHost: b.example\r\n\r\n"));
    assert_int_equal(parse_head("GET / HTTP/1.1\r\n\r\n", &target, &length), CONNECT_E_METHOD);
    assert_int_equal(parse_head("CONNECT a.example HTTP/1.1\r\n\r\n", &target, &length), CONNECT_E_BAD);
    assert_int_equal(parse_head("CONNECT a.example:443\r\n\r\n", &target, &length), CONNECT_E_BAD);
    assert_int_equal(parse_head("CONNECT a:1 HTTP/1.1\nHost: x\r\n\r\n", &target, &length), CONNECT_E_BAD);
    assert_int_equal(parse_head("\r\n\r\n", &target, &length), CONNECT_E_BAD);
}

/* Each beginning of a good head may still become one; what cannot is refused at once. */
static void beginnings_of_heads(void **state)
{
    static const char head[] = "CONNECT a.example:443 HTTP/1.1\r\nA: b\r\n\r\n";
    static char large[CONNECT_HEAD_MAX_BYTES + 1];
    struct connect_target target;
    size_t length;

    (void)state;
    for (size_t n = 0; n < sizeof(head) - 1; n++)
        assert_int_equal(connect_head_parse(head, n, &target, &length), CONNECT_E_MORE);
    assert_int_equal(parse_head("\x16\x03\x01", &target, &length), CONNECT_E_BAD);
    assert_int_equal(parse_head("CONNECT a\n", &target, &length), CONNECT_E_BAD);
    memset(large, 'a', sizeof(large));
    assert_int_equal(connect_head_parse(large, CONNECT_HEAD_MAX_BYTES - 1, &target, &length), CONNECT_E_MORE);
    assert_int_equal(connect_head_parse(large, CONNECT_HEAD_MAX_BYTES, &target, &length), CONNECT_E_BAD);
}

/* A hello in one record, for a.example. */
static const uint8_t hello[] = {
    22, 3,  1,  0,  67, 1,  0,    0,  63, 3,   3,   1,   2,   3,   4,   5,   6,   7,   8,    9,
    10, 11, 12, 13, 14, 15, 16,   17, 18, 19,  20,  21,  22,  23,  24,  25,  26,  27,  28,   29,
    30, 31, 32, 0,  0,  2,  0x13, 1,  1,  0,   0,   20, /* extensions */
    0,  0,  0,  14, 0,  12, 0,    0,  9,  'A', '.', 'e', 'x', 'a', 'm', 'p', 'l', 'e', 0x0a, 0x0a,
};

static void the_name_in_a_hello(void **state)
{
    uint8_t whole[sizeof(hello) + 2];
    char name[HOST_NAME_SIZE];

    (void)state;
    memcpy(whole, hello, sizeof(hello));
    memset(whole + sizeof(hello), 0, 2); /* the empty second extension */
    whole[4] = sizeof(whole) - 5;
    whole[8] = sizeof(whole) - 9;
    whole[51] = sizeof(whole) - 52;
    assert_int_equal(client_hello_parse(whole, sizeof(whole), name), 0);
    assert_string_equal(name, "a.example");
    for (size_t n = 0; n < sizeof(whole); n++)
        assert_int_equal(client_hello_parse(whole, n, name), CLIENT_HELLO_E_MORE);
    whole[53] = 1; /* another extension than the name */
    assert_int_equal(client_hello_parse(whole, sizeof(whole), name), CLIENT_HELLO_E_NONE);
    whole[53] = 0;
    whole[70] = 0xfe; /* a hidden name */
    whole[71] = 0x0d;
    assert_int_equal(client_hello_parse(whole, sizeof(whole), name), CLIENT_HELLO_E_NONE);
    whole[0] = 23;
    assert_int_equal(client_hello_parse(whole, sizeof(whole), name), CLIENT_HELLO_E_BAD);
}

static void public_addresses(void **state)
{
    static const struct {
        uint32_t address;
        bool is_public;
    } rows[] = {
        { 0x08080808, true },  { 0x0a000001, false }, { 0x09ffffff, true },  { 0x0b000000, true },
        { 0xac0fffff, true },  { 0xac100000, false }, { 0xac1fffff, false }, { 0xac200000, true },
        { 0xa9fea9fe, false }, { 0x7f000001, false }, { 0xe0000001, false }, { 0xffffffff, false },
        { 0x64400000, false }, { 0x647fffff, false }, { 0x64800000, true },  { 0xc0a80101, false },
        { 0, false },          { 0xa83f8110, false }, { 0xa83f8111, true },  { 0xc6120001, false },
        { 0xc6336401, true },
    };
    const char *list = " 8.8.8.8,,1.1.1.1 , x";
    uint32_t address;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(address_is_public(rows[i].address), rows[i].is_public);
    assert_true(address_is_own(0x7f000001));
    assert_true(address_is_own(0x7f030303));
    assert_false(address_is_own(0xc6336407));
    assert_int_equal(address_list_next(&list, &address), 1);
    assert_int_equal(address, 0x08080808);
    assert_int_equal(address_list_next(&list, &address), 1);
    assert_int_equal(address, 0x01010101);
    assert_true(address_list_next(&list, &address) < 0);
    assert_int_equal(address_list_next(&list, &address), 0);
}

struct relayed {
    int a_fd, b_fd;
};

static void *run_relay(void *argument)
{
    const struct relayed *sides = argument;

    relay(sides->a_fd, sides->b_fd, 5000);
    return NULL;
}

static void make_pair(int *ret_near, int *ret_far)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    *ret_near = fds[0];
    *ret_far = fds[1];
}

static size_t read_all(int fd)
{
    static char block[65536];
    size_t total = 0;
    ssize_t n;

    while ((n = read(fd, block, sizeof(block))) > 0)
        total += (size_t)n;
    return total;
}

/* One side sends much before it reads anything, so does the other: each way goes on for itself, to its own end. */
static void *send_much(void *argument)
{
    static const char block[1000];
    int fd = *(int *)argument;

    for (int i = 0; i < 3000; i++)
        if (write(fd, block, sizeof(block)) != sizeof(block))
            break;
    shutdown(fd, SHUT_WR);
    return NULL;
}

static void both_ways_at_once(void **state)
{
    pthread_t relaying, senders[2];
    struct relayed sides;
    int near[2];

    (void)state;
    make_pair(&near[0], &sides.a_fd);
    make_pair(&near[1], &sides.b_fd);
    assert_int_equal(pthread_create(&relaying, NULL, run_relay, &sides), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&senders[i], NULL, send_much, &near[i]), 0);
    for (int i = 0; i < 2; i++)
        assert_int_equal(read_all(near[i]), 3000000);
    for (int i = 0; i < 2; i++) {
        pthread_join(senders[i], NULL);
        close(near[i]);
    }
    pthread_join(relaying, NULL);
    close(sides.a_fd);
    close(sides.b_fd);
}

struct running {
    struct allowlist list;
    int feed_fd;
    int result;
};

static void *run_proxy(void *argument)
{
    struct running *running = argument;

    running->result = proxy_run(&running->list, running->feed_fd);
    return NULL;
}

static uint16_t listen_somewhere(int *ret_fd)
{
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof(address);

    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(*ret_fd, 16), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&address, &size), 0);
    return ntohs(address.sin_port);
}

/* The status that a head is answered with. */
static int ask(uint16_t port, const char *head)
{
    const struct sockaddr_in address = { .sin_family = AF_INET,
                                         .sin_port = htons(port),
                                         .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    char answer[256] = "";

    assert_int_equal(connect(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(write(fd, head, strlen(head)), strlen(head));
    assert_true(read(fd, answer, sizeof(answer) - 1) > 0);
    assert_memory_equal(answer, "HTTP/1.1 ", 9);
    return atoi(answer + 9);
}

/* Not every machine has a file of host names. */
static bool is_name(const char *host)
{
    struct addrinfo *found;

    if (getaddrinfo(host, NULL, NULL, &found) != 0)
        return false;
    freeaddrinfo(found);
    return true;
}

static void a_proxy_answers(void **state)
{
    static struct running running; /* its threads may outlive the test by a moment */
    const struct proxy_listener message = { .slot = 7 };
    pthread_t thread;
    int fds[2], listener;
    uint16_t port;
    int loopback = is_name("localhost") ? 403 : 502;

    (void)state;
    assert_int_equal(allowlist_parse("localhost", &running.list), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
    running.feed_fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, run_proxy, &running), 0);
    for (int round = 0; round < 2; round++) { /* the second listener replaces the first */
        port = listen_somewhere(&listener);
        assert_int_equal(packet_send(fds[0], &message, sizeof(message), &listener, 1), 0);
        close(listener);
        assert_int_equal(ask(port, "CONNECT a.example:443 HTTP/1.1\r\n\r\n"), 403);
        assert_int_equal(ask(port, "CONNECT localhost:443 HTTP/1.1\r\n\r\n"), loopback); /* although it is listed */
        assert_int_equal(ask(port, "CONNECT localhost HTTP/1.1\r\n\r\n"), 400);
        assert_int_equal(ask(port, "GET / HTTP/1.1\r\n\r\n"), 405);
        for (int i = 0; i < 50; i++) /* more than one tick's worth */
            assert_int_equal(ask(port, "CONNECT a.example:443 HTTP/1.1\r\n\r\n"), 403);
    }
    close(fds[0]);
    pthread_join(thread, NULL);
    assert_int_equal(running.result, 0);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_have_one_spelling),    cmocka_unit_test(names_have_a_length),
        cmocka_unit_test(lists_hold_hosts_and_ports), cmocka_unit_test(a_list_has_an_end),
        cmocka_unit_test(a_head_is_read_once),        cmocka_unit_test(beginnings_of_heads),
        cmocka_unit_test(the_name_in_a_hello),        cmocka_unit_test(public_addresses),
        cmocka_unit_test(both_ways_at_once),          cmocka_unit_test(a_proxy_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

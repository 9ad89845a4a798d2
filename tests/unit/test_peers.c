/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <string.h>

#include "http/peers.h"

static struct address address_of(const char *text)
{
    struct address address;

    assert_true(address_parse(text, strlen(text), &address));
    return address;
}

static void enter(struct peers *peers, const char *text)
{
    struct address address = address_of(text);

    peers_enter(peers, &address);
}

static void leave(struct peers *peers, const char *text)
{
    struct address address = address_of(text);

    peers_leave(peers, &address);
}

static bool admits(struct peers *peers, const char *text)
{
    struct address address = address_of(text);

    return peers_admit(peers, &address);
}

static struct peers *make(unsigned limit)
{
    static struct address_block exempt;
    struct peers *peers = NULL;

    assert_true(address_block_parse("10.0.0.0/8", &exempt));
    assert_int_equal(peers_new(limit, &exempt, 1, &peers), 0);
    return peers;
}

static void one_peer_may_not_take_all(void **state)
{
    struct peers *peers = make(2);

    (void)state;
    assert_true(admits(peers, "192.0.2.1"));
    enter(peers, "192.0.2.1");
    assert_true(admits(peers, "192.0.2.1"));
    enter(peers, "192.0.2.1");
    assert_false(admits(peers, "192.0.2.1"));
    assert_true(admits(peers, "192.0.2.2"));
    leave(peers, "192.0.2.1");
    assert_true(admits(peers, "192.0.2.1"));
    leave(peers, "192.0.2.1");
    leave(peers, "192.0.2.1"); /* one that was never counted */
    assert_true(admits(peers, "192.0.2.1"));
    peers_free(peers);
}

static void a_64_is_one_peer(void **state)
{
    struct peers *peers = make(1);

    (void)state;
    enter(peers, "2001:db8:0:1::1");
    assert_false(admits(peers, "2001:db8:0:1:ffff::2"));
    assert_true(admits(peers, "2001:db8:0:2::1"));
    enter(peers, "192.0.2.1");
    assert_true(admits(peers, "192.0.2.2"));
    peers_free(peers);
}

static void proxies_are_not_counted(void **state)
{
    struct peers *peers = make(1);

    (void)state;
    for (int i = 0; i < 5; i++)
        enter(peers, "10.1.2.3");
    assert_true(admits(peers, "10.1.2.3"));
    for (int i = 0; i < 5; i++)
        leave(peers, "10.1.2.3");
    peers_free(peers);
}

static void no_limit_is_none(void **state)
{
    struct peers *peers = make(0);

    (void)state;
    for (int i = 0; i < 5; i++)
        enter(peers, "192.0.2.1");
    assert_true(admits(peers, "192.0.2.1"));
    peers_free(peers);
    assert_null(peers_free(NULL));
}

static void many_peers_fit(void **state)
{
    struct peers *peers = make(1);
    char text[32];

    (void)state;
    for (int i = 0; i < 5000; i++) {
        snprintf(text, sizeof(text), "198.18.%d.%d", i / 250, i % 250);
        assert_true(admits(peers, text));
        enter(peers, text);
        assert_false(admits(peers, text));
    }
    for (int i = 0; i < 5000; i += 2) {
        snprintf(text, sizeof(text), "198.18.%d.%d", i / 250, i % 250);
        leave(peers, text);
        assert_true(admits(peers, text));
    }
    peers_free(peers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_peer_may_not_take_all),
        cmocka_unit_test(a_64_is_one_peer),
        cmocka_unit_test(proxies_are_not_counted),
        cmocka_unit_test(no_limit_is_none),
        cmocka_unit_test(many_peers_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

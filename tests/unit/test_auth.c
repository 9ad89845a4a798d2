/* SPDX-License-Identifier: Apache-2.0 */
/* Keys and client addresses. Names of rows quote http-api.md. */
#include "check.h"

#include <string.h>

#include "base/cleanup.h"
#include "http/address.h"
#include "http/auth.h"

static const struct {
    const char *rule, *x_api_key, *authorization, *key;
    bool no_bearer;
} presented[] = {
    { "nothing", NULL, NULL, NULL, false },
    { "1", "abc", NULL, "abc", false },
    { "1, spaces", " abc\t", NULL, "abc", false },
    { "1, empty", "", "Bearer abc", "abc", false },
    { "1, blank", "  ", NULL, NULL, false },
    { "1 decides alone", "abc", "Bearer def", "abc", false },
    { "2", NULL, "Bearer abc", "abc", false },
    { "2, any case, spaces", NULL, "bEaReR   abc ", "abc", false },
    { "2, empty", NULL, "Bearer ", NULL, false },
    { "2, no space", NULL, "Bearer", NULL, false },
    { "2, switched off", NULL, "Bearer abc", NULL, true },
    { "3, user", NULL, "Basic YWJjOmRlZg==", "abc", false },
    { "3, user alone", NULL, "basic YWJjOg==", "abc", false },
    { "3, password alone", NULL, "Basic OmRlZg==", "def", false },
    { "3, no colon", NULL, "Basic YWJj", "abc", false },
    { "3, colon in password", NULL, "Basic OmE6Yg==", "a:b", false },
    { "3, colon alone", NULL, "Basic Og==", NULL, false },
    { "3, empty", NULL, "Basic ", NULL, false },
    { "3, undecodable", NULL, "Basic !!!", NULL, false },
    { "3, cut short", NULL, "Basic YWJjOg", NULL, false },
    { "3, with NUL", NULL, "Basic YQBiOg==", NULL, false },
    { "3, bearer off", NULL, "Basic YWJjOg==", "abc", true },
    { "other scheme", NULL, "ApiKey abc", NULL, false },
    { "other scheme", NULL, "Bearerabc", NULL, false },
};

static void test_where_the_key_is_read_from(void **context)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(presented); i++) {
        struct auth_credential credential;

        assert_int_equal(auth_credential_init(&credential, presented[i].x_api_key, presented[i].authorization,
                                              !presented[i].no_bearer),
                         0);
        if (presented[i].key ? !credential.key || strcmp(credential.key, presented[i].key) != 0 : credential.length > 0)
            fail_msg("%s: '%s'", presented[i].rule, credential.key ? credential.key : "");
        auth_credential_deinit(&credential);
    }
}

static const struct {
    const char *peer, *forwarded, *real, *client;
} hops[] = {
    { "10.1.2.3", NULL, NULL, "10.1.2.3" },
    { "10.1.2.3", "203.0.113.9", NULL, "203.0.113.9" },
    { "10.1.2.3", " 203.0.113.9:4711 , 10.0.0.1", "192.0.2.1", "203.0.113.9" },
    { "10.1.2.3", NULL, "192.0.2.1", "192.0.2.1" },
    { "10.1.2.3", "[2001:DB8::1]:80", NULL, "2001:db8::1" },
    { "10.1.2.3", "2001:db8::1", NULL, "2001:db8::1" },
    { "10.1.2.3", "::ffff:192.0.2.1", NULL, "192.0.2.1" },
    { "10.1.2.3", "unknown", "192.0.2.1", "192.0.2.1" },
    { "10.1.2.3", " , 203.0.113.9", "192.0.2.1", "192.0.2.1" },
    { "10.1.2.3", "unknown", "unknown", "10.1.2.3" },
    { "10.1.2.3", "", "", "10.1.2.3" },
    { "11.1.2.3", "203.0.113.9", "192.0.2.1", "11.1.2.3" },
    { "fd00::1", "203.0.113.9", NULL, "203.0.113.9" },
    { "fe00::1", "203.0.113.9", NULL, "fe00::1" },
    { "127.0.0.1", "203.0.113.9", NULL, "203.0.113.9" },
    { "127.0.0.2", "203.0.113.9", NULL, "127.0.0.2" },
};

static void test_client_address(void **context)
{
    struct address_block trusted[3];

    (void)context;
    assert_true(address_block_parse("10.0.0.0/8", &trusted[0]));
    assert_true(address_block_parse("fc00::/7", &trusted[1]));
    assert_true(address_block_parse("127.0.0.1", &trusted[2]));
    for (size_t i = 0; i < ARRAY_SIZE(hops); i++) {
        struct address peer, client;
        char text[ADDRESS_TEXT_SIZE];

        assert_true(address_parse(hops[i].peer, strlen(hops[i].peer), &peer));
        client = address_of_client(&peer, trusted, ARRAY_SIZE(trusted), hops[i].forwarded, hops[i].real);
        address_format(&client, text);
        assert_string_equal(text, hops[i].client);
    }
}

static void test_blocks(void **context)
{
    static const char *const bad[] = { "",       "x",        "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x",
                                       "::/129", "10.0.0/8", "[::1",      "1.2.3.4.5" };
    struct address_block block;
    struct address address;

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (address_block_parse(bad[i], &block))
            fail_msg("'%s' was taken", bad[i]);
    assert_true(address_block_parse("192.168.128.0/17", &block));
    assert_true(address_parse("192.168.255.1", 13, &address));
    assert_true(address_block_has(&block, &address));
    assert_true(address_parse("192.168.127.1", 13, &address));
    assert_false(address_block_has(&block, &address));
    assert_true(address_block_parse("0.0.0.0/0", &block));
    assert_true(address_block_has(&block, &address));
    assert_true(address_parse("::1", 3, &address));
    assert_false(address_block_has(&block, &address));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_where_the_key_is_read_from),
        cmocka_unit_test(test_client_address),
        cmocka_unit_test(test_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

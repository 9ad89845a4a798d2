/* SPDX-License-Identifier: Apache-2.0 */
/* Who may call (http-api.md 4.3 to 4.8) and how often (5), as the HTTP library asks. */
#include "domain_fixture.h"

#include <pthread.h>

#include "api/api.h"
#include "api/gate.h"
#include "base/cleanup.h"

#define PRIMARY "primary-Key-7hQ2xW9z"
#define FURTHER "further-Key-4mN8vB1c"
#define MASTER  "master-Key-9pL3kJ6h"

struct place {
    struct fixture *fixture;
    struct key_store *store;
    struct api api;
};

static const struct gate_options defaults = {
    .api_key = PRIMARY,
    .api_keys = (const char *const[]){ FURTHER, NULL },
    .master_key = MASTER,
    .auth_enabled = true,
    .cache_ttl_ms = 300000,
    .failure_limit = 10,
    .failure_window_ms = 3600000,
    .key_limits = true,
};

static void use_options(struct place *place, struct gate_options options)
{
    place->api.gate = gate_free(place->api.gate);
    options.store = place->store;
    assert_int_equal(gate_new(&options, &place->api.gate), 0);
}

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    void *fixture;
    int fd;

    if (fixture_setup(&fixture) < 0)
        return -1;
    place->fixture = fixture;
    fd = open(place->fixture->scratch->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(key_store_open(place->fixture->kv, fd, &place->store), 0);
    close(fd);
    use_options(place, defaults);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    void *fixture = place->fixture;

    gate_free(place->api.gate);
    key_store_free(place->store);
    free(place);
    return fixture_teardown(&fixture);
}

static struct http_claim claim_of(enum http_auth needed, const char *key)
{
    struct http_claim claim = {
        .needed = needed,
        .has_key = key != NULL,
        .client = { [10] = 0xff, 0xff, 192, 0, 2, 7 },
        .client_ip = "192.0.2.7",
        .request_id = "request",
    };

    if (key)
        key_digest(key, claim.key_digest);
    return claim;
}

/* The status, 0 = granted. */
static unsigned ask(struct place *place, enum http_auth needed, const char *key, struct http_refusal *ret_refusal)
{
    struct http_claim claim = claim_of(needed, key);
    struct http_principal principal;

    *ret_refusal = (struct http_refusal){ 0 };
    return gate_authenticate(&claim, &principal, ret_refusal, &place->api) ? 0 : ret_refusal->status;
}

static void make(struct place *place, struct key wanted, char ret_text[static KEY_TEXT_SIZE], struct key *ret_key)
{
    strcpy(wanted.name, "team");
    wanted.enabled = true;
    assert_int_equal(key_create(place->store, &wanted, ret_text), 0);
    *ret_key = wanted;
}

static const struct {
    const char *key;
    enum http_auth needed;
    bool enabled, master;
    unsigned status;
    const char *text;
} decisions[] = {
    { PRIMARY, HTTP_KEY, true, true, 0, NULL },
    { FURTHER, HTTP_KEY, true, true, 0, NULL },
    { "primary-Key-7hQ2xW9", HTTP_KEY, true, true, 401, "Invalid API key" },
    { "primary-Key-7hQ2xW9zz", HTTP_KEY, true, true, 401, "Invalid API key" },
    { MASTER, HTTP_KEY, true, true, 401, "Invalid API key" },
    { NULL, HTTP_KEY, true, true, 401, "API key is required" },
    { NULL, HTTP_KEY, false, true, 0, NULL },
    { "wrong", HTTP_KEY, false, true, 0, NULL },
    { MASTER, HTTP_MASTER, true, true, 0, NULL },
    { MASTER, HTTP_MASTER, false, true, 0, NULL },
    { NULL, HTTP_MASTER, false, true, 401, "API key is required" },
    { "wrong", HTTP_MASTER, false, true, 401, "Invalid API key" },
    { PRIMARY, HTTP_MASTER, true, true, 403, "Invalid Master API Key" },
    { PRIMARY, HTTP_MASTER, true, false, 500, "Admin operations are disabled (no MASTER_API_KEY configured)" },
    { "wrong", HTTP_MASTER, true, false, 401, "Invalid API key" },
    { "", HTTP_MASTER, true, false, 401, "Invalid API key" },
};

static void who_may_call(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(decisions); i++) {
        struct gate_options options = defaults;
        struct http_refusal refusal;

        options.auth_enabled = decisions[i].enabled;
        options.master_key = decisions[i].master ? MASTER : "";
        use_options(*state, options);
        assert_int_equal(ask(*state, decisions[i].needed, decisions[i].key, &refusal), decisions[i].status);
        if (decisions[i].text)
            assert_string_equal(refusal.text, decisions[i].text);
        assert_int_equal(refusal.retry_after_seconds, 0);
    }
}

static void managed_keys(void **state)
{
    struct place *place = *state;
    struct http_refusal refusal;
    char text[KEY_TEXT_SIZE];
    const bool off = false;
    struct key key;

    make(place, KEY_INIT, text, &key);
    assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 0);
    assert_int_equal(ask(place, HTTP_MASTER, text, &refusal), 403);
    assert_int_equal(key_change(place->store, key.hash, &(struct key_change){ .enabled = &off }), 0);
    assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 401);
    assert_string_equal(refusal.text, "API key is disabled");
    assert_int_equal(ask(place, HTTP_MASTER, text, &refusal), 401);
    assert_int_equal(key_revoke(place->store, key.hash), 0);
    assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 401);
    assert_string_equal(refusal.text, "Invalid API key");
}

static void on_whose_behalf(void **state)
{
    struct place *place = *state;
    struct http_claim claim = claim_of(HTTP_KEY, PRIMARY);
    struct http_principal principal = { 0 };
    struct gate_options options = defaults;
    struct http_refusal refusal;
    char text[KEY_TEXT_SIZE];
    struct key key;

    assert_true(gate_authenticate(&claim, &principal, &refusal, &place->api));
    assert_string_equal(principal.tenant, TENANT_ENVIRONMENT);
    assert_false(principal.anonymous);
    make(place, (struct key){ .tenant = "ops" }, text, &key);
    claim = claim_of(HTTP_KEY, text);
    assert_true(gate_authenticate(&claim, &principal, &refusal, &place->api));
    assert_string_equal(principal.tenant, "ops");
    options.auth_enabled = false; /* then a key means nothing, even a good one */
    use_options(place, options);
    assert_true(gate_authenticate(&claim, &principal, &refusal, &place->api));
    assert_string_equal(principal.tenant, TENANT_ENVIRONMENT);
    assert_true(principal.anonymous);
}

static void ten_failures_and_no_more(void **state)
{
    struct http_refusal refusal;

    for (int i = 0; i < 30; i++)
        assert_int_equal(ask(*state, HTTP_KEY, NULL, &refusal), 401); /* is not counted */
    for (int i = 0; i < 10; i++) {
        assert_int_equal(ask(*state, i % 2 ? HTTP_KEY : HTTP_MASTER, "wrong", &refusal), 401);
        if (i < 9)
            assert_int_equal(ask(*state, HTTP_KEY, PRIMARY, &refusal), 0); /* does not reset */
    }
    for (int i = 0; i < 3; i++) {
        const char *const keys[] = { "wrong", PRIMARY, NULL };

        assert_int_equal(ask(*state, HTTP_KEY, keys[i], &refusal), 429);
        assert_in_range(refusal.retry_after_seconds, 3590, 3600);
        assert_int_equal(ask(*state, HTTP_MASTER, MASTER, &refusal), 429);
    }
}

static void what_is_no_failure(void **state)
{
    struct gate_options options = defaults;
    struct http_refusal refusal;

    for (int i = 0; i < 30; i++)
        assert_int_equal(ask(*state, HTTP_MASTER, PRIMARY, &refusal), 403);
    assert_int_equal(ask(*state, HTTP_KEY, PRIMARY, &refusal), 0);
    options.auth_enabled = false;
    use_options(*state, options);
    for (int i = 0; i < 30; i++)
        assert_int_equal(ask(*state, HTTP_KEY, "wrong", &refusal), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(*state, HTTP_MASTER, "wrong", &refusal), 401);
    assert_int_equal(ask(*state, HTTP_MASTER, MASTER, &refusal), 429);
    assert_int_equal(ask(*state, HTTP_KEY, "wrong", &refusal), 0); /* 4.8 */
    options.auth_enabled = true;
    options.failure_limit = 0;
    use_options(*state, options);
    for (int i = 0; i < 30; i++)
        assert_int_equal(ask(*state, HTTP_KEY, "wrong", &refusal), 401);
}

static void a_disabled_key_is_a_failure(void **state)
{
    struct place *place = *state;
    struct http_refusal refusal;
    char text[KEY_TEXT_SIZE];
    const bool off = false;
    struct key key;

    make(place, KEY_INIT, text, &key);
    assert_int_equal(key_change(place->store, key.hash, &(struct key_change){ .enabled = &off }), 0);
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 401);
    assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 429);
}

static bool admit(struct place *place, const char *key, enum rate_group group, bool anonymous,
                  struct http_rate *ret_rate)
{
    const struct http_principal principal = { .anonymous = anonymous };
    struct http_claim claim = claim_of(HTTP_KEY, key);

    claim.group = group;
    *ret_rate = (struct http_rate){ 0 };
    return gate_admit(&claim, &principal, ret_rate, &place->api);
}

static void limits_are_told(void **state)
{
    struct place *place = *state;
    struct http_refusal refusal;
    struct http_rate rate;
    char text[KEY_TEXT_SIZE];
    struct key key;

    make(place, (struct key){ .limits = { [RATE_MONTHLY] = 2 } }, text, &key);
    assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 0);
    assert_true(admit(place, text, RATE_NO_GROUP, false, &rate));
    assert_string_equal(rate.period, "monthly");
    assert_int_equal(rate.remaining, 1);
    assert_true(admit(place, text, RATE_NO_GROUP, false, &rate));
    assert_int_equal(rate.remaining, 0);
    assert_false(admit(place, text, RATE_NO_GROUP, false, &rate));
    assert_string_equal(rate.message, "Rate limit exceeded for monthly. Limit: 2, Used: 2");
    assert_int_equal(rate.limit, 2);
    assert_int_equal(rate.remaining, 0);
    assert_true(admit(place, PRIMARY, RATE_NO_GROUP, false, &rate));
    assert_null(rate.period);
}

/* 5.2: the bucket is the key; without authentication, the client's address. */
static void groups(void **state)
{
    struct gate_options options = defaults;
    struct http_rate rate;

    options.rules[RATE_EXEC] = (struct rate_rule){ 2, 30 };
    use_options(*state, options);
    for (int i = 0; i < 2; i++) {
        assert_true(admit(*state, PRIMARY, RATE_EXEC, false, &rate));
        assert_true(admit(*state, "key that means nothing", RATE_EXEC, true, &rate));
    }
    assert_false(admit(*state, PRIMARY, RATE_EXEC, false, &rate));
    assert_string_equal(rate.period, "exec");
    assert_int_equal(rate.limit, 2);
    assert_non_null(strstr(rate.message, "Too many requests to this endpoint. Please retry in "));
    assert_true(admit(*state, FURTHER, RATE_EXEC, false, &rate));
    assert_true(admit(*state, PRIMARY, RATE_FETCH, false, &rate));
    assert_false(admit(*state, "another key", RATE_EXEC, true, &rate));
    assert_string_equal(rate.period, "exec");
}

static void switched_off(void **state)
{
    struct place *place = *state;
    struct gate_options options = defaults;
    struct http_refusal refusal;
    struct http_rate rate;
    char text[KEY_TEXT_SIZE];
    struct key key;

    options.key_limits = false;
    use_options(place, options);
    make(place, (struct key){ .limits = { [RATE_MONTHLY] = 1 } }, text, &key);
    assert_int_equal(ask(place, HTTP_KEY, text, &refusal), 0);
    for (int i = 0; i < 5; i++)
        assert_true(admit(place, text, RATE_NO_GROUP, false, &rate));
    assert_null(rate.period);
}

static void *guess(void *context)
{
    struct http_refusal refusal;
    intptr_t answered = 0;

    for (int i = 0; i < 50; i++)
        answered += ask(context, HTTP_KEY, "wrong", &refusal) == 401;
    return (void *)answered;
}

static void guesses_at_once_get_no_more_tries(void **state)
{
    pthread_t threads[4];
    intptr_t total = 0;

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, guess, *state), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *answered;

        pthread_join(threads[i], &answered);
        total += (intptr_t)answered;
    }
    assert_int_equal(total, 10);
}

#define GATE_TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        GATE_TEST(who_may_call),       GATE_TEST(managed_keys),
        GATE_TEST(on_whose_behalf),    GATE_TEST(ten_failures_and_no_more),
        GATE_TEST(what_is_no_failure), GATE_TEST(a_disabled_key_is_a_failure),
        GATE_TEST(limits_are_told),    GATE_TEST(groups),
        GATE_TEST(switched_off),       GATE_TEST(guesses_at_once_get_no_more_tries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

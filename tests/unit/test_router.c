/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "http/router.h"
#include "http/text.h"

static const struct http_route rows[] = {
    { .method = "GET", .pattern = "/" },
    { .method = "GET", .pattern = "/a", .also_v1 = true },
    { .method = "POST", .pattern = "/a", .also_v1 = true },
    { .method = "GET", .pattern = "/a/{x}", .also_v1 = true },
    { .method = "DELETE", .pattern = "/a/{x}/{y}" },
    { .method = "GET", .pattern = "/a/fixed" },
    { .method = "PUT", .pattern = "/{any}/fixed" },
    { .method = "GET", .pattern = "/rest/*" },
    { .method = "GET", .pattern = "/rest/here" },
};

static const struct {
    const char *method, *target;
    const char *pattern; /* of the known row; NULL = none */
    const char *allow;
    bool routed;
} lookups[] = {
    { "GET", "/", "/", "GET, HEAD", true },
    { "GET", "/a", "/a", "GET, HEAD, POST", true },
    { "POST", "/v1/a/", "/a", "GET, HEAD, POST", true },
    { "PUT", "/a", "/a", "GET, HEAD, POST", false },
    { "GET", "/a/1", "/a/{x}", "GET, HEAD", true },
    { "GET", "/v1/a/1", "/a/{x}", "GET, HEAD", true },
    { "GET", "/a/fixed", "/a/fixed", "GET, HEAD", true },
    { "PUT", "/b/fixed", "/{any}/fixed", "PUT", true },
    { "DELETE", "/a/1/2", "/a/{x}/{y}", "DELETE", true },
    { "DELETE", "/v1/a/1/2", NULL, "", false },
    { "GET", "/a/1/2/3", NULL, "", false },
    { "GET", "/A", NULL, "", false },
    { "GET", "/v1", NULL, "", false },
    { "GET", "/v1/", NULL, "", false },
    { "GET", "/v11/a", NULL, "", false },
    { "GET", "/a//", NULL, "", false },
    { "GET", "//a", NULL, "", false },
    { "GET", "/a/.", NULL, "", false },
    { "GET", "/a/%2e%2E", NULL, "", false },
    { "GET", "/a/...", "/a/{x}", "GET, HEAD", true },
    { "GET", "/rest", "/rest/*", "GET, HEAD", true },
    { "GET", "/rest/here", "/rest/here", "GET, HEAD", true },
    { "GET", "/rest/a/b/c", "/rest/*", "GET, HEAD", true },
    { "GET", "/rest/a/../c", NULL, "", false },
    { "GET", "/rest/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16", NULL, "", false },
};

static void test_lookups(void **context)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(lookups); i++) {
        struct router_match match;
        struct router_path path;

        assert_int_equal(router_path_init(&path, lookups[i].target, strlen(lookups[i].target)), 0);
        router_find(rows, ARRAY_SIZE(rows), "/v1", &path, lookups[i].method, &match);
        if ((match.known == NULL) != (lookups[i].pattern == NULL) ||
            (match.known && strcmp(match.known->pattern, lookups[i].pattern) != 0) ||
            (match.route != NULL) != lookups[i].routed || strcmp(match.allow, lookups[i].allow) != 0)
            fail_msg("%s %s: %s, allow '%s'", lookups[i].method, lookups[i].target,
                     match.known ? match.known->pattern : "none", match.allow);
        router_path_deinit(&path);
    }
}

static void check_param(const char *method, const char *target, const char *name, const char *wanted)
{
    struct router_match match;
    struct router_path path;
    const char *value;

    assert_int_equal(router_path_init(&path, target, strlen(target)), 0);
    router_find(rows, ARRAY_SIZE(rows), "/v1", &path, method, &match);
    assert_non_null(match.route);
    value = router_param(&match, &path, name);
    if (wanted)
        assert_string_equal(value, wanted);
    else
        assert_null(value);
    router_path_deinit(&path);
}

static void test_parameters(void **context)
{
    (void)context;
    check_param("GET", "/a/one%20two", "x", "one two");
    check_param("GET", "/v1/a/%2541/", "x", "%41");
    check_param("DELETE", "/a/1/2", "y", "2");
    check_param("DELETE", "/a/1/2", "z", NULL);
    check_param("PUT", "/b/fixed", "any", "b");
    check_param("GET", "/rest/a/b", "*", "a/b");
    check_param("GET", "/rest", "*", "");
    check_param("GET", "/rest/", "*", "");
    check_param("GET", "/a", "*", NULL);
}

static void test_malformed_paths(void **context)
{
    static const char *const bad[] = { "", "a", "%00", "/a%00", "*" };
    struct router_path path;

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(router_path_init(&path, bad[i], strlen(bad[i])), ROUTER_E_MALFORMED);
        router_path_deinit(&path);
    }
}

static void test_below(void **context)
{
    struct router_path path;

    (void)context;
    assert_int_equal(router_path_init(&path, "/%61dmin/x", 10), 0);
    assert_true(router_path_below(&path, "/admin"));
    assert_true(router_path_below(&path, "/admin/x"));
    assert_false(router_path_below(&path, "/adm"));
    router_path_deinit(&path);
}

static void test_percent_decoding(void **context)
{
    static const struct {
        const char *from, *to;
        bool plus;
    } texts[] = { { "a%41%6a%4A", "aAjJ", false }, { "%", "%", false },       { "%4", "%4", false },
                  { "%4g%g4", "%4g%g4", false },   { "%2541", "%41", false }, { "a+b", "a+b", false },
                  { "a+b%2B", "a b+", true } };
    char out[32];

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t n = text_percent_decode(out, texts[i].from, strlen(texts[i].from), texts[i].plus);

        assert_int_equal(n, strlen(texts[i].to));
        assert_memory_equal(out, texts[i].to, n);
    }
}

static void test_queries(void **context)
{
    static const struct {
        const char *query;
        const char *pairs; /* | for NUL */
    } texts[] = { { "", "" },
                  { "a=1&b=%32+", "a|1|b|2 |" },
                  { "a&b&c&d&e&f&g&h", "a||b||c||d||e||f||g||h||" },
                  { "&&&&&&&&&&&&&&&&", "" },
                  { "&a&&=b&", "a|||b|" },
                  { "=&=&=&=", "||||||||" },
                  { "a==b", "a|=b|" } };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t length;
        CLEANUP_FREE char *pairs = text_query_decode(texts[i].query, &length);

        assert_non_null(pairs);
        assert_int_equal(length, strlen(texts[i].pairs));
        for (size_t at = 0; at < length; at++)
            assert_int_equal(pairs[at], texts[i].pairs[at] == '|' ? '\0' : texts[i].pairs[at]);
    }
}

static void test_utf8_repair(void **context)
{
    static const struct {
        const char *from, *to;
    } texts[] = { { "", "" },
                  { "plain", "plain" },
                  { "\xe6\x97\xa5\xf0\x9f\x93\x8a", "\xe6\x97\xa5\xf0\x9f\x93\x8a" },
                  { "\xff", "\xef\xbf\xbd" },
                  { "a\xe6\x97", "a\xef\xbf\xbd" },
                  { "\xed\xa0\x80x", "\xef\xbf\xbdx" } };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        size_t length;
        char *text = text_repair_utf8(texts[i].from, strlen(texts[i].from), &length);

        assert_string_equal(text, texts[i].to);
        assert_int_equal(length, strlen(texts[i].to));
        free(text);
    }
}

static void test_media_types(void **context)
{
    (void)context;
    assert_true(text_media_type_is("application/json", "application/json"));
    assert_true(text_media_type_is(" Application/JSON ; charset=utf-8", "application/json"));
    assert_false(text_media_type_is("application/jsonx", "application/json"));
    assert_false(text_media_type_is("", "application/json"));
    assert_true(text_media_type_is_json_suffix("application/vnd.x+json; a=b"));
    assert_false(text_media_type_is_json_suffix("application/+json"));
    assert_false(text_media_type_is_json_suffix("text/x+json"));
    assert_true(text_is_token("X-Api-Key", 9));
    assert_false(text_is_token("X Api", 5));
    assert_false(text_is_token("", 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),          cmocka_unit_test(test_parameters),
        cmocka_unit_test(test_malformed_paths),  cmocka_unit_test(test_below),
        cmocka_unit_test(test_percent_decoding), cmocka_unit_test(test_queries),
        cmocka_unit_test(test_utf8_repair),      cmocka_unit_test(test_media_types),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "warden/options.h"

#define PAIRS 16

static const char *const good[PAIRS][2] = {
    { "--data-dir", "/var/lib/codecell" },
    { "--rootfs", "/" },
    { "--guest-dir", "/usr/share/codecell/guest" },
    { "--hostname", "cell" },
    { "--api-program", "/usr/bin/codecell" },
    { "--log-format", "json" },
    { "--slots", "8" },
    { "--api-uid", "999" },
    { "--uid-base", "100000" },
    { "--sandbox-uid", "1001" },
    { "--mask-host-info", "1" },
    { "--tmp-mb", "64" },
    { "--config-fd", "3" },
    { "--give-back-seconds", "2" },
    { "--drain-seconds", "8" },
    { "--log-level", "WARNING" },
};

static char error[160];

/* Frees what was copied: in the program it lives as long as the process. */
static void free_options(struct warden_options *options)
{
    free((char *)options->data_dir);
    free((char *)options->rootfs);
    free((char *)options->guest_dir);
    free((char *)options->hostname);
    free((char *)options->api_program);
    free((char *)options->log_format);
    free((char *)options->tls_certificate);
    free((char *)options->tls_key);
}

static int parse(const char *const *arguments, int n, struct warden_options *ret)
{
    const char *argv[PAIRS * 2 + 8] = { "codecell-warden" };

    for (int i = 0; i < n; i++)
        argv[i + 1] = arguments[i];
    error[0] = '\0';
    return warden_options_parse(ret, n + 1, (char **)argv, error, sizeof(error));
}

/* The good options, one of them with another value. */
static int parse_with(const char *name, const char *value)
{
    struct warden_options options;
    const char *arguments[PAIRS * 2];
    int r;

    memcpy(arguments, good, sizeof(good));
    for (int i = 0; i < PAIRS; i++)
        if (strcmp(good[i][0], name) == 0)
            arguments[i * 2 + 1] = value;
    r = parse(arguments, PAIRS * 2, &options);
    free_options(&options);
    return r;
}

static void good_options_are_taken(void **state)
{
    struct warden_options options;

    (void)state;
    assert_int_equal(parse(good[0], PAIRS * 2, &options), 0);
    assert_string_equal(options.data_dir, "/var/lib/codecell");
    assert_ptr_not_equal(options.data_dir, good[0][1]);
    assert_string_equal(options.log_format, "json");
    assert_int_equal(options.slots, 8);
    assert_int_equal(options.uid_base, 100000);
    assert_int_equal(options.config_fd, 3);
    assert_int_equal(options.log_level, LOG_LEVEL_WARNING);
    free_options(&options);
}

static void every_option_is_required(void **state)
{
    (void)state;
    for (int missing = 0; missing < PAIRS; missing++) {
        struct warden_options options;
        const char *arguments[PAIRS * 2];
        int n = 0;

        for (int i = 0; i < PAIRS; i++) {
            if (i == missing)
                continue;
            arguments[n++] = good[i][0];
            arguments[n++] = good[i][1];
        }
        assert_int_equal(parse(arguments, n, &options), -EINVAL);
        assert_non_null(strstr(error, good[missing][0]));
        free_options(&options);
    }
}

static void tls_files_go_together(void **state)
{
    static const char *const tls[] = { "--tls-certificate", "cert.pem", "--tls-key", "key.pem" };
    const char *arguments[PAIRS * 2 + ARRAY_SIZE(tls)];
    struct warden_options options;

    (void)state;
    memcpy(arguments, good, sizeof(good));
    memcpy(arguments + PAIRS * 2, tls, sizeof(tls));
    assert_int_equal(parse(arguments, PAIRS * 2 + 4, &options), 0);
    assert_string_equal(options.tls_certificate, "cert.pem");
    assert_string_equal(options.tls_key, "key.pem");
    free_options(&options);
    assert_int_equal(parse(arguments, PAIRS * 2 + 2, &options), -EINVAL);
    free_options(&options);
}

static void bad_values_are_refused_by_name(void **state)
{
    static const char *const rows[][2] = {
        { "--slots", "0" },
        { "--slots", "513" },
        { "--slots", "" },
        { "--slots", "8x" },
        { "--slots", "-8" },
        { "--slots", "+8" },
        { "--slots", " 8" },
        { "--slots", "0x8" },
        { "--slots", "99999999999999999999" },
        { "--api-uid", "0" },
        { "--api-uid", "4294967295" },
        { "--uid-base", "0" },
        { "--uid-base", "4294967000" },
        { "--sandbox-uid", "0" },
        { "--mask-host-info", "2" },
        { "--mask-host-info", "yes" },
        { "--tmp-mb", "0" },
        { "--config-fd", "2" },
        { "--log-level", "warning" },
        { "--log-level", "" },
        { "--data-dir", "" },
        { "--hostname", "" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        assert_int_equal(parse_with(rows[i][0], rows[i][1]), -EINVAL);
        assert_non_null(strstr(error, rows[i][0]));
    }
}

static void no_slot_may_have_the_user_of_the_api(void **state)
{
    (void)state;
    assert_int_equal(parse_with("--api-uid", "99999"), 0);
    assert_int_equal(parse_with("--api-uid", "100000"), -EINVAL);
    assert_int_equal(parse_with("--api-uid", "100007"), -EINVAL);
    assert_int_equal(parse_with("--api-uid", "100008"), -EINVAL); /* of the zygote */
    assert_int_equal(parse_with("--api-uid", "100009"), 0);
}

static void what_is_no_option_is_refused(void **state)
{
    static const char *const rows[][2] = { { "--other", "1" }, { "", "" }, { "-h", "x" }, { "--slot", "8" } };
    struct warden_options options;
    const char *arguments[PAIRS * 2 + 2];

    (void)state;
    memcpy(arguments, good, sizeof(good));
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        arguments[PAIRS * 2] = rows[i][0];
        arguments[PAIRS * 2 + 1] = rows[i][1];
        assert_int_equal(parse(arguments, PAIRS * 2 + 2, &options), -EINVAL);
        free_options(&options);
    }
    /* Twice, or without its value. */
    arguments[PAIRS * 2] = "--data-dir";
    arguments[PAIRS * 2 + 1] = "/elsewhere";
    assert_int_equal(parse(arguments, PAIRS * 2 + 2, &options), -EINVAL);
    free_options(&options);
    assert_int_equal(parse(arguments, PAIRS * 2 - 1, &options), -EINVAL);
    free_options(&options);
    assert_int_equal(parse(NULL, 0, &options), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_options_are_taken),
        cmocka_unit_test(every_option_is_required),
        cmocka_unit_test(tls_files_go_together),
        cmocka_unit_test(bad_values_are_refused_by_name),
        cmocka_unit_test(no_slot_may_have_the_user_of_the_api),
        cmocka_unit_test(what_is_no_option_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

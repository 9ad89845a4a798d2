/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "main/config/config.h"

#define GOOD_KEY "API_KEY=k1-Zq8vTn4wLr7xSd"

/* Loads some assignments; the outcome, and the problems if text is wanted. */
static int load(struct config *config, char *const *environment, const char *dotenv, char *ret_problems, size_t size)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    int r = config_load(config, environment, dotenv, &problems);

    snprintf(ret_problems, size, "%s", problems.data ? problems.data : "");
    return r;
}

static void test_defaults(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { GOOD_KEY, NULL }, problems[1024];

    (void)state;
    assert_int_equal(load(&config, environment, NULL, problems, sizeof(problems)), 0);
    assert_string_equal(config.api_host, "0.0.0.0");
    assert_int_equal(config.api_port, 8000);
    assert_int_equal(config.max_execution_time, 30);
    assert_int_equal(config.max_output_bytes, 65536);
    assert_true(config.max_cpus == 1.0);
    assert_int_equal(config.enable_https, CONFIG_UNSET);
    assert_string_equal(config.data_dir, "/var/lib/codecell");
    assert_string_equal(config.allowed_file_extensions, "@seed");
    assert_int_equal(config.log_level, 1);
    assert_true(config.auth_enabled);
    assert_false(config.api_debug);
    assert_int_equal(config.rate_limit_exec.count, 0);
}

/* The table itself: a default must be a value that its own row allows. */
static void test_every_default_is_allowed(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { GOOD_KEY, NULL }, problems[1024], range[512];

    (void)state;
    assert_int_equal(load(&config, environment, NULL, problems, sizeof(problems)), 0);
    assert_string_equal(problems, "");
    for (int i = 0; i < CONFIG_COUNT; i++) {
        const struct config_param *param = config_param((enum config_id)i);

        assert_ptr_equal(config_param_find(param->name), param);
        assert_true(strlen(param->help) > 3);
        config_describe_range(param, range, sizeof(range));
        assert_true(strlen(range) > 3);
    }
}

static const struct {
    const char *assignment;
    const char *allowed; /* part of the complaint; NULL = accepted */
} values[] = {
    { "API_PORT=1", NULL },
    { "API_PORT= 443 ", NULL },
    { "API_PORT=", NULL },
    { "API_PORT=0", "from 1 to 65535" },
    { "API_PORT=65536", "from 1 to 65535" },
    { "API_PORT=-1", "from 1 to 65535" },
    { "API_PORT=+1", "from 1 to 65535" },
    { "API_PORT=0x50", "from 1 to 65535" },
    { "API_PORT=80a", "from 1 to 65535" },
    { "API_PORT=99999999999999999999", "from 1 to 65535" },
    { "MAX_EXECUTION_TIME=301", "from 1 to 300 s" },
    { "MAX_EXECUTION_TIME=0.5", "from 1 to 300 s" },
    { "MAX_CPUS=0.1", NULL },
    { "MAX_CPUS=64", NULL },
    { "MAX_CPUS=0.09", "from 0.1 to 64" },
    { "MAX_CPUS=64.1", "from 0.1 to 64" },
    { "MAX_CPUS=nan", "from 0.1 to 64" },
    { "MAX_CPUS=inf", "from 0.1 to 64" },
    { "MAX_CPUS=1e1", "from 0.1 to 64" },
    { "MAX_CPUS=1.", "from 0.1 to 64" },
    { "API_DEBUG=YES", NULL },
    { "API_DEBUG=0", NULL },
    { "API_DEBUG=perhaps", "true or false" },
    { "ENABLE_HTTPS=no", NULL },
    { "ENABLE_HTTPS=2", "unset" },
    { "LOG_FORMAT=TEXT", NULL },
    { "LOG_FORMAT=xml", "one of json, text" },
    { "LOG_LEVEL=critical", NULL },
    { "LOG_LEVEL=TRACE", "DEBUG, INFO" },
    { "API_HOST=::1", NULL },
    { "API_HOST=localhost", NULL },
    { "API_HOST=example.org", "address" },
    { "API_HOST=300.1.1.1", "address" },
    { "TRUSTED_PROXIES=10.0.0.0/8, ::1/128 ,1.2.3.4", NULL },
    { "TRUSTED_PROXIES=", NULL },
    { "TRUSTED_PROXIES=::ffff:10.0.0.0/8,fc00::/128", NULL },
    { "TRUSTED_PROXIES=10.0.0.0/33", "networks" },
    { "TRUSTED_PROXIES=::ffff:10.0.0.0/104", "networks" },
    { "TRUSTED_PROXIES=10.0.0.0/", "networks" },
    { "WAN_DNS_SERVERS=8.8.8.8,::1", "IPv4" },
    { "RATE_LIMIT_EXEC=20/30", NULL },
    { "RATE_LIMIT_EXEC=0", NULL },
    { "RATE_LIMIT_EXEC=20", "N/seconds" },
    { "RATE_LIMIT_EXEC=20/0", "N/seconds" },
    { "RATE_LIMIT_EXEC=/5", "N/seconds" },
    { "CONTAINER_GENERIC_HOSTNAME=a-b.c", NULL },
    { "CONTAINER_GENERIC_HOSTNAME=a b", "host name" },
    { "S3_ENDPOINT=http://x:80", "host:port" },
    { "REDIS_URL=rediss://:pw@x", NULL },
    { "REDIS_URL=http://x", "redis://" },
    { "SANDBOX_UID=0", "from 1 to 65533" },
    { "DATA_DIR=/", "DATA_DIR" },
    { "ENABLE_NETWORK_ISOLATION=false", "ENABLE_NETWORK_ISOLATION" },
    { "NOT_A_VARIABLE=1", NULL },
    { "CORS_ORIGINS=https://a.example, https://b.example", NULL },
    { "CORS_ORIGINS= [\"https://a.example\"]", NULL },
    { "CORS_ORIGINS=[", "neither a comma list nor a JSON list of strings" },
    { "CORS_ORIGINS=[1]", "neither a comma list nor a JSON list of strings" },
    { "CORS_ORIGINS=[\"https://a.example\"", "neither a comma list nor a JSON list of strings" },
    { "ALLOWED_FILE_EXTENSIONS=", NULL },
    { "ALLOWED_FILE_EXTENSIONS=@extended, .log ,csv,*", NULL },
    { "ALLOWED_FILE_EXTENSIONS=txt,tar.gz", "'tar.gz' is neither an extension" },
    { "ALLOWED_FILE_EXTENSIONS=@all", "'@all' is neither an extension" },
    { "BLOCKED_FILE_PATTERNS=*.a,?b", NULL },
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        CLEANUP(config_deinit) struct config config;
        char *environment[] = { GOOD_KEY, (char *)values[i].assignment, NULL }, problems[2048], name[64];
        int r = load(&config, environment, NULL, problems, sizeof(problems));

        if (!values[i].allowed) {
            assert_string_equal(problems, "");
            assert_int_equal(r, 0);
            continue;
        }
        assert_int_equal(r, CONFIG_E_INVALID);
        assert_non_null(strstr(problems, values[i].allowed));
        snprintf(name, sizeof(name), "%.*s", (int)strcspn(values[i].assignment, "="), values[i].assignment);
        assert_non_null(strstr(problems, name));
    }
}

static void test_all_problems_are_told_at_once(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { GOOD_KEY, "API_PORT=70000", "MAX_MEMORY_MB=1", NULL }, problems[2048];

    (void)state;
    assert_int_equal(load(&config, environment, NULL, problems, sizeof(problems)), CONFIG_E_INVALID);
    assert_non_null(strstr(problems, "API_PORT=70000 (from environment): must be a whole number from 1 to 65535\n"));
    assert_non_null(strstr(problems, "MAX_MEMORY_MB=1 "));
    assert_int_equal(config.api_port, 8000);
}

static const struct {
    const char *key;
    bool accepted;
} keys[] = {
    { "API_KEY=k1-Zq8vTn4wLr7xSd", true },
    { "API_KEY=", false },
    { "API_KEY=short", false },
    { "API_KEY=123456789012345", false },
    { "API_KEY=aaaaaaaaaaaaaaaaaaaaaaaa", false },
    { "API_KEY=your-secure-api-key-here", false },
    { "API_KEY=please-CHANGE-ME-123456", false },
    { "API_KEY=Zq8vTn4wLr7x Sd5kPm", false },
    { "API_KEY=Zq8vTn4wLr7x\tSd5kPm", false },
    { "API_KEY=Zq8vTn4wLr7x\xc3\xa4Sd5kPm", false },
};

static void test_keys(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        CLEANUP(config_deinit) struct config config;
        char *environment[] = { (char *)keys[i].key, NULL }, problems[2048];
        int r = load(&config, environment, NULL, problems, sizeof(problems));

        assert_int_equal(r, keys[i].accepted ? 0 : CONFIG_E_INVALID);
        assert_true(keys[i].accepted || strstr(problems, "API_KEY"));
        /* The complaint must not show the key. */
        assert_true(strlen(keys[i].key) < 12 || !strstr(problems, keys[i].key + 8));
    }
}

static const struct {
    const char *environment[5];
    bool accepted;
} doors[] = {
    { { "AUTH_ENABLED=false" }, false },
    { { "AUTH_ENABLED=false", "API_HOST=127.0.0.1" }, true },
    { { "AUTH_ENABLED=false", "API_HOST=::1" }, true },
    { { "AUTH_ENABLED=false", "API_HOST=localhost" }, true },
    { { "AUTH_ENABLED=false", "API_HOST=::" }, false },
    { { "AUTH_ENABLED=false", "API_HOST=10.0.0.5" }, false },
    { { "AUTH_ENABLED=false", "CODECELL_ALLOW_UNAUTHENTICATED=true" }, true },
    { { "CODECELL_ALLOW_UNAUTHENTICATED=true" }, false },
    { { GOOD_KEY, "MASTER_API_KEY=k1-Zq8vTn4wLr7xSd" }, false },
    { { GOOD_KEY, "MASTER_API_KEY=m3-Zq8vTn4wLr7xSd", "API_KEYS=k2-Zq8vTn4wLr7xSd" }, true },
    { { GOOD_KEY, "MASTER_API_KEY=m" }, false },
    { { GOOD_KEY, "API_KEYS=k2-Zq8vTn4wLr7xSd,bad" }, false },
    { { GOOD_KEY, "ENABLE_NETWORK_ISOLATION=false", "API_DEBUG=true" }, true },
};

static void test_rules(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(doors); i++) {
        CLEANUP(config_deinit) struct config config;
        char problems[2048];

        assert_int_equal(load(&config, (char *const *)doors[i].environment, NULL, problems, sizeof(problems)),
                         doors[i].accepted ? 0 : CONFIG_E_INVALID);
    }
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_environment_wins_over_file(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { "API_PORT=9001", "MAX_CPUS=", NULL }, problems[2048], path[] = "/tmp/test-config-XXXXXX";

    (void)state;
    close(mkstemp(path));
    write_file(path, "API_PORT=9000\n" GOOD_KEY "\nMAX_CPUS=2\nUNKNOWN=1\n");
    assert_int_equal(load(&config, environment, path, problems, sizeof(problems)), 0);
    assert_int_equal(config.api_port, 9001);
    assert_int_equal(config.origins[CONFIG_API_PORT], CONFIG_FROM_ENVIRONMENT);
    assert_true(config.max_cpus == 2);
    assert_int_equal(config.origins[CONFIG_MAX_CPUS], CONFIG_FROM_DOTENV);
    unlink(path);
}

static void test_bad_file_names_its_line(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { GOOD_KEY, NULL }, problems[2048], path[] = "/tmp/test-config-XXXXXX";

    (void)state;
    close(mkstemp(path));
    write_file(path, "API_PORT=9000\noops\n");
    assert_int_equal(load(&config, environment, path, problems, sizeof(problems)), CONFIG_E_INVALID);
    assert_non_null(strstr(problems, "line 2"));
    unlink(path);
}

static void test_secrets_are_masked(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { GOOD_KEY, "REDIS_PASSWORD=hunter2", NULL }, problems[2048], *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    (void)state;
    assert_int_equal(load(&config, environment, NULL, problems, sizeof(problems)), 0);
    config_print(&config, out);
    fclose(out);
    assert_null(strstr(text, "Zq8vTn"));
    assert_null(strstr(text, "hunter2"));
    assert_non_null(strstr(text, "API_KEY=(set)"));
    free(text);
}

static void test_lists(void **state)
{
    const char *cursor = " a , ,b,,  c d ,", *start;
    size_t length;

    (void)state;
    assert_true(config_list_next(&cursor, &start, &length));
    assert_memory_equal(start, "a", length);
    assert_true(config_list_next(&cursor, &start, &length));
    assert_memory_equal(start, "b", length);
    assert_true(config_list_next(&cursor, &start, &length));
    assert_int_equal(length, 3);
    assert_memory_equal(start, "c d", length);
    assert_false(config_list_next(&cursor, &start, &length));
}

static void test_relative_paths_become_absolute(void **state)
{
    CLEANUP(config_deinit) struct config config;
    char *environment[] = { GOOD_KEY, "DATA_DIR=data", NULL }, problems[2048];

    (void)state;
    assert_int_equal(load(&config, environment, NULL, problems, sizeof(problems)), 0);
    assert_int_equal(config_absolute_paths(&config), 0);
    assert_int_equal(config.data_dir[0], '/');
    assert_string_equal(config.data_dir + strlen(config.data_dir) - 5, "/data");
    assert_string_equal(config.log_file, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_every_default_is_allowed),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_all_problems_are_told_at_once),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_environment_wins_over_file),
        cmocka_unit_test(test_bad_file_names_its_line),
        cmocka_unit_test(test_secrets_are_masked),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_relative_paths_become_absolute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "main/place/handover.h"

#define GOOD_KEY "API_KEY=k1-Zq8vTn4wLr7xSd"

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void test_everything_arrives(void **state)
{
    CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
    CLEANUP(handover_deinit) struct handover sent = { 0 }, received = { 0 };
    CLEANUP_CLOSE int fd = -1;
    char *environment[] = {
        GOOD_KEY, "API_PORT=8443", "MAX_CPUS=0.5", "ENABLE_CORS=yes", "LOG_LEVEL=debug", "BLOCKED_FILE_PATTERNS=", NULL
    };

    (void)state;
    assert_int_equal(config_load(&sent.config, environment, NULL, &problems), 0);
    sent.tls_certificate = strdup("-----BEGIN CERTIFICATE-----\nMIIB\n");
    sent.tls_key = strdup("-----BEGIN PRIVATE KEY-----\nMIIE=\n");
    assert_int_equal(handover_seal(&sent, &fd), 0);
    /* The descriptor is shared with whoever reads it first: its offset must not matter. */
    assert_int_equal(lseek(fd, 0, SEEK_END) > 0, 1);
    assert_int_equal(handover_open(&received, fd, &problems), 0);
    for (int i = 0; i < CONFIG_COUNT; i++)
        assert_string_equal(received.config.texts[i], sent.config.texts[i]);
    assert_int_equal(received.config.api_port, 8443);
    assert_true(received.config.max_cpus == 0.5);
    assert_string_equal(received.config.blocked_file_patterns, "");
    assert_string_equal(received.tls_certificate, sent.tls_certificate);
    assert_string_equal(received.tls_key, sent.tls_key);
    assert_null(received.tls_client_ca);
    assert_true(write(fd, "x", 1) < 0);
    assert_true(ftruncate(fd, 0) < 0);
}

static void test_damaged_memory_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } cases[] = { { "API_PORT=1", 10 }, { "x", 1 }, { "API_PORT=0\0" GOOD_KEY, 11 + sizeof(GOOD_KEY) } };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
        CLEANUP(handover_deinit) struct handover received = { 0 };
        CLEANUP_CLOSE int fd = -1;

        assert_int_equal(fd_sealed_memory("test", cases[i].bytes, cases[i].size, &fd), 0);
        assert_true(handover_open(&received, fd, &problems) != 0);
    }
}

struct tls_case {
    const char *https;
    bool files;
    int result;
    bool tls;
};

static const struct tls_case tls_cases[] = {
    { "ENABLE_HTTPS=", true, 0, true },
    { "ENABLE_HTTPS=", false, 0, false },
    { "ENABLE_HTTPS=false", true, 0, false },
    { "ENABLE_HTTPS=true", true, 0, true },
    { "ENABLE_HTTPS=true", false, CONFIG_E_INVALID, false },
};

static void test_tls_files(void **state)
{
    char directory[] = "/tmp/test-handover-XXXXXX", certificate[128], key[128];

    (void)state;
    assert_non_null(mkdtemp(directory));
    snprintf(certificate, sizeof(certificate), "SSL_CERT_FILE=%s/cert.pem", directory);
    snprintf(key, sizeof(key), "SSL_KEY_FILE=%s/key.pem", directory);
    for (size_t i = 0; i < ARRAY_SIZE(tls_cases); i++) {
        CLEANUP(buffer_deinit) struct buffer problems = BUFFER_INIT(CONFIG_PROBLEMS_MAX_BYTES);
        CLEANUP(handover_deinit) struct handover handover = { 0 };
        char *environment[] = { GOOD_KEY, (char *)tls_cases[i].https, certificate, key, NULL };

        if (tls_cases[i].files) {
            write_file(strchr(certificate, '/'), "cert\n");
            write_file(strchr(key, '/'), "key\n");
        }
        assert_int_equal(config_load(&handover.config, environment, NULL, &problems), 0);
        assert_int_equal(handover_read_tls(&handover, &problems), tls_cases[i].result);
        assert_int_equal(handover.tls_certificate != NULL, tls_cases[i].tls);
        assert_true(tls_cases[i].result == 0 || strstr(problems.data, "SSL_CERT_FILE"));
        unlink(strchr(certificate, '/'));
        unlink(strchr(key, '/'));
    }
    rmdir(directory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_everything_arrives),
        cmocka_unit_test(test_damaged_memory_is_refused),
        cmocka_unit_test(test_tls_files),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

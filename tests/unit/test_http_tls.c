/* SPDX-License-Identifier: Apache-2.0 */
/* The server behind TLS: with its own certificate, and asking clients for theirs. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/x509.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "http_client.h"

/* A self-signed certificate with its key, as PEM text. It is its own authority. */
struct identity {
    gnutls_datum_t certificate, key;
};

static void make_identity(struct identity *ret_identity)
{
    static const unsigned char serial = 1;
    gnutls_x509_privkey_t key;
    gnutls_x509_crt_t certificate;

    assert_int_equal(gnutls_x509_privkey_init(&key), 0);
    assert_int_equal(
        gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), 0);
    assert_int_equal(gnutls_x509_crt_init(&certificate), 0);
    gnutls_x509_crt_set_version(certificate, 3);
    gnutls_x509_crt_set_serial(certificate, &serial, 1);
    gnutls_x509_crt_set_activation_time(certificate, time(NULL) - 3600);
    gnutls_x509_crt_set_expiration_time(certificate, time(NULL) + 3600);
    gnutls_x509_crt_set_dn(certificate, "CN=localhost", NULL);
    gnutls_x509_crt_set_key(certificate, key);
    gnutls_x509_crt_set_basic_constraints(certificate, 1, -1);
    assert_int_equal(gnutls_x509_crt_sign2(certificate, certificate, key, GNUTLS_DIG_SHA256, 0), 0);
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_PEM, &ret_identity->certificate), 0);
    assert_int_equal(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &ret_identity->key), 0);
    gnutls_x509_crt_deinit(certificate);
    gnutls_x509_privkey_deinit(key);
}

static void identity_deinit(struct identity *identity)
{
    gnutls_free(identity->certificate.data);
    gnutls_free(identity->key.data);
}

static void on_text(struct http_request *request)
{
    http_respond_static(request, 200, "text/plain", NULL, "hello", 5);
}

static const struct http_route routes[] = { { "GET", "/health", HTTP_OPEN, false, HTTP_BODY_NONE, false, on_text,
                                              NULL } };

static struct http_server *start(const struct identity *identity, const char *client_ca)
{
    struct http_options options = HTTP_OPTIONS_INIT;
    struct http_server *server;
    char error[200] = "";

    options.routes = routes;
    options.n_routes = ARRAY_SIZE(routes);
    options.tls_certificate = (const char *)identity->certificate.data;
    options.tls_key = (const char *)identity->key.data;
    options.tls_client_ca = client_ca;
    if (http_server_start(&options, &server, error, sizeof(error)) < 0)
        fail_msg("%s", error);
    return server;
}

/* What a client's connection consists of. */
struct tls_client {
    gnutls_certificate_credentials_t credentials;
    gnutls_session_t session;
    int fd;
};

/* Connects, showing a certificate if there is one. */
static struct tls_client connect_over_tls(struct http_server *server, const struct identity *shown)
{
    struct tls_client client = { .fd = dial(server) };
    int r;

    assert_int_equal(gnutls_certificate_allocate_credentials(&client.credentials), 0);
    if (shown)
        assert_int_equal(gnutls_certificate_set_x509_key_mem(client.credentials, &shown->certificate, &shown->key,
                                                             GNUTLS_X509_FMT_PEM),
                         0);
    assert_int_equal(gnutls_init(&client.session, GNUTLS_CLIENT), 0);
    gnutls_set_default_priority(client.session);
    gnutls_credentials_set(client.session, GNUTLS_CRD_CERTIFICATE, client.credentials);
    gnutls_transport_set_int(client.session, client.fd);
    do
        r = gnutls_handshake(client.session);
    while (r < 0 && !gnutls_error_is_fatal(r));
    assert_int_equal(r, 0);
    return client;
}

static void hang_up(struct tls_client *client)
{
    gnutls_deinit(client->session);
    gnutls_certificate_free_credentials(client->credentials);
    close(client->fd);
}

/* Asks once over TLS, showing a certificate if there is one. Writes the start of the answer. */
static void ask_over_tls(struct http_server *server, const struct identity *shown, char *ret_answer, size_t size)
{
    static const char request[] = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    struct tls_client client = connect_over_tls(server, shown);
    size_t used = 0;
    ssize_t n;

    assert_int_equal(gnutls_record_send(client.session, request, sizeof(request) - 1), sizeof(request) - 1);
    while (used < size - 1 &&
           ((n = gnutls_record_recv(client.session, ret_answer + used, size - 1 - used)) > 0 || n == GNUTLS_E_AGAIN))
        used += n > 0 ? (size_t)n : 0;
    ret_answer[used] = '\0';
    hang_up(&client);
}

static void test_tls(void **context)
{
    CLEANUP(identity_deinit) struct identity identity;
    struct http_server *server;
    char answer[4096];

    (void)context;
    make_identity(&identity);
    server = start(&identity, NULL);
    ask_over_tls(server, NULL, answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    assert_non_null(strstr(answer, "hello"));
    http_server_free(server);
}

/* The port speaks TLS only. */
static void test_plain_text_to_tls(void **context)
{
    CLEANUP(identity_deinit) struct identity identity;
    struct http_server *server;
    char answer[256] = "";
    ssize_t n;
    int fd;

    (void)context;
    make_identity(&identity);
    server = start(&identity, NULL);
    fd = dial(server);
    assert_true(send(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 34, MSG_NOSIGNAL) > 0);
    n = recv(fd, answer, sizeof(answer) - 1, 0);
    assert_true(n <= 0 || strncmp(answer, "HTTP", 4) != 0);
    close(fd);
    http_server_free(server);
}

static void test_client_certificates(void **context)
{
    CLEANUP(identity_deinit) struct identity identity, stranger;
    struct http_server *server;
    char answer[4096];

    (void)context;
    make_identity(&identity);
    make_identity(&stranger);
    server = start(&identity, (const char *)identity.certificate.data);
    ask_over_tls(server, &identity, answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 200 OK"));
    ask_over_tls(server, NULL, answer, sizeof(answer));
    assert_non_null(strstr(answer, "HTTP/1.1 403 Forbidden"));
    ask_over_tls(server, &stranger, answer, sizeof(answer));
    assert_null(strstr(answer, "HTTP/1.1 200 OK"));
    http_server_free(server);
}

/* The certificate that a server shows at this moment. */
static void assert_shown(struct http_server *server, const struct identity *expected)
{
    struct tls_client client = connect_over_tls(server, NULL);
    gnutls_x509_crt_t certificate;
    gnutls_datum_t der;
    const gnutls_datum_t *shown;
    unsigned n = 0;

    shown = gnutls_certificate_get_peers(client.session, &n);
    assert_int_equal(n, 1);
    gnutls_x509_crt_init(&certificate);
    assert_int_equal(gnutls_x509_crt_import(certificate, &expected->certificate, GNUTLS_X509_FMT_PEM), 0);
    assert_int_equal(gnutls_x509_crt_export2(certificate, GNUTLS_X509_FMT_DER, &der), 0);
    assert_int_equal(der.size, shown[0].size);
    assert_memory_equal(der.data, shown[0].data, der.size);
    gnutls_free(der.data);
    gnutls_x509_crt_deinit(certificate);
    hang_up(&client);
}

static int show(struct http_server *server, const struct identity *certificate, const struct identity *key)
{
    char error[200] = "";
    int r = http_server_show_certificate(server, (const char *)certificate->certificate.data,
                                         (const char *)key->key.data, error, sizeof(error));

    assert_int_equal(r == 0, error[0] == '\0');
    return r;
}

static void test_another_certificate(void **context)
{
    CLEANUP(identity_deinit) struct identity first, second;
    struct http_server *server;

    (void)context;
    make_identity(&first);
    make_identity(&second);
    server = start(&first, NULL);
    assert_shown(server, &first);
    assert_int_equal(show(server, &second, &second), 0);
    assert_shown(server, &second);
    for (int i = 0; i < 50; i++)
        assert_int_equal(show(server, i % 2 ? &second : &first, i % 2 ? &second : &first), 0);
    assert_shown(server, &second);
    http_server_free(server);
}

/* What cannot be shown leaves what is shown. */
static void test_a_bad_certificate(void **context)
{
    CLEANUP(identity_deinit) struct identity good, other;
    struct http_server *server;
    int64_t expires_s = 0;
    char error[200];

    (void)context;
    make_identity(&good);
    make_identity(&other);
    server = start(&good, NULL);
    assert_int_equal(show(server, &other, &good), -EINVAL);
    assert_int_equal(http_server_show_certificate(server, "nonsense", "nonsense", error, sizeof(error)), -EINVAL);
    assert_int_equal(
        http_server_show_certificate(server, (const char *)good.certificate.data, "nonsense", error, sizeof(error)),
        -EINVAL);
    assert_non_null(strstr(error, "key"));
    assert_shown(server, &good);
    http_server_free(server);
    assert_int_equal(http_tls_check((const char *)good.certificate.data, (const char *)good.key.data, &expires_s, error,
                                    sizeof(error)),
                     0);
    assert_true(expires_s > time(NULL) + 3000 && expires_s <= time(NULL) + 3600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tls),
        cmocka_unit_test(test_plain_text_to_tls),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_another_certificate),
        cmocka_unit_test(test_a_bad_certificate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}

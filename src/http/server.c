/* SPDX-License-Identifier: Apache-2.0 */
/* The server: start, stop, and the four calls that the library below makes about a request:
 *
 *   on_target()     the request line is known      makes the request
 *   on_request()    headers, body, end             checks, feeds the body, calls the handler, queues the answer
 *   on_completed()  the answer is sent or given up lets go of the request
 *   on_connection() a connection comes or goes     tells the guard
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "http/internal.h"
#include "http/library.h"
#include "http/respond.h"
#include "http/tls.h"

#define SMALL_BODY_BYTES (256 << 10) /* of a refused request: read to its end, so that the connection can be kept */
#define POOL_SPARE_BYTES (16 << 10)  /* of a connection's memory, beside the header block */
#define FLUSH_MS         1000        /* for the last answers when stopping */
#define LISTEN_BACKLOG   1024

/* ---- one request ---- */

static void *on_target(void *context, const char *target, struct MHD_Connection *connection)
{
    struct http_request *request = request_new(context, target ? target : "");

    library_begin();
    if (request)
        request->connection = connection;
    return request;
}

static enum MHD_Result queue(struct http_request *request)
{
    struct MHD_Response *response;
    enum MHD_Result r = MHD_NO;

    pthread_mutex_lock(&request->lock);
    response = request->response;
    request->response = NULL;
    pthread_mutex_unlock(&request->lock);
    if (response) {
        r = library_queue(request->connection, request->status, response);
        MHD_destroy_response(response);
    }
    return r;
}

static void learn_request_line(struct http_request *request, const char *method, const char *version)
{
    const union MHD_ConnectionInfo *info;

    info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    request->guarded = info ? info->socket_context : NULL;
    request->head = strcmp(method, "HEAD") == 0;
    if (request->head)
        method = "GET"; /* the library below leaves the body out */
    snprintf(request->method, sizeof(request->method), "%s", method);
    request->http10 = strcmp(version, "HTTP/1.0") == 0;
}

/* An answer that comes before the body. A small body is dropped first; for a large one the connection has to go. */
static enum MHD_Result answer_early(struct http_request *request)
{
    bool small = request->declared_bytes <= SMALL_BODY_BYTES && !request->expects_continue && !request->must_close &&
                 request->status != 413;

    request->phase = PHASE_DROP;
    if (!request->has_body || small)
        return MHD_YES;
    if (request->guarded)
        request->guarded->unread = true;
    return queue(request);
}

static enum MHD_Result begin(struct http_request *request, const char *method, const char *version)
{
    bool answered;

    learn_request_line(request, method, version);
    request->begun = true;
    answered = checks_run(request);
    connection_enter(request->guarded, request->has_body ? CONNECTION_BODY : CONNECTION_BUSY);
    return answered ? answer_early(request) : MHD_YES;
}

static void handle(struct http_request *request)
{
    request->phase = PHASE_HANDLED;
    request->match.route->handle(request);
    if (request->handed_over)
        return;
    if (!request->answered) {
        log_error("the handler of %s %s gave no answer", request->match.route->method, request->match.route->pattern);
        http_respond_error(request, 500, "An unexpected error occurred", NULL, 0, NULL);
    }
    body_forget(request);
}

/* The body is complete, or the owner of a suspended request has answered. */
static enum MHD_Result finish(struct http_request *request)
{
    if (request->phase != PHASE_HANDLED) {
        connection_enter(request->guarded, CONNECTION_BUSY);
        request->received_us = clock_monotonic_us();
        if (!checks_confirm(request) && !body_end(request)) {
            handle(request);
            if (request->suspended)
                return MHD_YES; /* called again once resumed, perhaps at this very moment */
        }
    }
    return queue(request);
}

static enum MHD_Result on_request(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                                  const char *version, const char *data, size_t *data_size, void **request_context)
{
    struct http_request *request = *request_context;
    size_t length = *data_size;

    (void)context;
    (void)connection;
    (void)url;
    if (!request)
        return MHD_NO;
    if (!request->begun)
        return begin(request, method, version);
    if (length > 0) {
        *data_size = 0;
        return body_receive(request, data, length) ? MHD_YES : MHD_NO;
    }
    return finish(request);
}

static void tell(struct http_request *request, bool aborted)
{
    const struct http_options *options = &request->server->options;
    struct http_summary summary = {
        .request_id = request->id,
        .method = request->method,
        .path = request->path.text ? request->path.text : "",
        .client_ip = request->client_ip,
        .pattern = request->match.route ? request->match.route->pattern : NULL,
        .key_prefix = request->key_prefix,
        .duration_us = clock_monotonic_us() - request->begun_us,
        .request_bytes = request->body_bytes,
        .aborted = aborted,
    };

    pthread_mutex_lock(&request->lock);
    summary.status = request->answered ? request->status : 0;
    pthread_mutex_unlock(&request->lock);
    if (options->completed)
        options->completed(&summary, options->data);
}

static void on_completed(void *context, struct MHD_Connection *connection, void **request_context,
                         enum MHD_RequestTerminationCode code)
{
    struct http_request *request = *request_context;

    (void)context;
    (void)connection;
    if (!request)
        return;
    *request_context = NULL;
    if (request->begun)
        tell(request, code != MHD_REQUEST_TERMINATED_COMPLETED_OK);
    connection_enter(request->guarded, CONNECTION_WAITING);
    request_disconnect(request);
}

static bool peer_of(struct MHD_Connection *connection, struct address *ret_peer)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

    return info && info->client_addr && address_from_socket(info->client_addr, ret_peer);
}

static enum MHD_Result on_accept(void *context, const struct sockaddr *socket, socklen_t size)
{
    struct http_server *server = context;
    struct address peer;

    (void)size;
    return !address_from_socket(socket, &peer) || peers_admit(server->peers, &peer) ? MHD_YES : MHD_NO;
}

static void on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct http_server *server = context;
    const union MHD_ConnectionInfo *info;
    struct address peer;
    bool known = peer_of(connection, &peer);

    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
        *socket_context = info ? connection_open(server->guard, info->connect_fd) : NULL;
        if (known)
            peers_enter(server->peers, &peer);
    } else {
        if (known)
            peers_leave(server->peers, &peer);
        connection_close(server->guard, *socket_context);
        *socket_context = NULL;
    }
}

/* Paths and queries are decoded by the router, once; the library below would do it a first time. */
static size_t keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context;
    (void)connection;
    return strlen(text);
}

/* Mostly complaints about clients, who can cause as many of them as they like. */
static void log_library(void *context, const char *format, va_list arguments)
{
    char text[512];

    (void)context;
    if (!log_enabled(LOG_LEVEL_DEBUG))
        return;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof(text), format, arguments);
#pragma GCC diagnostic pop
    text[strcspn(text, "\n")] = '\0';
    log_debug("%s", text);
}

/* ---- start ---- */

static int learn_trusted(struct http_server *server, char *error, size_t error_size)
{
    const char *const *list = server->options.trusted_proxies;
    size_t n = 0;

    while (list && list[n])
        n++;
    server->trusted = calloc(n + 1, sizeof(*server->trusted));
    if (!server->trusted)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (!address_block_parse(list[i], &server->trusted[i])) {
            snprintf(error, error_size, "'%s' is no address and no CIDR block", list[i]);
            return -EINVAL;
        }
    server->n_trusted = n;
    return 0;
}

static bool make_listen_address(const struct http_options *options, struct sockaddr_storage *ret_address,
                                socklen_t *ret_size)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;

    memset(ret_address, 0, sizeof(*ret_address));
    if (inet_pton(AF_INET, options->address, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(options->port);
        *ret_size = sizeof(*v4);
    } else if (inet_pton(AF_INET6, options->address, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(options->port);
        *ret_size = sizeof(*v6);
    } else
        return false;
    return true;
}

static int listen_at(struct http_server *server, int *ret_fd, char *error, size_t error_size)
{
    const struct http_options *options = &server->options;
    struct sockaddr_storage address;
    CLEANUP_CLOSE int fd = -1;
    socklen_t size;
    int on = 1, r;

    if (!make_listen_address(options, &address, &size)) {
        snprintf(error, error_size, "'%s' is no numeric address to listen on", options->address);
        return -EINVAL;
    }
    fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
        bind(fd, (struct sockaddr *)&address, size) < 0 || listen(fd, LISTEN_BACKLOG) < 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) < 0) {
        r = error_from_errno();
        snprintf(error, error_size, "cannot listen on %s port %u: %s", options->address, options->port, strerror(-r));
        return r;
    }
    server->port = ntohs(address.ss_family == AF_INET ? ((struct sockaddr_in *)&address)->sin_port
                                                      : ((struct sockaddr_in6 *)&address)->sin6_port);
    *ret_fd = TAKE_FD(fd);
    return 0;
}

/* A row of options that is only present under a condition. */
static struct MHD_OptionItem when(bool condition, enum MHD_OPTION option, intptr_t number, const void *pointer)
{
    return condition ? (struct MHD_OptionItem){ option, number, (void *)pointer }
                     : (struct MHD_OptionItem){ MHD_OPTION_END, 0, NULL };
}

/* The library's default still accepts the versions that RFC 8996 withdrew. */
#define TLS_PRIORITIES "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2"

static int start_daemon(struct http_server *server, int listen_fd)
{
    const struct http_options *options = &server->options;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem threads[] = {
        when(options->n_threads > 1, MHD_OPTION_THREAD_POOL_SIZE, options->n_threads, NULL), { MHD_OPTION_END, 0, NULL }
    };
    struct MHD_OptionItem keys[] = { { MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *)tls_retrieve },
                                     { MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)TLS_PRIORITIES },
                                     when(options->tls_client_ca, MHD_OPTION_HTTPS_MEM_TRUST, 0,
                                          options->tls_client_ca),
                                     { MHD_OPTION_END, 0, NULL } };
    struct MHD_OptionItem *tls_items = server->tls ? keys : keys + ARRAY_SIZE(keys) - 1;

    if (server->tls)
        flags |= MHD_USE_TLS;
    server->daemon =
        MHD_start_daemon(flags, 0, on_accept, server, on_request, server, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL,
                         MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_URI_LOG_CALLBACK, on_target, server,
                         MHD_OPTION_NOTIFY_COMPLETED, on_completed, server, MHD_OPTION_NOTIFY_CONNECTION, on_connection,
                         server, MHD_OPTION_UNESCAPE_CALLBACK, keep_escapes, NULL, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         options->max_header_bytes + POOL_SPARE_BYTES, MHD_OPTION_CONNECTION_LIMIT,
                         options->max_connections, MHD_OPTION_CONNECTION_TIMEOUT, options->idle_seconds,
                         MHD_OPTION_ARRAY, threads, MHD_OPTION_ARRAY, tls_items, MHD_OPTION_END);
    return server->daemon ? 0 : -EIO;
}

/* A handshake that takes longer than the headers may is cut with its connection. */
static int64_t handshake_us(const struct http_server *server)
{
    return 2 * (int64_t)server->options.header_seconds * 1000000;
}

int http_server_show_certificate(struct http_server *server, const char *certificate, const char *key, char *error,
                                 size_t error_size)
{
    struct tls_identity *identity = NULL;
    int r = tls_identity_new(certificate, key, &identity, error, error_size);

    if (r == 0)
        tls_show(identity, handshake_us(server));
    return r;
}

static int open_server(struct http_server *server, char *error, size_t error_size)
{
    const struct http_options *options = &server->options;
    struct connection_limits limits = { (int64_t)options->header_seconds * 1000000,
                                        (int64_t)options->idle_seconds * 1000000 };
    CLEANUP_CLOSE int listen_fd = -1;
    int r;

    snprintf(error, error_size, "cannot start the HTTP server");
    r = library_init();
    if (r == 0)
        r = learn_trusted(server, error, error_size);
    if (r == 0)
        r = peers_new(options->max_connections_per_peer, server->trusted, server->n_trusted, &server->peers);
    if (r == 0)
        r = connection_guard_new(&limits, &server->guard);
    server->tls = options->tls_certificate && options->tls_key;
    if (r == 0 && server->tls)
        r = http_server_show_certificate(server, options->tls_certificate, options->tls_key, error, error_size);
    if (r == 0)
        r = listen_at(server, &listen_fd, error, error_size);
    if (r < 0)
        return r;
    r = start_daemon(server, TAKE_FD(listen_fd)); /* closed by the library below, in most of its failures too */
    if (r < 0)
        snprintf(error, error_size, "cannot start the HTTP server%s",
                 options->tls_client_ca ? ": check SSL_CA_CERTS" : "");
    return r;
}

int http_server_start(const struct http_options *options, struct http_server **ret_server, char *error,
                      size_t error_size)
{
    struct http_server *server = calloc(1, sizeof(*server));
    int r;

    if (!server)
        return -ENOMEM;
    server->options = *options;
    pthread_mutex_init(&server->lock, NULL);
    pthread_cond_init(&server->changed, NULL);
    r = open_server(server, error, error_size);
    if (r < 0) {
        http_server_free(server);
        return r;
    }
    *ret_server = server;
    return 0;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

void http_server_refuse(struct http_server *server, const char *text)
{
    server->refusal = text;
}

/* ---- stop ---- */

/* Waits until no connection is busy with a request. */
static void wait_idle(struct http_server *server, int64_t timeout_ms)
{
    int64_t until_us = clock_monotonic_us() + timeout_ms * 1000;
    int r = 0;

    pthread_mutex_lock(&server->lock);
    while (server->n_connected > 0 && r == 0)
        r = clock_wait(&server->changed, &server->lock, until_us);
    pthread_mutex_unlock(&server->lock);
}

static void abort_requests(struct http_server *server)
{
    server->stopping = true;
    pthread_mutex_lock(&server->lock);
    for (struct http_request *r = server->requests; r; r = r->next)
        respond_abort(r);
    pthread_mutex_unlock(&server->lock);
}

void http_server_stop(struct http_server *server, int64_t grace_ms)
{
    if (!server->daemon)
        return;
    if (!server->refusal)
        http_server_refuse(server, "Service is shutting down");
    server->draining = true;
    wait_idle(server, grace_ms);
    abort_requests(server);
    wait_idle(server, FLUSH_MS);
    MHD_stop_daemon(server->daemon);
    server->daemon = NULL;
}

struct http_server *http_server_free(struct http_server *server)
{
    if (!server)
        return NULL;
    http_server_stop(server, 0);
    pthread_mutex_lock(&server->lock);
    while (server->n_requests > 0)
        pthread_cond_wait(&server->changed, &server->lock);
    pthread_mutex_unlock(&server->lock);
    connection_guard_free(server->guard);
    peers_free(server->peers);
    if (server->tls)
        tls_forget();
    free(server->trusted);
    pthread_mutex_destroy(&server->lock);
    pthread_cond_destroy(&server->changed);
    free(server);
    return NULL;
}

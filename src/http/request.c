/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "http/internal.h"

static void list_add(struct http_server *server, struct http_request *request)
{
    pthread_mutex_lock(&server->lock);
    request->next = server->requests;
    if (request->next)
        request->next->prev = request;
    server->requests = request;
    server->n_requests++;
    server->n_connected++;
    pthread_mutex_unlock(&server->lock);
}

/* In two steps: once out of the list nobody can find the request any more, and while it counts the server stays. */
static void list_remove(struct http_server *server, struct http_request *request)
{
    pthread_mutex_lock(&server->lock);
    if (request->prev)
        request->prev->next = request->next;
    else
        server->requests = request->next;
    if (request->next)
        request->next->prev = request->prev;
    pthread_mutex_unlock(&server->lock);
}

static void list_uncount(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    server->n_requests--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
}

struct http_request *request_new(struct http_server *server, const char *target)
{
    struct http_request *request = calloc(1, sizeof(*request));

    if (!request)
        return NULL;
    request->target = strdup(target);
    if (!request->target) {
        free(request);
        return NULL;
    }
    request->server = server;
    request->references = 1;
    request->fd_to_close = -1;
    request->begun_us = clock_monotonic_us();
    id_generate(request->id);
    pthread_mutex_init(&request->lock, NULL);
    pthread_cond_init(&request->room, NULL);
    list_add(server, request);
    return request;
}

void request_ref(struct http_request *request)
{
    atomic_fetch_add(&request->references, 1);
}

void request_unref(struct http_request *request)
{
    struct http_server *server = request->server;

    if (atomic_fetch_sub(&request->references, 1) > 1)
        return;
    list_remove(server, request);
    body_deinit(request);
    stream_deinit(&request->stream);
    router_path_deinit(&request->path);
    free(request->target);
    free(request->query);
    free(request->cors_origin);
    pthread_mutex_destroy(&request->lock);
    pthread_cond_destroy(&request->room);
    free(request);
    list_uncount(server);
}

void request_disconnect(struct http_request *request)
{
    struct http_server *server = request->server;
    struct MHD_Response *unsent;
    int fd;

    pthread_mutex_lock(&request->lock);
    request->connection = NULL;
    request->guarded = NULL;
    unsent = request->response; /* of a stream it holds a reference: without this the two would keep each other */
    request->response = NULL;
    fd = TAKE_FD(request->fd_to_close);
    pthread_cond_broadcast(&request->room);
    pthread_mutex_unlock(&request->lock);
    cleanup_close_fd(&fd);
    if (unsent)
        MHD_destroy_response(unsent);

    pthread_mutex_lock(&server->lock);
    server->n_connected--;
    pthread_cond_broadcast(&server->changed);
    pthread_mutex_unlock(&server->lock);
    request_unref(request);
}

bool request_charge(struct http_request *request, uint64_t bytes)
{
    struct http_server *server = request->server;

    if (atomic_fetch_add(&server->buffered_bytes, bytes) + bytes > server->options.max_buffered_bytes) {
        atomic_fetch_sub(&server->buffered_bytes, bytes);
        return false;
    }
    request->charged_bytes += bytes;
    return true;
}

const char *request_header(const struct http_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

/* ---- the public readers ---- */

void *http_request_data(const struct http_request *request)
{
    return request->server->options.data;
}

void *http_request_upload_context(const struct http_request *request)
{
    return request->upload_context;
}

const char *http_request_method(const struct http_request *request)
{
    return request->method;
}

const char *http_request_path(const struct http_request *request)
{
    return request->path.text;
}

const char *http_request_id(const struct http_request *request)
{
    return request->id;
}

const char *http_request_client_ip(const struct http_request *request)
{
    return request->client_ip;
}

const char *http_request_tenant(const struct http_request *request)
{
    return request->principal.tenant;
}

const char *http_request_key_prefix(const struct http_request *request)
{
    return request->key_prefix;
}

const char *http_request_key_hash(const struct http_request *request)
{
    return request->key_hash;
}

int64_t http_request_received_us(const struct http_request *request)
{
    return request->received_us;
}

const char *http_request_param(const struct http_request *request, const char *name)
{
    return router_param(&request->match, &request->path, name);
}

const char *http_request_query(const struct http_request *request, const char *name)
{
    const char *p = request->query;
    const char *end = p ? p + request->query_length : NULL;

    while (p < end) {
        const char *value = p + strlen(p) + 1;

        if (strcmp(p, name) == 0)
            return value;
        p = value + strlen(value) + 1;
    }
    return NULL;
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    return request->owned ? NULL : request_header(request, name);
}

const char *http_request_body(const struct http_request *request, size_t *ret_length)
{
    *ret_length = request->body.length;
    return request->body.data ? request->body.data : "";
}

bool http_request_has_body(const struct http_request *request)
{
    return request->has_body;
}

void http_request_close_after(struct http_request *request, int fd)
{
    pthread_mutex_lock(&request->lock);
    if (request->connection)
        request->fd_to_close = TAKE_FD(fd);
    pthread_mutex_unlock(&request->lock);
    cleanup_close_fd(&fd);
}

int http_request_dup_fd(struct http_request *request)
{
    const union MHD_ConnectionInfo *info;
    int fd;

    info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (!info)
        return -EBADF;
    fd = fcntl(info->connect_fd, F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? error_from_errno() : fd;
}

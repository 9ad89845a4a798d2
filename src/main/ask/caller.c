/* SPDX-License-Identifier: Apache-2.0 */
#include "main/ask/caller.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/error.h"
#include "main/ask/caller_reply.h"

/* Longer than any execution may take, so that only a server that is stuck meets it. */
#define ANSWER_WITHIN_S 330

#define RECEIVE_BYTES (64 * 1024)

static void disconnect(struct caller *client)
{
    cleanup_close_fd(&client->fd);
    client->fd = -1;
}

void caller_deinit(struct caller *client)
{
    disconnect(client);
    buffer_deinit(&client->request);
    buffer_deinit(&client->reply);
}

static bool parse_port(const char *text, struct caller_address *address)
{
    char *end;
    unsigned long port = strtoul(text, &end, 10);

    if (end == text || (*end && strcmp(end, "/") != 0) || port == 0 || port > UINT16_MAX)
        return false;
    address->socket.sin_port = htons((uint16_t)port);
    return true;
}

int caller_address_parse(const char *url, struct caller_address *ret_address)
{
    struct caller_address address = { .socket.sin_family = AF_INET };
    char host[64];
    int used = 0;

    if (sscanf(url, "http://%63[^:/]:%n", host, &used) != 1 || used == 0 || !parse_port(url + used, &address))
        return -EINVAL;
    if (inet_pton(AF_INET, strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, &address.socket.sin_addr) != 1)
        return -EINVAL;
    ret_address->socket = address.socket;
    return 0;
}

static int connect_once(struct caller *client)
{
    const struct timeval within = { .tv_sec = client->within_s ? client->within_s : ANSWER_WITHIN_S };
    const int on = 1;
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (client->fd >= 0)
        return 0;
    if (fd < 0 || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) < 0 ||
        setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &within, sizeof(within)) < 0 ||
        connect(fd, (const struct sockaddr *)&client->address->socket, sizeof(client->address->socket)) < 0)
        return error_from_errno();
    client->fd = TAKE_FD(fd);
    return 0;
}

int caller_prepare(struct caller *client, const char *method, const char *path, const char *body)
{
    char head[CALLER_KEY_SIZE + 256];
    size_t length = body ? strlen(body) : 0;
    int n = snprintf(head, sizeof(head),
                     "%s %s HTTP/1.1\r\nHost: codecell\r\nx-api-key: %s\r\nContent-Type: application/json\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     method, path, client->address->key, length);
    int r;

    if (n < 0 || (size_t)n >= sizeof(head))
        return -ENAMETOOLONG;
    client->request.length = 0;
    r = buffer_append(&client->request, head, (size_t)n);
    return r < 0 || !body ? r : buffer_append(&client->request, body, length);
}

static int send_all(int fd, const struct buffer *request)
{
    for (size_t sent = 0; sent < request->length;) {
        ssize_t n = send(fd, request->data + sent, request->length - sent, MSG_NOSIGNAL);

        if (n < 0)
            return error_from_errno();
        sent += (size_t)n;
    }
    return 0;
}

static int receive_some(struct caller *client)
{
    struct buffer *reply = &client->reply;
    int r = buffer_reserve(reply, RECEIVE_BYTES);
    ssize_t n;

    if (r < 0)
        return r;
    n = recv(client->fd, reply->data + reply->length, RECEIVE_BYTES, 0);
    if (n <= 0)
        return n == 0 ? -ECONNRESET : error_from_errno();
    reply->length += (size_t)n;
    return 0;
}

/* Returns 0 with the length of the body, which follows the head; CALLER_REPLY_E_MORE; or a negative errno. */
static int body_complete(struct buffer *data, const struct caller_reply *reply, size_t *ret_length)
{
    if (reply->chunked)
        return caller_reply_join(data->data + reply->head_bytes, data->length - reply->head_bytes, ret_length);
    if (data->length - reply->head_bytes < reply->body_bytes)
        return CALLER_REPLY_E_MORE;
    *ret_length = reply->body_bytes;
    return 0;
}

static int receive(struct caller *client, struct caller_reply *ret_reply, size_t *ret_length)
{
    int r = CALLER_REPLY_E_MORE;

    client->reply.length = 0;
    while (r == CALLER_REPLY_E_MORE) {
        r = receive_some(client);
        if (r == 0)
            r = caller_reply_head(client->reply.data, client->reply.length, ret_reply);
        if (r == 0)
            r = body_complete(&client->reply, ret_reply, ret_length);
    }
    return r;
}

int caller_begin(struct caller *client)
{
    int r = connect_once(client);

    return r < 0 ? r : send_all(client->fd, &client->request);
}

int caller_send(struct caller *client, double *ret_ms, const char **ret_body, size_t *ret_length)
{
    struct caller_reply reply = { 0 };
    int64_t start_us = clock_monotonic_us();
    int r = caller_begin(client);

    if (r == 0)
        r = receive(client, &reply, ret_length);
    *ret_ms = (double)(clock_monotonic_us() - start_us) / 1000;
    if (r < 0 || reply.closes)
        disconnect(client);
    if (r < 0)
        return r;
    *ret_body = client->reply.data + reply.head_bytes;
    return reply.status;
}

int caller_get(struct caller *client, const char *path, json_t **ret_body)
{
    const char *body = NULL;
    size_t length = 0;
    double ms;
    int r = caller_prepare(client, "GET", path, NULL);

    if (r == 0)
        r = caller_send(client, &ms, &body, &length);
    if (r < 0)
        return r;
    *ret_body = json_loadb(body, length, 0, NULL);
    return *ret_body ? r : -EBADMSG;
}

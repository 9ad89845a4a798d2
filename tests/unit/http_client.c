/* SPDX-License-Identifier: Apache-2.0 */
#include "http_client.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/clock.h"

#define READ_BYTES 65536

void reply_deinit(struct reply *reply)
{
    free(reply->bytes);
    *reply = (struct reply){ 0 };
}

int try_dial(struct http_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(http_server_port(server)),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -1 : TAKE_FD(fd);
}

int dial(struct http_server *server)
{
    int fd = try_dial(server);

    assert_return_code(fd, errno);
    return fd;
}

void push(int fd, const void *data, size_t length)
{
    const char *p = data;

    while (length) {
        ssize_t n = send(fd, p, length, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        p += n;
        length -= (size_t)n;
    }
}

void push_text(int fd, const char *text)
{
    push(fd, text, strlen(text));
}

const char *header(const struct reply *reply, const char *name)
{
    static _Thread_local char value[512];
    size_t length = strlen(name);

    for (const char *line = reply->headers; line && *line; line = strstr(line, "\r\n"), line = line ? line + 2 : NULL)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 1 + strspn(line + length + 1, " ");

            snprintf(value, sizeof(value), "%.*s", (int)strcspn(start, "\r\n"), start);
            return value;
        }
    return NULL;
}

int count_header(const struct reply *reply, const char *name)
{
    size_t length = strlen(name);
    int n = 0;

    for (const char *line = reply->headers; line; line = strstr(line, "\r\n"), line = line ? line + 2 : NULL)
        n += strncasecmp(line, name, length) == 0 && line[length] == ':';
    return n;
}

/* Joins the chunks in place. Returns true if the last one is there. */
static bool join_chunks(struct reply *reply, char *end)
{
    char *from = reply->body, *to = reply->body;

    for (;;) {
        char *line_end = memmem(from, (size_t)(end - from), "\r\n", 2);
        size_t size;

        if (!line_end)
            return false;
        size = strtoul(from, NULL, 16);
        from = line_end + 2;
        if (size == 0) {
            reply->body_length = (size_t)(to - reply->body);
            return true;
        }
        if ((size_t)(end - from) < size + 2)
            return false;
        memmove(to, from, size);
        to += size;
        from += size + 2;
    }
}

/* Looks whether the bytes so far are a whole response. */
static bool parse(struct reply *reply, bool eof, bool head)
{
    size_t head_length =
        reply->length < READ_BYTES ? reply->length : READ_BYTES; /* or each look would be at all of it */
    char *end = memmem(reply->bytes, head_length, "\r\n\r\n", 4);
    const char *value;

    if (!end || strncmp(reply->bytes, "HTTP/1.", 7) != 0)
        return false;
    reply->status = atoi(reply->bytes + 9);
    if (reply->status == 100) {
        size_t skip = (size_t)(end + 4 - reply->bytes);

        memmove(reply->bytes, end + 4, reply->length - skip + 1);
        reply->length -= skip;
        return parse(reply, eof, head);
    }
    reply->body = end + 4;
    reply->body_length = reply->length - (size_t)(reply->body - reply->bytes);
    end[0] = '\0';
    reply->headers = strstr(reply->bytes, "\r\n") ? strstr(reply->bytes, "\r\n") + 2 : end;
    value = header(reply, "Content-Length");
    if (head)
        reply->complete = true;
    else if (value)
        reply->complete = reply->body_length >= strtoul(value, NULL, 10);
    else if (header(reply, "Transfer-Encoding")) {
        char *copy_end = reply->bytes + reply->length;

        /* joining spoils the bytes, so only once all are there */
        if (reply->length >= 5 && memcmp(copy_end - 5, "0\r\n\r\n", 5) == 0)
            reply->complete = join_chunks(reply, copy_end);
    } else
        reply->complete = eof;
    if (!reply->complete)
        end[0] = '\r';
    return reply->complete;
}

struct reply read_reply_within(int fd, bool head, int timeout_ms)
{
    struct reply reply = { .bytes = malloc(READ_BYTES + 1) };
    size_t room = READ_BYTES;
    bool eof = false;

    reply.bytes[0] = '\0';
    while (!parse(&reply, eof, head) && !eof) {
        struct pollfd polled = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (poll(&polled, 1, timeout_ms) <= 0)
            break;
        if (room - reply.length < READ_BYTES) {
            room *= 2; /* a sanitizer's realloc() copies every time */
            reply.bytes = realloc(reply.bytes, room + 1);
        }
        n = recv(fd, reply.bytes + reply.length, READ_BYTES, 0);
        eof = n <= 0;
        reply.length += n > 0 ? (size_t)n : 0;
        reply.bytes[reply.length] = '\0';
    }
    return reply;
}

struct reply read_reply(int fd)
{
    return read_reply_within(fd, false, 30000);
}

struct reply ask_bytes(struct http_server *server, const void *data, size_t length)
{
    CLEANUP_CLOSE int fd = dial(server);

    push(fd, data, length);
    return read_reply(fd);
}

struct reply ask(struct http_server *server, const char *text)
{
    return ask_bytes(server, text, strlen(text));
}

void push_chunk(int fd, const char *data, size_t length)
{
    char size[16];

    snprintf(size, sizeof(size), "%zx\r\n", length);
    push_text(fd, size);
    push(fd, data, length);
    push_text(fd, "\r\n");
}

static const char *const security_headers[][2] = {
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "X-XSS-Protection", "1; mode=block" },
    { "Strict-Transport-Security", "max-age=31536000; includeSubDomains" },
    { "Content-Security-Policy", "default-src 'self'" },
    { "Referrer-Policy", "strict-origin-when-cross-origin" },
    { "Permissions-Policy", "geolocation=(), microphone=(), camera=()" },
};

void check_security_headers(const struct reply *reply)
{
    for (size_t i = 0; i < ARRAY_SIZE(security_headers); i++) {
        assert_int_equal(count_header(reply, security_headers[i][0]), 1);
        assert_string_equal(header(reply, security_headers[i][0]), security_headers[i][1]);
    }
}

void check_error(const struct reply *reply, const char *text)
{
    json_t *json = json_loadb(reply->body, reply->body_length, 0, NULL);
    static const char *const keys[] = { "error", "error_type", "details", "request_id", "timestamp" };

    assert_non_null(json);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_true(json_is_real(json_object_get(json, "timestamp")));
    assert_int_equal(json_string_length(json_object_get(json, "request_id")), 21);
    assert_string_equal(json_string_value(json_object_get(json, "error")), text);
    assert_string_equal(header(reply, "Content-Type"), "application/json");
    json_decref(json);
}

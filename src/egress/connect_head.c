/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/connect_head.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"

#define HEADERS_MAX 64

/* A piece of the head. */
struct span {
    const char *data;
    size_t length;
};

static bool is_token(struct span span)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < span.length; i++) {
        char c = span.data[i];

        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c && strchr(others, c))))
            return false;
    }
    return span.length > 0;
}

static bool equals(struct span span, const char *text)
{
    return strlen(text) == span.length && memcmp(span.data, text, span.length) == 0;
}

static bool equals_any_case(struct span span, const char *text)
{
    return strlen(text) == span.length && strncasecmp(span.data, text, span.length) == 0;
}

/* Takes what stands before the separator off the front of rest. */
static bool take(struct span *rest, char separator, struct span *ret_span)
{
    const char *place = memchr(rest->data, separator, rest->length);

    if (!place)
        return false;
    *ret_span = (struct span){ rest->data, (size_t)(place - rest->data) };
    rest->length -= ret_span->length + 1;
    rest->data = place + 1;
    return true;
}

/* Printable ASCII, tabs, and line ends that come in pairs. The last byte may be the first half of one. */
static bool is_clean(const char *data, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)data[i];

        if (c == '\r' ? i + 1 < length && data[i + 1] != '\n' : c == '\n' && (i == 0 || data[i - 1] != '\r'))
            return false;
        if ((c < ' ' && c != '\r' && c != '\n' && c != '\t') || c > '~')
            return false;
    }
    return true;
}

static int parse_request_line(struct span line, struct connect_target *target)
{
    struct span method, authority, version;
    const char *colon;
    size_t host_length;

    if (!take(&line, ' ', &method) || !take(&line, ' ', &authority) || !is_token(method))
        return CONNECT_E_BAD;
    version = line;
    if (!equals(version, "HTTP/1.1") && !equals(version, "HTTP/1.0") && !equals(version, "HTTP/2.0"))
        return CONNECT_E_BAD;
    if (!equals(method, "CONNECT"))
        return CONNECT_E_METHOD;
    colon = memchr(authority.data, ':', authority.length);
    host_length = colon ? (size_t)(colon - authority.data) : 0;
    if (!colon || equals(version, "HTTP/2.0") || !host_name_parse(authority.data, host_length, target->host) ||
        !host_port_parse(colon + 1, authority.length - host_length - 1, &target->port))
        return CONNECT_E_BAD;
    return 0;
}

/* A body behind a CONNECT is what request smuggling is made of. */
static bool is_harmless_field(struct span line)
{
    static const char *const refused[] = { "Transfer-Encoding", "Content-Length", "Upgrade" };
    struct span name;

    if (!take(&line, ':', &name) || !is_token(name))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
        if (equals_any_case(name, refused[i]))
            return false;
    return true;
}

/* The next line of the head, which holds only whole lines. */
static struct span next_line(struct span *rest)
{
    struct span line = { rest->data, 0 };

    take(rest, '\n', &line);
    line.length -= line.length > 0; /* its '\r' */
    return line;
}

int connect_head_parse(const char *data, size_t length, struct connect_target *ret_target, size_t *ret_head_length)
{
    size_t most = length < CONNECT_HEAD_MAX_BYTES ? length : CONNECT_HEAD_MAX_BYTES;
    const char *end = memmem(data, most, "\r\n\r\n", 4);
    struct connect_target target;
    struct span rest, line;
    int r;

    if (!end) /* only what can still become a head is waited for */
        return most == CONNECT_HEAD_MAX_BYTES || !is_clean(data, most) ? CONNECT_E_BAD : CONNECT_E_MORE;
    rest = (struct span){ data, (size_t)(end - data) + 2 };
    if (!is_clean(rest.data, rest.length))
        return CONNECT_E_BAD;
    r = parse_request_line(next_line(&rest), &target);
    if (r != 0)
        return r;
    for (int n = 0; rest.length > 0; n++) {
        line = next_line(&rest);
        if (n == HEADERS_MAX || !is_harmless_field(line))
            return CONNECT_E_BAD;
    }
    *ret_target = target;
    *ret_head_length = (size_t)(end - data) + 4;
    return 0;
}

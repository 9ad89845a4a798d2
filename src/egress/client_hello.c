/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/client_hello.h"

#include <stdbool.h>
#include <string.h>

#define RECORD_HANDSHAKE   22
#define RECORD_HEAD        5
#define RECORD_MAX_BYTES   16384
#define MESSAGE_HELLO      1
#define MESSAGE_HEAD       4
#define VERSION_AND_RANDOM 34

/* Extensions. The two last hide the name that counts in an encrypted part. */
#define SERVER_NAME      0
#define ECH              0xfe0d
#define ESNI             0xffce
#define NAME_OF_HOST     0
#define SESSION_ID_BYTES 32

/* What is left to read of a message; every access is checked. */
struct bytes {
    const uint8_t *data;
    size_t left;
};

static bool skip(struct bytes *bytes, size_t n)
{
    if (bytes->left < n)
        return false;
    bytes->data += n;
    bytes->left -= n;
    return true;
}

/* A number of size bytes. */
static bool take_number(struct bytes *bytes, size_t size, size_t *ret_number)
{
    const uint8_t *data = bytes->data;
    size_t number = 0;

    if (!skip(bytes, size))
        return false;
    for (size_t i = 0; i < size; i++)
        number = number << 8 | data[i];
    *ret_number = number;
    return true;
}

/* A vector whose length stands before it in size bytes. */
static bool take_vector(struct bytes *bytes, size_t size, struct bytes *ret_vector)
{
    const uint8_t *data;
    size_t length;

    if (!take_number(bytes, size, &length))
        return false;
    data = bytes->data;
    if (!skip(bytes, length))
        return false;
    *ret_vector = (struct bytes){ data, length };
    return true;
}

/* Puts the message together from its records. Returns 0 or an outcome. */
static int collect(const uint8_t *data, size_t length, uint8_t message[static CLIENT_HELLO_MAX_BYTES],
                   size_t *ret_length)
{
    struct bytes rest = { data, length };
    size_t have = 0, need = MESSAGE_HEAD;

    while (have < need) {
        const uint8_t *head = rest.data;
        size_t size;

        if ((rest.left > 0 && head[0] != RECORD_HANDSHAKE) || (rest.left > 1 && head[1] != 3))
            return CLIENT_HELLO_E_BAD;
        if (!skip(&rest, RECORD_HEAD))
            return CLIENT_HELLO_E_MORE;
        size = (size_t)head[3] << 8 | head[4];
        if (size == 0 || size > RECORD_MAX_BYTES || have + size > CLIENT_HELLO_MAX_BYTES)
            return CLIENT_HELLO_E_BAD;
        if (!skip(&rest, size))
            return CLIENT_HELLO_E_MORE;
        memcpy(message + have, head + RECORD_HEAD, size);
        have += size;
        if (have >= MESSAGE_HEAD)
            need = MESSAGE_HEAD + ((size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3]);
        if (message[0] != MESSAGE_HELLO || need > CLIENT_HELLO_MAX_BYTES)
            return CLIENT_HELLO_E_BAD;
    }
    *ret_length = need;
    return 0;
}

/* One name, and nothing beside it. */
static int read_name(struct bytes extension, char ret_name[static HOST_NAME_SIZE])
{
    struct bytes list, name;
    size_t type;

    if (!take_vector(&extension, 2, &list) || extension.left > 0 || !take_number(&list, 1, &type) ||
        type != NAME_OF_HOST || !take_vector(&list, 2, &name) || list.left > 0 ||
        !host_name_parse((const char *)name.data, name.left, ret_name))
        return CLIENT_HELLO_E_BAD;
    return 0;
}

static int read_extensions(struct bytes extensions, char ret_name[static HOST_NAME_SIZE])
{
    bool named = false;

    while (extensions.left > 0) {
        struct bytes extension;
        size_t type;

        if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &extension))
            return CLIENT_HELLO_E_BAD;
        if (type == ECH || type == ESNI)
            return CLIENT_HELLO_E_NONE;
        if (type != SERVER_NAME)
            continue;
        if (named || read_name(extension, ret_name) != 0)
            return CLIENT_HELLO_E_BAD;
        named = true;
    }
    return named ? 0 : CLIENT_HELLO_E_NONE;
}

int client_hello_parse(const uint8_t *data, size_t length, char ret_name[static HOST_NAME_SIZE])
{
    uint8_t message[CLIENT_HELLO_MAX_BYTES];
    struct bytes rest, session, suites, compressions, extensions;
    size_t message_length;
    int r = collect(data, length, message, &message_length);

    if (r != 0)
        return r;
    rest = (struct bytes){ message + MESSAGE_HEAD, message_length - MESSAGE_HEAD };
    if (!skip(&rest, VERSION_AND_RANDOM) || !take_vector(&rest, 1, &session) || session.left > SESSION_ID_BYTES ||
        !take_vector(&rest, 2, &suites) || suites.left < 2 || !take_vector(&rest, 1, &compressions) ||
        compressions.left < 1)
        return CLIENT_HELLO_E_BAD;
    if (rest.left == 0)
        return CLIENT_HELLO_E_NONE;
    if (!take_vector(&rest, 2, &extensions) || rest.left > 0)
        return CLIENT_HELLO_E_BAD;
    return read_extensions(extensions, ret_name);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "http/address.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

static void from_ipv4(const void *bytes, struct address *ret_address)
{
    memcpy(ret_address->bytes, mapped_prefix, sizeof(mapped_prefix));
    memcpy(ret_address->bytes + 12, bytes, 4);
}

static bool is_ipv4(const struct address *address)
{
    return memcmp(address->bytes, mapped_prefix, sizeof(mapped_prefix)) == 0;
}

static bool parse_exact(const char *text, struct address *ret_address)
{
    uint8_t v4[4];

    if (inet_pton(AF_INET, text, v4) == 1) {
        from_ipv4(v4, ret_address);
        return true;
    }
    return inet_pton(AF_INET6, text, ret_address->bytes) == 1;
}

bool address_parse(const char *text, size_t length, struct address *ret_address)
{
    char copy[ADDRESS_TEXT_SIZE + 8], *start = copy, *end;

    while (length && isspace((unsigned char)text[0]))
        text++, length--;
    while (length && isspace((unsigned char)text[length - 1]))
        length--;
    if (length == 0 || length >= sizeof(copy))
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    if (copy[0] == '[') {
        start++;
        end = strchr(copy, ']');
        if (!end || (end[1] != '\0' && end[1] != ':'))
            return false;
        *end = '\0';
    } else if ((end = strchr(copy, ':')) && end == strrchr(copy, ':'))
        *end = '\0'; /* a single colon is a port: IPv6 has two */
    return parse_exact(start, ret_address);
}

bool address_from_socket(const struct sockaddr *socket, struct address *ret_address)
{
    if (socket->sa_family == AF_INET)
        from_ipv4(&((const struct sockaddr_in *)socket)->sin_addr, ret_address);
    else if (socket->sa_family == AF_INET6)
        memcpy(ret_address->bytes, &((const struct sockaddr_in6 *)socket)->sin6_addr, 16);
    else
        return false;
    return true;
}

void address_format(const struct address *address, char ret_text[static ADDRESS_TEXT_SIZE])
{
    if (is_ipv4(address))
        inet_ntop(AF_INET, address->bytes + 12, ret_text, ADDRESS_TEXT_SIZE);
    else
        inet_ntop(AF_INET6, address->bytes, ret_text, ADDRESS_TEXT_SIZE);
}

bool address_block_parse(const char *text, struct address_block *ret_block)
{
    size_t length = strcspn(text, "/");
    unsigned width;
    char *end;
    long bits;

    if (!address_parse(text, length, &ret_block->address))
        return false;
    width = is_ipv4(&ret_block->address) ? 32 : 128;
    ret_block->prefix_bits = 128;
    if (text[length] == '\0')
        return true;
    bits = strtol(text + length + 1, &end, 10);
    if (!isdigit((unsigned char)text[length + 1]) || end[strspn(end, " \t")] != '\0' || bits > (long)width)
        return false;
    ret_block->prefix_bits = (unsigned)bits + 128 - width;
    return true;
}

bool address_block_has(const struct address_block *block, const struct address *address)
{
    unsigned whole = block->prefix_bits / 8, rest = block->prefix_bits % 8;
    uint8_t mask = (uint8_t)(0xff00 >> rest);

    if (memcmp(block->address.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((block->address.bytes[whole] ^ address->bytes[whole]) & mask) == 0;
}

struct address address_of_client(const struct address *peer, const struct address_block *trusted, size_t n_trusted,
                                 const char *forwarded_for, const char *real_ip)
{
    struct address client;
    bool honoured = false;

    for (size_t i = 0; i < n_trusted; i++)
        honoured |= address_block_has(&trusted[i], peer);
    if (honoured && forwarded_for && address_parse(forwarded_for, strcspn(forwarded_for, ","), &client))
        return client;
    if (honoured && real_ip && address_parse(real_ip, strlen(real_ip), &client))
        return client;
    return *peer;
}

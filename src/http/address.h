/* SPDX-License-Identifier: Apache-2.0 */
/* address.h -- network addresses, blocks of them, and whom a request came from (http-api.md 4.7). */
#pragma once

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_SIZE 46 /* INET6_ADDRSTRLEN */

/* IPv4 is held as IPv4-mapped IPv6, so that one comparison serves both. */
struct address {
    uint8_t bytes[16];
};

struct address_block {
    struct address address;
    unsigned prefix_bits; /* of the 128 */
};

/* Reads a numeric address, also "[v6]", "v4:port" and "[v6]:port". Returns false if it is none. */
bool address_parse(const char *text, size_t length, struct address *ret_address);
bool address_from_socket(const struct sockaddr *socket, struct address *ret_address);
void address_format(const struct address *address, char ret_text[static ADDRESS_TEXT_SIZE]);

/* Reads "10.0.0.0/8" or a single address. Returns false if it is neither. */
bool address_block_parse(const char *text, struct address_block *ret_block);
bool address_block_has(const struct address_block *block, const struct address *address);

/* The client behind peer: the first entry of X-Forwarded-For, else X-Real-IP (each NULL = absent), if peer lies in one
 * of the blocks and the value is an address; else peer itself. */
struct address address_of_client(const struct address *peer, const struct address_block *trusted, size_t n_trusted,
                                 const char *forwarded_for, const char *real_ip);

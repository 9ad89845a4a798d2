/* SPDX-License-Identifier: Apache-2.0 */
/* client_hello.h -- the name that a TLS client asks for, from the first bytes that it sends. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "egress/host_name.h"

#define CLIENT_HELLO_MAX_BYTES 16384 /* of the message; with the heads of its records it may be some more */

enum client_hello_outcome {
    CLIENT_HELLO_E_MORE = 1, /* not complete */
    CLIENT_HELLO_E_NONE = 2, /* it names no server, or hides the name (ECH) */
    CLIENT_HELLO_E_BAD = 3,  /* no ClientHello of TLS */
};

/* Reads the message that data begins with, however it is cut into records. Returns 0 and the name in the spelling of
 * host_name_parse(), or an outcome. */
int client_hello_parse(const uint8_t *data, size_t length, char ret_name[static HOST_NAME_SIZE]);

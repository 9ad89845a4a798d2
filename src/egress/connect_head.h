/* SPDX-License-Identifier: Apache-2.0 */
/* connect_head.h -- the head of a CONNECT request, which a hostile program wrote.
 *
 * The target is read once, from the request line, into the one value by which the proxy decides, looks up and dials.
 * Nothing of the head is passed on, so header fields have no say; those that announce a body are refused. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "egress/host_name.h"

#define CONNECT_HEAD_MAX_BYTES 8192

struct connect_target {
    char host[HOST_NAME_SIZE];
    uint16_t port;
};

enum connect_outcome {
    CONNECT_E_MORE = 1,   /* the head is not complete */
    CONNECT_E_BAD = 2,    /* no HTTP/1.x, or no target: 400 */
    CONNECT_E_METHOD = 3, /* another method: 405 */
};

/* Reads the head that data begins with. Returns 0, the target, and the length of the head, behind which the tunnel's
 * bytes begin; or an outcome. */
int connect_head_parse(const char *data, size_t length, struct connect_target *ret_target, size_t *ret_head_length);

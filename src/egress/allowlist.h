/* SPDX-License-Identifier: Apache-2.0 */
/* allowlist.h -- the hosts that the proxy lets programs through to: exactly these, no parts of names. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "egress/host_name.h"

#define ALLOWLIST_MAX          256
#define ALLOWLIST_DEFAULT_PORT 443

struct allowlist_entry {
    char host[HOST_NAME_SIZE];
    uint16_t port;
};

struct allowlist {
    struct allowlist_entry entries[ALLOWLIST_MAX];
    size_t n;
};

/* Reads a comma list of "host" and "host:port". Returns 0, or -EINVAL for an entry that is neither, or if there are
 * more than ALLOWLIST_MAX. */
int allowlist_parse(const char *text, struct allowlist *ret_list);

/* host is in the one spelling of host_name_parse(). */
bool allowlist_has(const struct allowlist *list, const char *host, uint16_t port);

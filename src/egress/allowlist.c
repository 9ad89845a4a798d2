/* SPDX-License-Identifier: Apache-2.0 */
#include "egress/allowlist.h"

#include <errno.h>
#include <string.h>

#define BETWEEN " \t,"

static bool parse_entry(const char *text, size_t length, struct allowlist_entry *entry)
{
    const char *colon = memchr(text, ':', length);
    size_t host_length = colon ? (size_t)(colon - text) : length;

    entry->port = ALLOWLIST_DEFAULT_PORT;
    if (colon && !host_port_parse(colon + 1, length - host_length - 1, &entry->port))
        return false;
    return host_name_parse(text, host_length, entry->host);
}

int allowlist_parse(const char *text, struct allowlist *ret_list)
{
    ret_list->n = 0;
    for (const char *start = text + strspn(text, BETWEEN); *start; start += strspn(start, BETWEEN)) {
        size_t length = strcspn(start, BETWEEN);

        if (ret_list->n == ALLOWLIST_MAX || !parse_entry(start, length, &ret_list->entries[ret_list->n]))
            return -EINVAL;
        ret_list->n++;
        start += length;
    }
    return 0;
}

bool allowlist_has(const struct allowlist *list, const char *host, uint16_t port)
{
    for (size_t i = 0; i < list->n; i++)
        if (list->entries[i].port == port && strcmp(list->entries[i].host, host) == 0)
            return true;
    return false;
}

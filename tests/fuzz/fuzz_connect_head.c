/* SPDX-License-Identifier: Apache-2.0 */
/* The head of a request to the proxy. What is taken has one spelling that reads as itself; a head that is complete
 * stays what it is whatever comes behind it; one that was refused cannot become good. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "egress/connect_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_target(const struct connect_target *target)
{
    char again[HOST_NAME_SIZE];

    require(target->port > 0 && host_name_parse(target->host, strlen(target->host), again));
    require(strcmp(target->host, again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    struct connect_target whole = { 0 }, part = { 0 };
    size_t whole_length = 0, part_length = 0;
    int r = connect_head_parse(text, size, &whole, &whole_length);

    if (r == 0)
        check_target(&whole);
    for (size_t n = 0; n < size; n += 1 + size / 16) {
        int s = connect_head_parse(text, n, &part, &part_length);

        require(s == CONNECT_E_MORE || s == r);
        if (s == 0)
            require(part_length == whole_length && part.port == whole.port && strcmp(part.host, whole.host) == 0);
    }
    return 0;
}

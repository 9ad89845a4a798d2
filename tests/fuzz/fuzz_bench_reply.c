/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP answer. A head lies within its bytes, and joined chunks are never longer than what they were joined from. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "main/ask/caller_reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct caller_reply reply;
    size_t joined = 0;
    char *body;

    if (caller_reply_head((const char *)data, size, &reply) != 0)
        return 0;
    require(reply.head_bytes <= size);
    require(reply.status >= 0 && reply.status <= 999);
    require(!reply.chunked || reply.body_bytes == 0);
    size -= reply.head_bytes;
    body = malloc(size ? size : 1);
    require(body != NULL);
    memcpy(body, data + reply.head_bytes, size);
    if (caller_reply_join(body, size, &joined) == 0)
        require(joined <= size);
    else
        require(memcmp(body, data + reply.head_bytes, size) == 0);
    free(body);
    return 0;
}

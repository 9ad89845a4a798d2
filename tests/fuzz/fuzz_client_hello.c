/* SPDX-License-Identifier: Apache-2.0 */
/* The first bytes of a tunnel. However many of them have come, the name is the same or is still waited for; and it does
 * not depend on how the message is cut into records. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "egress/client_hello.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool condition)
{
    if (!condition)
        abort();
}

/* The same message in records of step bytes. */
static size_t cut(const uint8_t *message, size_t length, size_t step, uint8_t *out)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i += step) {
        size_t n = length - i < step ? length - i : step;

        out[used++] = 22;
        out[used++] = 3;
        out[used++] = 1;
        out[used++] = (uint8_t)(n >> 8);
        out[used++] = (uint8_t)n;
        memcpy(out + used, message + i, n);
        used += n;
    }
    return used;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char whole[HOST_NAME_SIZE] = "", part[HOST_NAME_SIZE] = "";
    static uint8_t again[6 * CLIENT_HELLO_MAX_BYTES + 64];
    int r = client_hello_parse(data, size, whole);
    size_t message_length = size > 8 ? (size_t)data[6] << 16 | (size_t)data[7] << 8 | data[8] : 0;

    for (size_t n = 0; n < size; n += 1 + size / 16) {
        int s = client_hello_parse(data, n, part);

        require(s == CLIENT_HELLO_E_MORE || (s == r && (s != 0 || strcmp(part, whole) == 0)));
    }
    if (r == 0 && message_length + 9 <= size && message_length + 4 <= (size_t)(data[3] << 8 | data[4])) {
        size_t n = cut(data + 5, message_length + 4, 1 + size % 7, again);

        require(client_hello_parse(again, n, part) == 0 && strcmp(part, whole) == 0);
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/id.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";

void id_generate(char ret_id[static ID_SIZE])
{
    unsigned char bytes[ID_LENGTH];

    /* Up to 256 bytes are never interrupted nor short (random(4)). */
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        abort();
    for (int i = 0; i < ID_LENGTH; i++)
        ret_id[i] = alphabet[bytes[i] & 63];
    ret_id[ID_LENGTH] = '\0';
}

bool id_is_ours(const char *text)
{
    return strlen(text) == ID_LENGTH &&
           strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == ID_LENGTH;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "store/digest.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define READ_SIZE (64 * 1024)

void digest_init(struct digest *digest)
{
    sha256_init(&digest->context);
}

void digest_update(struct digest *digest, const void *data, size_t size)
{
    if (size)
        sha256_update(&digest->context, size, data);
}

void digest_finish(struct digest *digest, uint8_t ret_raw[static DIGEST_RAW_SIZE])
{
    sha256_digest(&digest->context, DIGEST_RAW_SIZE, ret_raw);
}

void digest_finish_hex(struct digest *digest, char ret_hex[static DIGEST_HEX_SIZE])
{
    uint8_t raw[DIGEST_RAW_SIZE];

    digest_finish(digest, raw);
    digest_to_hex(raw, ret_hex);
}

void digest_to_hex(const uint8_t raw[static DIGEST_RAW_SIZE], char ret_hex[static DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";

    for (int i = 0; i < DIGEST_RAW_SIZE; i++) {
        ret_hex[2 * i] = digits[raw[i] >> 4];
        ret_hex[2 * i + 1] = digits[raw[i] & 15];
    }
    ret_hex[2 * DIGEST_RAW_SIZE] = '\0';
}

static uint8_t nibble(char digit)
{
    return (uint8_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

bool digest_from_hex(const char *text, uint8_t ret_raw[static DIGEST_RAW_SIZE])
{
    if (!digest_is_hex(text))
        return false;
    for (int i = 0; i < DIGEST_RAW_SIZE; i++)
        ret_raw[i] = (uint8_t)(nibble(text[2 * i]) << 4 | nibble(text[2 * i + 1]));
    return true;
}

void digest_bytes_hex(const void *data, size_t size, char ret_hex[static DIGEST_HEX_SIZE])
{
    struct digest digest;

    digest_init(&digest);
    digest_update(&digest, data, size);
    digest_finish_hex(&digest, ret_hex);
}

int digest_file_hex(int fd, char ret_hex[static DIGEST_HEX_SIZE], int64_t *ret_size_bytes)
{
    CLEANUP_FREE char *chunk = malloc(READ_SIZE);
    struct digest digest;
    int64_t offset = 0;

    if (!chunk)
        return -ENOMEM;
    digest_init(&digest);
    for (;;) {
        ssize_t n = fd_pread_full(fd, chunk, READ_SIZE, offset);

        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        digest_update(&digest, chunk, (size_t)n);
        offset += n;
    }
    digest_finish_hex(&digest, ret_hex);
    *ret_size_bytes = offset;
    return 0;
}

bool digest_is_hex(const char *text)
{
    return strlen(text) == DIGEST_HEX_SIZE - 1 && strspn(text, "0123456789abcdef") == DIGEST_HEX_SIZE - 1;
}

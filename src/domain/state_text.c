/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/state_text.h"

#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"

#define CHUNK_BYTES (48 * 1024) /* whole groups of three, so that pieces of text can be joined */

int state_text_encode(int fd, int64_t bytes_max, state_text_taker *take, void *context,
                      char ret_sha256[static DIGEST_HEX_SIZE], int64_t *ret_size_bytes)
{
    CLEANUP_FREE uint8_t *chunk = malloc(CHUNK_BYTES);
    CLEANUP_FREE char *text = malloc(BASE64_ENCODE_RAW_LENGTH(CHUNK_BYTES));
    struct digest digest;
    int64_t size = 0;
    ssize_t n;

    if (!chunk || !text)
        return -ENOMEM;
    digest_init(&digest);
    while ((n = fd_pread_full(fd, chunk, CHUNK_BYTES, size)) > 0) {
        int r;

        size += n;
        if (size > bytes_max)
            return -EFBIG;
        digest_update(&digest, chunk, (size_t)n);
        base64_encode_raw(text, (size_t)n, chunk);
        r = take(context, text, BASE64_ENCODE_RAW_LENGTH((size_t)n));
        if (r != 0)
            return r;
    }
    if (n < 0)
        return (int)n;
    digest_finish_hex(&digest, ret_sha256);
    *ret_size_bytes = size;
    return 0;
}

void state_text_decode_begin(struct state_text_decoder *decoder, struct buffer *ret_bytes)
{
    base64_decode_init(&decoder->context);
    digest_init(&decoder->digest);
    decoder->bytes = ret_bytes;
}

int state_text_decode(struct state_text_decoder *decoder, const char *text, size_t length)
{
    size_t size = BASE64_DECODE_LENGTH(length);
    uint8_t *at;
    int r = buffer_reserve(decoder->bytes, size);

    if (r < 0)
        return r;
    at = (uint8_t *)decoder->bytes->data + decoder->bytes->length;
    if (!base64_decode_update(&decoder->context, &size, at, length, text))
        return -EBADMSG;
    digest_update(&decoder->digest, at, size);
    decoder->bytes->length += size;
    decoder->bytes->data[decoder->bytes->length] = '\0';
    return 0;
}

int state_text_decode_end(struct state_text_decoder *decoder, const char *sha256)
{
    char found[DIGEST_HEX_SIZE];

    digest_finish_hex(&decoder->digest, found);
    return base64_decode_final(&decoder->context) && strcmp(found, sha256) == 0 ? 0 : -EBADMSG;
}

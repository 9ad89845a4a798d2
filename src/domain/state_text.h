/* SPDX-License-Identifier: Apache-2.0 */
/* state_text.h -- a state's bytes as base64 text and back, piece by piece, with their SHA-256. */
#pragma once

#include <nettle/base64.h>
#include <stdint.h>

#include "base/buffer.h"
#include "store/digest.h"

/* Takes a piece of text. Returns 0 or what ends the encoding and is returned by it. */
typedef int state_text_taker(void *context, const char *text, size_t length);

/* Encodes the file fd from its beginning. Returns 0, -EFBIG if it holds more than bytes_max, another negative errno, or
 * what take returned. */
int state_text_encode(int fd, int64_t bytes_max, state_text_taker *take, void *context,
                      char ret_sha256[static DIGEST_HEX_SIZE], int64_t *ret_size_bytes);

/* Begin, feed every piece of text, finish. */
struct state_text_decoder {
    struct base64_decode_ctx context;
    struct digest digest;
    struct buffer *bytes;
};

void state_text_decode_begin(struct state_text_decoder *decoder, struct buffer *ret_bytes);
/* Returns 0, -EBADMSG, or as buffer_append. */
int state_text_decode(struct state_text_decoder *decoder, const char *text, size_t length);
/* Returns 0, or -EBADMSG if the text was cut or its bytes are not those of this digest. */
int state_text_decode_end(struct state_text_decoder *decoder, const char *sha256);

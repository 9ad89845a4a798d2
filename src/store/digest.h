/* SPDX-License-Identifier: Apache-2.0 */
/* digest.h -- SHA-256, piece by piece or in one go. */
#pragma once

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DIGEST_RAW_SIZE 32
#define DIGEST_HEX_SIZE 65 /* lower-case hexadecimal digits and NUL */

struct digest {
    struct sha256_ctx context;
};

void digest_init(struct digest *digest);
void digest_update(struct digest *digest, const void *data, size_t size);

/* Ends the digest; it must be initialised again before another use. */
void digest_finish(struct digest *digest, uint8_t ret_raw[static DIGEST_RAW_SIZE]);
void digest_finish_hex(struct digest *digest, char ret_hex[static DIGEST_HEX_SIZE]);

void digest_to_hex(const uint8_t raw[static DIGEST_RAW_SIZE], char ret_hex[static DIGEST_HEX_SIZE]);

/* The reverse. Returns false if text is no such text. */
bool digest_from_hex(const char *text, uint8_t ret_raw[static DIGEST_RAW_SIZE]);

/* Digest of size bytes. */
void digest_bytes_hex(const void *data, size_t size, char ret_hex[static DIGEST_HEX_SIZE]);

/* Digest of all bytes of a regular file, from its first byte; the descriptor's offset is neither used nor moved.
 * Returns 0 or a negative errno. */
int digest_file_hex(int fd, char ret_hex[static DIGEST_HEX_SIZE], int64_t *ret_size_bytes);

/* True if text is exactly 64 lower-case hexadecimal digits: safe as a file name. */
bool digest_is_hex(const char *text);

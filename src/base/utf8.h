/* SPDX-License-Identifier: Apache-2.0 */
/* utf8.h -- which bytes are a character. */
#pragma once

#include <stddef.h>

/* Length of the well-formed UTF-8 sequence at data (1 to 4; a NUL counts as a character), or 0 if there is none within
 * size bytes. */
size_t utf8_sequence(const unsigned char *data, size_t size);

/* How many bytes at the end of data are a sequence that only lacks its last bytes: 0 to 3. */
size_t utf8_unfinished(const unsigned char *data, size_t size);

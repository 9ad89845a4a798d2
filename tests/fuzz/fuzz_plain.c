/* SPDX-License-Identifier: Apache-2.0 */
/* The source of a Python program. A program that needs no libraries still needs none when its last line is left out. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/plain.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *code = malloc(size ? size : 1); /* nothing behind it may be read */
    size_t length = size;

    if (!code)
        return 0;
    memcpy(code, data, size);
    while (length > 0 && code[length - 1] != '\n')
        length--;
    if (plain_source(code, size) && (!plain_source(code, length) || plain_names_library(code, size)))
        abort();
    free(code);
    return 0;
}

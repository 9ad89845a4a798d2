/* SPDX-License-Identifier: Apache-2.0 */
/* What a cell hands over as made by its compiler. What passes the check can be walked, and stays below its directory.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/built.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct built_reader reader;
    struct built_file file;
    unsigned char sum = 0;
    unsigned n = 0;

    if (built_check(data, size) < 0)
        return 0;
    require(built_begin(&reader, data, size) == 0);
    while (built_next(&reader, &file) > 0) {
        require(strncmp(file.path, BUILT_DIR, strlen(BUILT_DIR)) == 0);
        require(strstr(file.path, "/../") == NULL);
        for (size_t i = 0; i < file.size; i++)
            sum ^= ((const unsigned char *)file.data)[i];
        n++;
    }
    require(n > 0 && n <= BUILT_FILES_MAX);
    return sum & 0;
}

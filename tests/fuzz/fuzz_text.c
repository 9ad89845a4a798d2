/* SPDX-License-Identifier: Apache-2.0 */
/* What a program printed. First two bytes: the limit. The answer is UTF-8 without control characters, within the limit.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buffer text = BUFFER_INIT(1 << 20);
    size_t limit, length, step;
    int r;

    if (size < 2)
        return 0;
    limit = (size_t)data[0] << 8 | data[1];
    r = text_clean(&text, (const char *)data + 2, size - 2, limit);
    require(r == 0 || r == 1);
    length = text.length - (r ? strlen(TEXT_TRUNCATED) : 0);
    require(length <= limit);
    require(!r || memcmp(text.data + length, TEXT_TRUNCATED, strlen(TEXT_TRUNCATED)) == 0);
    for (size_t i = 0; i < length; i += step) {
        unsigned char c = (unsigned char)text.data[i];

        step = utf8_sequence((const unsigned char *)text.data + i, length - i);
        require(step > 0);
        require((c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r');
    }
    require(utf8_unfinished((const unsigned char *)text.data, length) == 0);
    buffer_deinit(&text);
    return 0;
}

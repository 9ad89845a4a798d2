/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/mime.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "domain/filename.h"

#define DISPOSITION_BYTES_MAX (4 * FILENAME_SIZE + 64) /* each byte of a name once plain, once as %xx */

#define OOXML "application/vnd.openxmlformats-officedocument."
#define ODF   "application/vnd.oasis.opendocument."

static const struct {
    const char *extension; /* lower case, without dot */
    const char *type;
} types[] = {
    { "txt", "text/plain" },
    { "log", "text/plain" },
    { "csv", "text/csv" },
    { "tsv", "text/tab-separated-values" },
    { "md", "text/markdown" },
    { "html", "text/html" },
    { "htm", "text/html" },
    { "css", "text/css" },
    { "js", "text/javascript" },
    { "mjs", "text/javascript" },
    { "json", "application/json" },
    { "xml", "application/xml" },
    { "yaml", "application/yaml" },
    { "yml", "application/yaml" },
    { "py", "text/x-python" },
    { "ts", "text/typescript" },
    { "c", "text/x-c" },
    { "h", "text/x-c" },
    { "sh", "application/x-sh" },
    { "sql", "application/sql" },
    { "rtf", "application/rtf" },
    { "doc", "application/msword" },
    { "ppt", "application/vnd.ms-powerpoint" },
    { "xls", "application/vnd.ms-excel" },
    { "docx", OOXML "wordprocessingml.document" },
    { "xlsx", OOXML "spreadsheetml.sheet" },
    { "pptx", OOXML "presentationml.presentation" },
    { "odt", ODF "text" },
    { "ods", ODF "spreadsheet" },
    { "odp", ODF "presentation" },
    { "png", "image/png" },
    { "jpg", "image/jpeg" },
    { "jpeg", "image/jpeg" },
    { "gif", "image/gif" },
    { "svg", "image/svg+xml" },
    { "webp", "image/webp" },
    { "bmp", "image/bmp" },
    { "ico", "image/vnd.microsoft.icon" },
    { "tif", "image/tiff" },
    { "tiff", "image/tiff" },
    { "pdf", "application/pdf" },
    { "zip", "application/zip" },
    { "gz", "application/gzip" },
    { "tar", "application/x-tar" },
    { "mp3", "audio/mpeg" },
    { "wav", "audio/wav" },
    { "mp4", "video/mp4" },
    { "parquet", "application/vnd.apache.parquet" },
    { "ipynb", "application/x-ipynb+json" },
};

const char *mime_guess(const char *name)
{
    const char *extension = filename_extension(name);

    for (unsigned i = 0; extension[0] && i < ARRAY_SIZE(types); i++) {
        if (strcasecmp(extension + 1, types[i].extension) == 0)
            return types[i].type;
    }
    return MIME_DEFAULT;
}

static bool is_plain(ucs4_t character)
{
    return character < 0x80 && character != 0 &&
           strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz._-", (int)character);
}

/* The letter under the diacritics of a character, '_' if it is no ASCII letter. */
static char plain_letter(ucs4_t character)
{
    ucs4_t parts[UC_DECOMPOSITION_MAX_LENGTH];

    while (character >= 0x80 && uc_canonical_decomposition(character, parts) > 0)
        character = parts[0];
    return is_plain(character) ? (char)character : '_';
}

/* Appends the ASCII form of a name: diacritics are lost, what is not A-Za-z0-9._- becomes '_'. */
static int append_plain(struct buffer *buffer, const char *text)
{
    const uint8_t *at = (const uint8_t *)text;
    size_t left = strlen(text), start = buffer->length;
    int r = 0;

    while (left > 0 && r == 0) {
        ucs4_t character;
        int used = u8_mbtouc(&character, at, left);
        bool mark = character >= 0x80 && uc_is_general_category(character, UC_NON_SPACING_MARK);

        /* A mark that has no composed form belongs to the letter before it. */
        if (!mark || buffer->length == start)
            r = buffer_append(buffer, &(char){ plain_letter(character) }, 1);
        at += used;
        left -= (size_t)used;
    }
    return r < 0 || buffer->length > start ? r : buffer_append(buffer, "download", 8);
}

static int append_percent_encoded(struct buffer *buffer, const char *text)
{
    static const char digits[] = "0123456789ABCDEF";
    int r = 0;

    for (; *text && r == 0; text++) {
        unsigned char c = (unsigned char)*text;

        if (is_plain(c) || c == '~')
            r = buffer_append(buffer, text, 1);
        else
            r = buffer_append(buffer, (char[]){ '%', digits[c >> 4], digits[c & 15] }, 3);
    }
    return r;
}

char *mime_content_disposition(const char *stored_name)
{
    static const char head[] = "attachment; filename=\"", middle[] = "\"; filename*=UTF-8''";
    CLEANUP(buffer_deinit) struct buffer value = BUFFER_INIT(DISPOSITION_BYTES_MAX);
    const char *base = filename_base(stored_name);
    int r = buffer_append(&value, head, sizeof(head) - 1);

    if (r == 0)
        r = append_plain(&value, base);
    if (r == 0)
        r = buffer_append(&value, middle, sizeof(middle) - 1);
    if (r == 0)
        r = append_percent_encoded(&value, base[0] ? base : "download");
    return r == 0 ? TAKE_PTR(value.data) : NULL;
}

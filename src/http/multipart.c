/* SPDX-License-Identifier: Apache-2.0 */
/* The reader is a state machine over the bytes as they arrive. A delimiter is CR LF -- boundary; since a boundary holds
 * no CR, a partial match that fails can only start again at the byte that failed, and the bytes matched so far are data
 * that need no copy: they are a prefix of the delimiter itself. */
#include "http/multipart.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buffer.h"
#include "base/cleanup.h"
#include "http/text.h"

enum state {
    STATE_FIRST_LINE, /* the boundary is still to be learnt */
    STATE_PREAMBLE,
    STATE_DATA,
    STATE_DELIMITED, /* behind a delimiter: CR LF opens a part, -- ends the body */
    STATE_HEADERS,
    STATE_EPILOGUE,
};

struct multipart {
    const struct http_upload *upload;
    void *context;
    enum state state;
    char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1];
    size_t delimiter_length;
    size_t matched;     /* bytes of the delimiter seen so far */
    struct buffer line; /* first line, rest of a delimiter line, or the headers of a part */
    unsigned n_parts;
    bool fed;
};

static bool boundary_is_sound(const char *boundary, size_t length)
{
    if (length == 0 || length > MULTIPART_BOUNDARY_MAX)
        return false;
    for (size_t i = 0; i < length; i++)
        if (!isprint((unsigned char)boundary[i]))
            return false;
    return true;
}

size_t multipart_boundary(const char *content_type, const char **ret_boundary)
{
    const char *p = content_type;
    size_t length;

    while ((p = strcasestr(p, "boundary="))) {
        bool starts_parameter = p > content_type && strchr(";, \t", p[-1]);

        p += strlen("boundary=");
        if (starts_parameter)
            break;
    }
    if (!p)
        return 0;
    if (*p == '"')
        length = strcspn(++p, "\"");
    else
        length = strcspn(p, ";, \t");
    *ret_boundary = p;
    return length;
}

static void set_boundary(struct multipart *reader, const char *boundary, size_t length)
{
    memcpy(reader->delimiter, "\r\n--", 4);
    memcpy(reader->delimiter + 4, boundary, length);
    reader->delimiter_length = length + 4;
}

int multipart_new(const char *boundary, size_t boundary_length, const struct http_upload *upload, void *context,
                  struct multipart **ret_reader)
{
    struct multipart *reader;

    if (boundary_length && !boundary_is_sound(boundary, boundary_length))
        return MULTIPART_E_MALFORMED;
    reader = calloc(1, sizeof(*reader));
    if (!reader)
        return -ENOMEM;
    reader->upload = upload;
    reader->context = context;
    reader->line = BUFFER_INIT(MULTIPART_HEADER_MAX);
    if (boundary_length) {
        set_boundary(reader, boundary, boundary_length);
        reader->state = STATE_PREAMBLE;
        reader->matched = 2; /* the first delimiter has no line break before it */
    }
    *ret_reader = reader;
    return 0;
}

struct multipart *multipart_free(struct multipart *reader)
{
    if (reader)
        buffer_deinit(&reader->line);
    free(reader);
    return NULL;
}

/* What a callback returned, in the reader's words. */
static int from_callback(int r)
{
    return r > 0 ? MULTIPART_E_STOPPED : r;
}

static int emit(struct multipart *reader, const char *data, size_t length)
{
    if (length == 0 || reader->state == STATE_PREAMBLE)
        return 0;
    return from_callback(reader->upload->part_data(reader->context, data, length));
}

/* ---- the headers of a part ---- */

struct span {
    const char *data;
    size_t length;
};

static struct span trim(struct span text)
{
    while (text.length && strchr(" \t", text.data[0]))
        text.data++, text.length--;
    while (text.length && strchr(" \t", text.data[text.length - 1]))
        text.length--;
    return text;
}

static bool span_is(struct span text, const char *word)
{
    return text.length == strlen(word) && strncasecmp(text.data, word, text.length) == 0;
}

/* Takes a quoted value after its opening quote. Only \" is an escape: a backslash before anything else belongs to the
 * name and must reach the check of names. Writes to out and returns what follows the closing quote. */
static const char *take_quoted(const char *p, const char *end, char *out, size_t *ret_length)
{
    size_t used = 0;

    for (; p < end && *p != '"'; p++) {
        if (*p == '\\' && end - p > 2 && p[1] == '"')
            p++;
        out[used++] = *p;
    }
    *ret_length = used;
    return p < end ? p + 1 : end;
}

/* One parameter of Content-Disposition, still encoded. */
struct parameter {
    struct span name;
    struct span value; /* in the caller's scratch memory or in the header */
};

/* Takes the next ;name=value. Returns false at the end. */
static bool next_parameter(const char **position, const char *end, char **scratch, struct parameter *ret_parameter)
{
    const char *p = *position, *equals;

    while (p < end && strchr("; \t", *p) && *p)
        p++;
    if (p >= end)
        return false;
    for (equals = p; equals < end && *equals != '=' && *equals != ';'; equals++)
        ;
    ret_parameter->name = trim((struct span){ p, (size_t)(equals - p) });
    ret_parameter->value = (struct span){ "", 0 };
    if (equals < end && *equals == '=') {
        p = equals + 1;
        if (p < end && *p == '"') {
            ret_parameter->value.data = *scratch;
            p = take_quoted(p + 1, end, *scratch, &ret_parameter->value.length);
            *scratch += ret_parameter->value.length;
        } else {
            const char *stop = memchr(p, ';', (size_t)(end - p));

            stop = stop ? stop : end;
            ret_parameter->value = trim((struct span){ p, (size_t)(stop - p) });
            p = stop;
        }
    } else
        p = equals;
    *position = p;
    return true;
}

/* Undoes what browsers escape in a quoted name, and nothing else. */
static size_t undo_browser_escapes(char *text, size_t length)
{
    size_t used = 0;

    for (size_t i = 0; i < length; i++) {
        char c = text[i];

        if (c == '%' && length - i > 2) {
            struct span escape = { text + i, 3 };

            c = span_is(escape, "%22") ? '"' : span_is(escape, "%0D") ? '\r' : span_is(escape, "%0A") ? '\n' : '%';
            i += c == '%' ? 0 : 2;
        }
        text[used++] = c;
    }
    return used;
}

static char *decode_plain(struct span value, size_t *ret_length)
{
    CLEANUP_FREE char *copy = malloc(value.length + 1);

    if (!copy)
        return NULL;
    memcpy(copy, value.data, value.length);
    return text_repair_utf8(copy, undo_browser_escapes(copy, value.length), ret_length);
}

static char *latin1_to_utf8(const char *from, size_t length, size_t *ret_length)
{
    char *text = malloc(length * 2 + 1);
    size_t used = 0;

    for (size_t i = 0; text && i < length; i++) {
        unsigned char c = (unsigned char)from[i];

        if (c >= 0x80)
            text[used++] = (char)(0xc0 | c >> 6);
        text[used++] = (char)(c < 0x80 ? c : 0x80 | (c & 0x3f));
    }
    if (text)
        text[used] = '\0';
    *ret_length = used;
    return text;
}

/* Decodes charset'language'percent-encoded (RFC 8187). *ret_text stays NULL if the charset is unknown. */
static int decode_extended(struct span value, char **ret_text, size_t *ret_length)
{
    const char *end = value.data + value.length;
    const char *first = memchr(value.data, '\'', value.length);
    const char *second = first ? memchr(first + 1, '\'', (size_t)(end - first - 1)) : NULL;
    CLEANUP_FREE char *bytes = NULL;
    struct span charset;
    size_t length;

    if (!second)
        return 0;
    charset = (struct span){ value.data, (size_t)(first - value.data) };
    bytes = malloc(value.length + 1);
    if (!bytes)
        return -ENOMEM;
    length = text_percent_decode(bytes, second + 1, (size_t)(end - second - 1), false);
    if (span_is(charset, "UTF-8"))
        *ret_text = text_repair_utf8(bytes, length, ret_length);
    else if (span_is(charset, "ISO-8859-1"))
        *ret_text = latin1_to_utf8(bytes, length, ret_length);
    else
        return 0;
    return *ret_text ? 0 : -ENOMEM;
}

struct part_headers {
    char *name;
    char *filename, *extended_filename;
    size_t name_length, filename_length, extended_length;
    char *content_type;
    bool has_disposition;
};

static void part_headers_deinit(struct part_headers *headers)
{
    free(headers->name);
    free(headers->filename);
    free(headers->extended_filename);
    free(headers->content_type);
}

static int take_disposition(struct part_headers *headers, struct span value)
{
    CLEANUP_FREE char *memory = malloc(value.length + 1);
    const char *p = value.data, *end = value.data + value.length;
    struct parameter parameter;
    char *scratch = memory;
    int r = 0;

    if (!memory)
        return -ENOMEM;
    headers->has_disposition = true;
    while (p < end && *p != ';')
        p++;
    while (r == 0 && next_parameter(&p, end, &scratch, &parameter)) {
        if (span_is(parameter.name, "name") && !headers->name) {
            headers->name = decode_plain(parameter.value, &headers->name_length);
            r = headers->name ? 0 : -ENOMEM;
        } else if (span_is(parameter.name, "filename") && !headers->filename) {
            headers->filename = decode_plain(parameter.value, &headers->filename_length);
            r = headers->filename ? 0 : -ENOMEM;
        } else if (span_is(parameter.name, "filename*") && !headers->extended_filename)
            r = decode_extended(parameter.value, &headers->extended_filename, &headers->extended_length);
    }
    return r;
}

/* A type with anything but printable ASCII is treated as absent: it would be sent back as a header later. */
static int take_content_type(struct part_headers *headers, struct span value)
{
    for (size_t i = 0; i < value.length; i++)
        if (!isprint((unsigned char)value.data[i]))
            return 0;
    if (value.length == 0 || headers->content_type)
        return 0;
    headers->content_type = strndup(value.data, value.length);
    return headers->content_type ? 0 : -ENOMEM;
}

static int take_header(struct part_headers *headers, struct span line)
{
    const char *colon = memchr(line.data, ':', line.length);
    struct span name, value;

    if (!colon)
        return MULTIPART_E_MALFORMED;
    name = trim((struct span){ line.data, (size_t)(colon - line.data) });
    value = trim((struct span){ colon + 1, line.length - (size_t)(colon + 1 - line.data) });
    if (span_is(name, "Content-Disposition") && !headers->has_disposition)
        return take_disposition(headers, value);
    if (span_is(name, "Content-Type"))
        return take_content_type(headers, value);
    return 0;
}

static int parse_headers(struct part_headers *headers, const char *data, size_t length)
{
    const char *p = data, *end = data + length;
    int r = 0;

    while (r == 0 && p < end) {
        const char *stop = memmem(p, (size_t)(end - p), "\r\n", 2);

        stop = stop ? stop : end;
        r = take_header(headers, (struct span){ p, (size_t)(stop - p) });
        p = stop + 2;
    }
    return r;
}

static int begin_part(struct multipart *reader, const char *data, size_t length)
{
    CLEANUP(part_headers_deinit) struct part_headers headers = { 0 };
    struct http_part part = { 0 };
    bool extended;
    int r;

    if (++reader->n_parts > MULTIPART_PARTS_MAX)
        return MULTIPART_E_MALFORMED;
    r = parse_headers(&headers, data, length);
    if (r != 0)
        return r;
    if (headers.name && strlen(headers.name) != headers.name_length)
        return MULTIPART_E_MALFORMED;
    part.name = headers.name ? headers.name : "";
    extended = headers.extended_filename && (headers.extended_length > 0 || !headers.filename);
    part.filename = extended ? headers.extended_filename : headers.filename;
    part.filename_length = extended ? headers.extended_length : headers.filename_length;
    part.content_type = headers.content_type;
    return from_callback(reader->upload->part_begin(reader->context, &part));
}

/* ---- the states; each takes some bytes from *data and says what went wrong ---- */

/* Appends up to and including the next LF. Sets *ret_whole if it came. */
static int take_line(struct multipart *reader, const char **data, const char *end, bool *ret_whole)
{
    const char *newline = memchr(*data, '\n', (size_t)(end - *data));
    const char *stop = newline ? newline + 1 : end;
    int r = buffer_append(&reader->line, *data, (size_t)(stop - *data));

    *data = stop;
    *ret_whole = newline != NULL;
    return r == -E2BIG ? MULTIPART_E_MALFORMED : r;
}

static bool line_ends_in_crlf(const struct buffer *line)
{
    return line->length >= 2 && line->data[line->length - 2] == '\r';
}

static int on_first_line(struct multipart *reader, const char **data, const char *end)
{
    struct buffer *line = &reader->line;
    bool whole;
    int r = take_line(reader, data, end, &whole);

    if (r != 0)
        return r;
    if (!whole)
        return line->length > MULTIPART_BOUNDARY_MAX + 4 ? MULTIPART_E_MALFORMED : 0;
    if (!line_ends_in_crlf(line) || line->length < 4 || memcmp(line->data, "--", 2) != 0 ||
        !boundary_is_sound(line->data + 2, line->length - 4))
        return MULTIPART_E_MALFORMED;
    set_boundary(reader, line->data + 2, line->length - 4);
    line->length = 0;
    reader->state = STATE_HEADERS;
    return 0;
}

/* Passes data on up to the next CR that may start a delimiter. */
static int pass_data(struct multipart *reader, const char **data, const char *end)
{
    const char *cr = memchr(*data, '\r', (size_t)(end - *data));
    const char *stop = cr ? cr : end;
    int r = emit(reader, *data, (size_t)(stop - *data));

    *data = stop;
    if (cr) {
        reader->matched = 1;
        ++*data;
    }
    return r;
}

static int on_data(struct multipart *reader, const char **data, const char *end)
{
    int r = 0;

    if (reader->matched == 0)
        return pass_data(reader, data, end);
    while (*data < end && reader->matched < reader->delimiter_length && **data == reader->delimiter[reader->matched]) {
        reader->matched++;
        ++*data;
    }
    if (reader->matched == reader->delimiter_length) {
        if (reader->state == STATE_DATA)
            r = from_callback(reader->upload->part_end(reader->context));
        reader->matched = 0;
        reader->state = STATE_DELIMITED;
    } else if (*data < end) {
        size_t matched = reader->matched;

        reader->matched = 0;
        r = emit(reader, reader->delimiter, matched);
    }
    return r;
}

static int on_delimited(struct multipart *reader, const char **data, const char *end)
{
    struct buffer *line = &reader->line;
    bool whole;
    int r;

    if (line->length < 2) {
        r = buffer_append(line, (*data)++, 1);
        if (r == 0 && line->length == 2 && memcmp(line->data, "--", 2) == 0)
            reader->state = STATE_EPILOGUE;
        if (r != 0 || line->length < 2 || line->data[1] != '\n')
            return r;
        whole = true;
    } else {
        r = take_line(reader, data, end, &whole);
        if (r != 0 || !whole)
            return r;
    }
    if (!line_ends_in_crlf(line) || strspn(line->data, " \t") != line->length - 2)
        return MULTIPART_E_MALFORMED;
    line->length = 0;
    reader->state = STATE_HEADERS;
    return 0;
}

static int on_headers(struct multipart *reader, const char **data, const char *end)
{
    struct buffer *line = &reader->line;
    bool whole;
    int r = take_line(reader, data, end, &whole);

    if (r != 0 || !whole)
        return r;
    if (!line_ends_in_crlf(line))
        return MULTIPART_E_MALFORMED;
    if (line->length != 2 && (line->length < 4 || memcmp(line->data + line->length - 4, "\r\n\r\n", 4) != 0))
        return 0;
    r = begin_part(reader, line->data, line->length == 2 ? 0 : line->length - 4);
    line->length = 0;
    reader->state = STATE_DATA;
    reader->matched = 0;
    return r;
}

int multipart_feed(struct multipart *reader, const char *data, size_t length)
{
    const char *end = data + length;
    int r = 0;

    reader->fed |= length > 0;
    while (r == 0 && data < end) {
        switch (reader->state) {
        case STATE_FIRST_LINE:
            r = on_first_line(reader, &data, end);
            break;
        case STATE_PREAMBLE:
        case STATE_DATA:
            r = on_data(reader, &data, end);
            break;
        case STATE_DELIMITED:
            r = on_delimited(reader, &data, end);
            break;
        case STATE_HEADERS:
            r = on_headers(reader, &data, end);
            break;
        case STATE_EPILOGUE:
            return 0;
        }
    }
    return r;
}

int multipart_finish(struct multipart *reader)
{
    return reader->fed && reader->state != STATE_EPILOGUE ? MULTIPART_E_MALFORMED : 0;
}

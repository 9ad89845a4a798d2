/* SPDX-License-Identifier: Apache-2.0 */
#include "base/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/utf8.h"

/* A line longer than this is cut; PIPE_BUF would be the limit for unmixed lines on a pipe, files have none. */
#define LINE_MAX_BYTES 4096

static const struct {
    const char *name;
} levels[] = {
    [LOG_LEVEL_DEBUG] = { "DEBUG" }, [LOG_LEVEL_INFO] = { "INFO" },         [LOG_LEVEL_WARNING] = { "WARNING" },
    [LOG_LEVEL_ERROR] = { "ERROR" }, [LOG_LEVEL_CRITICAL] = { "CRITICAL" },
};

static struct log_options current = {
    .level = LOG_LEVEL_INFO, .json = false, .fd = STDERR_FILENO, .process = "codecell"
};

/* Lines that are missing and were not told of. */
static atomic_uint n_left_out;

void log_init(const struct log_options *options)
{
    current = *options;
}

bool log_enabled(enum log_level level)
{
    return level >= current.level;
}

/* The code of a character that must not be written as it is, or 0: control characters of ASCII, those from U+0080 to
 * U+009F, which terminals obey too, and the separators of lines and paragraphs, at which some readers cut lines. */
static unsigned code_to_escape(const unsigned char *p, size_t length)
{
    if (length == 0)
        return 0xfffd;
    if (length == 1 && (*p < 0x20 || *p == 0x7f))
        return *p;
    if (length == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return p[1];
    if (length == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9))
        return 0x2000u | (p[2] & 0x3fu);
    return 0;
}

/* Copies text with JSON escapes; control characters are escaped in text lines too, so that a hostile value cannot
 * start a line of its own, and what is not UTF-8 becomes U+FFFD, so that every line parses. Returns the bytes written,
 * at most size. */
static size_t escape(char *to, size_t size, const char *text)
{
    const unsigned char *p = (const unsigned char *)text, *end = p + strlen(text);
    size_t used = 0;

    while (p < end && size - used >= 7) {
        size_t length = utf8_sequence(p, (size_t)(end - p));
        unsigned code = code_to_escape(p, length);

        if (code) {
            used += (size_t)snprintf(to + used, size - used, "\\u%04x", code);
            p += length ? length : 1;
            continue;
        }
        if (current.json && (*p == '"' || *p == '\\'))
            to[used++] = '\\';
        memcpy(to + used, p, length);
        used += length;
        p += length;
    }
    return used;
}

/* Returns the length of the line, which has room for LINE_MAX_BYTES. */
static size_t make_line(char *line, enum log_level level, const char *message)
{
    char stamp[CLOCK_ISO_SIZE];
    size_t used;

    clock_format_iso(clock_wall_ms(), stamp);
    if (current.json)
        used = (size_t)snprintf(line, LINE_MAX_BYTES,
                                "{\"timestamp\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"message\":\"", stamp,
                                levels[level].name, current.process);
    else
        used = (size_t)snprintf(line, LINE_MAX_BYTES, "%s %-7s %s: ", stamp, levels[level].name, current.process);
    used += escape(line + used, LINE_MAX_BYTES - used - 4, message);
    if (current.json) {
        line[used++] = '"';
        line[used++] = '}';
    }
    line[used++] = '\n';
    return used;
}

/* A line that nobody would read is counted. One that fails otherwise has nowhere to be told. */
static void put(const char *line, size_t length, unsigned stands_for)
{
    if (fd_offer(current.fd, line, length) == FD_E_BUSY)
        atomic_fetch_add(&n_left_out, stands_for);
}

static void own_up_to_gap(void)
{
    unsigned n = atomic_exchange(&n_left_out, 0);
    char message[80], line[LINE_MAX_BYTES];

    if (n == 0)
        return;
    snprintf(message, sizeof(message), "%u lines are missing above: this output was not being read", n);
    put(line, make_line(line, LOG_LEVEL_WARNING, message), n);
}

void log_end(void)
{
    own_up_to_gap();
}

void log_write(enum log_level level, const char *format, ...)
{
    char message[LINE_MAX_BYTES / 2], line[LINE_MAX_BYTES];
    va_list args;

    if (!log_enabled(level))
        return;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    own_up_to_gap();
    put(line, make_line(line, level, message), 1);
}

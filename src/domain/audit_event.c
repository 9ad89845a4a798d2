/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/audit_event.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/utf8.h"

/* For "cut", the time and the end of the object. */
#define RESERVED_BYTES 96

#define ESCAPE_SIZE 7 /* "\u001b" and NUL */

static const char *const severities[] = {
    [AUDIT_INFO] = "info",
    [AUDIT_WARNING] = "warning",
    [AUDIT_CRITICAL] = "critical",
};

const char *audit_severity_name(enum audit_severity severity)
{
    return severities[severity];
}

/* Bytes go in whole or not at all. */
static bool add(struct audit_event *event, const char *bytes, size_t length)
{
    if (length > sizeof(event->text) - RESERVED_BYTES - event->length)
        return false;
    memcpy(event->text + event->length, bytes, length);
    event->length += length;
    return true;
}

/* How a character is written: its length in the input; "" in *ret_escape means as it is. Terminals obey not only the
 * control characters of ASCII but U+0080 to U+009F as well, and some readers cut lines at U+2028 and U+2029. */
static size_t escape_one(const unsigned char *at, size_t left, char ret_escape[static ESCAPE_SIZE])
{
    size_t length = utf8_sequence(at, left);
    unsigned code = *at;

    ret_escape[0] = '\0';
    if (length == 2)
        code = (at[0] & 0x1fu) << 6 | (at[1] & 0x3fu);
    if (length == 3)
        code = (at[0] & 0x0fu) << 12 | (at[1] & 0x3fu) << 6 | (at[2] & 0x3fu);
    if (length == 0)
        code = 0xfffd;
    if (length == 0 || code < 0x20 || (code >= 0x7f && code < 0xa0) || code == 0x2028 || code == 0x2029)
        snprintf(ret_escape, ESCAPE_SIZE, "\\u%04x", code & 0xffff);
    else if (code == '"' || code == '\\')
        snprintf(ret_escape, ESCAPE_SIZE, "\\%c", (int)code);
    return length ? length : 1;
}

static bool add_escaped(struct audit_event *event, const char *value)
{
    const unsigned char *at = (const unsigned char *)value;
    size_t left = strlen(value), used = 0;
    char escape[ESCAPE_SIZE];

    while (left > 0) {
        size_t length = escape_one(at, left, escape), written = *escape ? strlen(escape) : length;

        if (used + written > AUDIT_VALUE_MAX_BYTES)
            return add(event, "...", 3);
        if (!add(event, *escape ? escape : (const char *)at, written))
            return false;
        used += written;
        at += length;
        left -= length;
    }
    return true;
}

static bool add_quoted(struct audit_event *event, const char *value)
{
    if (!value)
        return add(event, "null", 4);
    return add(event, "\"", 1) && add_escaped(event, value) && add(event, "\"", 1);
}

static bool add_key(struct audit_event *event, const char *key)
{
    return add(event, ",\"", 2) && add(event, key, strlen(key)) && add(event, "\":", 2);
}

/* Takes a field back that did not fit. */
static void settle(struct audit_event *event, size_t before, bool whole)
{
    if (whole)
        return;
    event->length = before;
    event->cut = true;
}

void audit_begin(struct audit_event *event, const char *type, enum audit_severity severity)
{
    event->severity = severity;
    event->wall_ms = clock_wall_ms();
    event->cut = false;
    snprintf(event->type, sizeof(event->type), "%s", type);
    event->length = (size_t)snprintf(event->text, sizeof(event->text), "{\"event_type\":\"%s\",\"severity\":\"%s\"",
                                     event->type, severities[severity]);
}

void audit_text(struct audit_event *event, const char *key, const char *value)
{
    size_t before = event->length;

    settle(event, before, add_key(event, key) && add_quoted(event, value));
}

void audit_number(struct audit_event *event, const char *key, int64_t value)
{
    size_t before = event->length;
    char digits[24];
    int length = snprintf(digits, sizeof(digits), "%" PRId64, value);

    settle(event, before, add_key(event, key) && add(event, digits, (size_t)length));
}

void audit_flag(struct audit_event *event, const char *key, bool value)
{
    size_t before = event->length;

    settle(event, before, add_key(event, key) && add(event, value ? "true" : "false", value ? 4 : 5));
}

void audit_list(struct audit_event *event, const char *key, const char *const *values, size_t n_values)
{
    size_t before = event->length;
    bool whole = add_key(event, key) && add(event, "[", 1);

    for (size_t i = 0; i < n_values && whole; i++)
        whole = (i == 0 || add(event, ",", 1)) && add_quoted(event, values[i]);
    settle(event, before, whole && add(event, "]", 1));
}

void audit_end(struct audit_event *event)
{
    char stamp[CLOCK_ISO_SIZE];

    clock_format_iso(event->wall_ms, stamp);
    event->length += (size_t)snprintf(event->text + event->length, sizeof(event->text) - event->length,
                                      "%s,\"timestamp\":\"%s\"}", event->cut ? ",\"cut\":true" : "", stamp);
}

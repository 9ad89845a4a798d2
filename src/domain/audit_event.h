/* SPDX-License-Identifier: Apache-2.0 */
/* audit_event.h -- one security event as a line of JSON (security.md S5), built on the stack without allocation.
 *
 *     struct audit_event event;
 *     audit_begin(&event, "state", AUDIT_WARNING);
 *     audit_text(&event, "operation", "size_limit_exceeded");
 *     audit_number(&event, "size_bytes", size);
 *     audit_post(audit, &event);                       (audit.h)
 *
 * Values may be hostile: control characters, quotes and what is not UTF-8 are escaped, so that an event is one line and
 * one object whatever a client called its file. A value is cut at AUDIT_VALUE_MAX_BYTES; fields that no longer fit are
 * left out and "cut":true says so. Never pass source text, file contents, state or whole keys. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AUDIT_VALUE_MAX_BYTES 1024
#define AUDIT_EVENT_MAX_BYTES 3840 /* with what the chain adds a line stays below 4096, one write to a pipe */
#define AUDIT_TYPE_SIZE       32

enum audit_severity {
    AUDIT_INFO,
    AUDIT_WARNING,
    AUDIT_CRITICAL,
};

struct audit_event {
    char text[AUDIT_EVENT_MAX_BYTES]; /* a JSON object that still lacks its end */
    size_t length;
    char type[AUDIT_TYPE_SIZE];
    enum audit_severity severity;
    int64_t wall_ms;
    bool cut;
};

/* type is one of ours: letters and underscores. */
void audit_begin(struct audit_event *event, const char *type, enum audit_severity severity);

/* Keys are ours too. A value of NULL becomes null. */
void audit_text(struct audit_event *event, const char *key, const char *value);
void audit_number(struct audit_event *event, const char *key, int64_t value);
void audit_flag(struct audit_event *event, const char *key, bool value);
void audit_list(struct audit_event *event, const char *key, const char *const *values, size_t n_values);

/* Closes the object with its time. Called by audit_post(). */
void audit_end(struct audit_event *event);

const char *audit_severity_name(enum audit_severity severity);

/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/state_event.h"

#include "domain/audit.h"

static void begin(struct audit_event *event, enum audit_severity severity, const char *operation,
                  const char *session_id)
{
    audit_begin(event, "state", severity);
    audit_text(event, "operation", operation);
    audit_text(event, "session_id", session_id);
}

void state_event_saved(struct audit *audit, const char *session_id, int64_t size_bytes)
{
    struct audit_event event;

    begin(&event, AUDIT_INFO, "save", session_id);
    audit_number(&event, "size_bytes", size_bytes);
    audit_post(audit, &event);
}

void state_event_loaded(struct audit *audit, const char *session_id, bool from_archive)
{
    struct audit_event event;

    begin(&event, AUDIT_INFO, "load", session_id);
    audit_text(&event, "source", from_archive ? "s3" : "redis");
    audit_post(audit, &event);
}

void state_event_archived(struct audit *audit, const char *session_id)
{
    struct audit_event event;

    begin(&event, AUDIT_INFO, "archive", session_id);
    audit_post(audit, &event);
}

void state_event_too_large(struct audit *audit, const char *session_id, int64_t size_bytes)
{
    struct audit_event event;

    begin(&event, AUDIT_WARNING, "size_limit_exceeded", session_id);
    audit_number(&event, "size_bytes", size_bytes);
    audit_post(audit, &event);
}

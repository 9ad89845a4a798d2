/* SPDX-License-Identifier: Apache-2.0 */
#include "domain/key_event.h"

#include "base/cleanup.h"

const char *key_event_operation(const struct key_change *change)
{
    if (!change->enabled)
        return "change";
    return *change->enabled ? "enable" : "disable";
}

static void fields(struct audit_event *event, const struct key_change *change)
{
    const struct {
        const char *name;
        bool given;
    } rows[] = {
        { "name", change->name },          { "enabled", change->enabled },
        { "rate_limits", change->limits }, { "expires_at", change->expires_ms },
        { "network", change->network },
    };
    const char *names[ARRAY_SIZE(rows)];
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (rows[i].given)
            names[n++] = rows[i].name;
    audit_list(event, "changed", names, n);
}

void key_event_begin(struct audit_event *event, const char *operation, const char *key_hash, const char *name,
                     const struct key_change *change, bool success)
{
    audit_begin(event, "key", success ? AUDIT_INFO : AUDIT_WARNING);
    audit_text(event, "operation", operation);
    audit_text(event, "key_hash", key_hash);
    audit_text(event, "name", name);
    if (change)
        fields(event, change);
    audit_flag(event, "success", success);
}

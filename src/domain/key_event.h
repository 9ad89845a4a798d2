/* SPDX-License-Identifier: Apache-2.0 */
/* key_event.h -- what the audit log is told of a change of a managed key, over HTTP or from the command line. Never the
 * key itself. */
#pragma once

#include <stdbool.h>

#include "domain/audit_event.h"
#include "domain/key.h"

/* What a change comes to: "disable", "enable" or "change". */
const char *key_event_operation(const struct key_change *change);

/* Begins the event of an operation ("create", "revoke" or what key_event_operation() says); the caller adds who wanted
 * it. key_hash and name may be NULL; change, NULL unless there is one, is told by the names of its fields. */
void key_event_begin(struct audit_event *event, const char *operation, const char *key_hash, const char *name,
                     const struct key_change *change, bool success);

/* SPDX-License-Identifier: Apache-2.0 */
/* state_event.h -- what the audit log is told of the states of sessions (security.md S5.2): that one was saved, loaded,
 * archived, or was too large to be kept. Never anything of its contents. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct audit;

/* audit may be NULL: nobody listens. from_archive: a load's source, "s3" as against "redis" on the wire. */
void state_event_saved(struct audit *audit, const char *session_id, int64_t size_bytes);
void state_event_loaded(struct audit *audit, const char *session_id, bool from_archive);
void state_event_archived(struct audit *audit, const char *session_id);
void state_event_too_large(struct audit *audit, const char *session_id, int64_t size_bytes);

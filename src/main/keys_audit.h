/* SPDX-License-Identifier: Apache-2.0 */
/* keys_audit.h -- what `codecell keys` leaves in the audit log of the server: one event for each change, in the same
 * chain, whether or not the server runs (domain/audit_file.h). */
#pragma once

#include <stdbool.h>
#include <sys/types.h>

#include "domain/audit_file.h"
#include "domain/key.h"
#include "main/config/config.h"

struct keys_audit {
    struct audit_file file;
    bool on;
    uid_t uid; /* of whoever gave the command */
};

#define KEYS_AUDIT_INIT ((struct keys_audit){ .file = AUDIT_FILE_INIT })

/* Opens the log, before anything is changed, as the user to whom it belongs; uid is that of the caller. None is kept
 * (on = false) if the configuration says so, unless a server has written one here. Returns 0 or a negative errno. */
int keys_audit_open(struct keys_audit *audit, const struct config *config, uid_t uid);
void keys_audit_close(struct keys_audit *audit); /* accepts KEYS_AUDIT_INIT */

/* Writes an event (key_event.h); it is in the file when this returns 0, which it does without a log too. Else a
 * negative errno. */
int keys_audit_tell(struct keys_audit *audit, const char *operation, const char *key_hash, const char *name,
                    const struct key_change *change, bool success);

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/keys_audit.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "domain/audit_disk.h"
#include "domain/key_event.h"
#include "main/place/data_dir.h"

/* What another environment than the server's says must not hide a change from the server's log. */
static bool is_wanted(const struct config *config, const char *directory)
{
    char log[PATH_MAX + sizeof(AUDIT_FILE_NAME)];

    snprintf(log, sizeof(log), "%s/%s", directory, AUDIT_FILE_NAME);
    return config->enable_security_logs || access(log, F_OK) == 0;
}

int keys_audit_open(struct keys_audit *audit, const struct config *config, uid_t uid)
{
    char directory[PATH_MAX];
    const struct audit_file_options options = {
        .directory = directory,
        .max_bytes = INT64_MAX, /* to rotate is the server's */
        .max_rotated = (unsigned)config->log_backup_count,
    };

    if ((size_t)snprintf(directory, sizeof(directory), "%s/%s", config->data_dir, DATA_DIR_AUDIT) >= sizeof(directory))
        return -ENAMETOOLONG;
    audit->uid = uid;
    audit->on = is_wanted(config, directory);
    return audit->on ? audit_file_open(&audit->file, &options) : 0;
}

void keys_audit_close(struct keys_audit *audit)
{
    audit_file_close(&audit->file);
}

int keys_audit_tell(struct keys_audit *audit, const char *operation, const char *key_hash, const char *name,
                    const struct key_change *change, bool success)
{
    CLEANUP(buffer_deinit) struct buffer events = BUFFER_INIT(AUDIT_LINE_MAX_BYTES);
    CLEANUP(buffer_deinit) struct buffer lines = BUFFER_INIT(3 * AUDIT_LINE_MAX_BYTES); /* with an opening */
    struct audit_event event;
    int r;

    if (!audit->on)
        return 0;
    key_event_begin(&event, operation, key_hash, name, change, success);
    audit_text(&event, "source", "command line");
    audit_number(&event, "uid", audit->uid);
    audit_end(&event);
    r = buffer_append(&events, event.text, event.length);
    if (r == 0)
        r = buffer_append(&events, "\n", 1);
    return r == 0 ? audit_file_write(&audit->file, &events, &lines) : r;
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "main/api/api_audit.h"

#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/build_info.h"
#include "base/public_address.h"
#include "main/place/data_dir.h"

#define QUEUE_MAX_BYTES (4u << 20)

static void tell(struct audit *audit, enum audit_severity severity, const char *message)
{
    struct audit_event event;

    audit_begin(&event, "configuration", severity);
    audit_text(&event, "message", message);
    audit_post(audit, &event);
}

/* What makes a server weaker than it is by default. */
static void tell_configuration(struct audit *audit, const struct config *config)
{
    const struct {
        bool so;
        const char *message;
    } rows[] = {
        { !config->auth_enabled, "authentication is off: every request is accepted without a key" },
        { config->allow_unauthenticated && !config->auth_enabled, "authentication is off on purpose, for any address" },
        { config->api_debug, "debug mode is on" },
        { !config->container_mask_host_info, "the host's name and identity are shown to programs" },
        { !config->rate_limit_enabled, "rate limits are off" },
        { config->auth_failure_limit == 0, "failed attempts to authenticate are not limited" },
    };

    tell(audit, AUDIT_INFO, "codecell " CODECELL_VERSION " starts");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        if (rows[i].so)
            tell(audit, AUDIT_WARNING, rows[i].message);
}

/* The warden starts the api when the rules are in force, or not at all. */
static void tell_network(struct audit *audit, const struct config *config)
{
    const char *ranges[PRIVATE_RANGES];
    struct audit_event event;

    if (!config->enable_wan_access)
        return;
    audit_begin(&event, "network", AUDIT_INFO);
    audit_text(&event, "operation", "wan_initialized");
    audit_text(&event, "network", config->wan_network_name);
    audit_text(&event, "name_servers", config->wan_dns_servers);
    audit_post(audit, &event);
    for (size_t i = 0; i < PRIVATE_RANGES; i++)
        ranges[i] = private_ranges[i].text;
    audit_begin(&event, "network", AUDIT_INFO);
    audit_text(&event, "operation", "rules_applied");
    audit_text(&event, "network", config->wan_network_name);
    audit_list(&event, "blocked", ranges, PRIVATE_RANGES);
    audit_text(&event, "closed_ports", config->wan_closed_ports);
    audit_post(audit, &event);
}

static void tell_proxy(struct audit *audit, const struct config *config)
{
    struct audit_event event;

    if (!config->enable_sandbox_network)
        return;
    audit_begin(&event, "network", AUDIT_INFO);
    audit_text(&event, "operation", "allowlist_applied");
    audit_text(&event, "hosts", config->sandbox_egress_allowlist);
    audit_number(&event, "port", config->sandbox_egress_port);
    audit_post(audit, &event);
}

int api_audit_start(const struct config *config, struct audit **ret_audit)
{
    char directory[PATH_MAX];
    const struct audit_options options = {
        .directory = config->enable_security_logs ? directory : NULL,
        .max_file_bytes = config->log_max_size_mb << 20,
        .max_rotated = (unsigned)config->log_backup_count,
        .max_ring_events = (size_t)config->audit_event_buffer,
        .max_queue_bytes = QUEUE_MAX_BYTES,
        .echo_fd = config->enable_security_logs ? STDOUT_FILENO : -1,
    };
    int r;

    snprintf(directory, sizeof(directory), "%s/%s", config->data_dir, DATA_DIR_AUDIT);
    r = audit_new(&options, ret_audit);
    if (r == 0) {
        tell_configuration(*ret_audit, config);
        tell_network(*ret_audit, config);
        tell_proxy(*ret_audit, config);
    }
    return r;
}

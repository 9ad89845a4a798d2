/* SPDX-License-Identifier: Apache-2.0 */
#include "main/config/config_rule.h"

#include <errno.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/public_address.h"
#include "domain/filename.h"
#include "egress/allowlist.h"

#define NAME_SERVERS_MAX 16 /* they fit into the resolv.conf of cells (cell/rootfs.c) */

static const char *rule_key_required(const struct config *config)
{
    if (!config->auth_enabled || *config->api_key)
        return NULL;
    return "API_KEY is not set: give a key of at least 16 characters (`openssl rand -hex 24` makes one), or "
           "AUTH_ENABLED=false on a loopback address";
}

/* An open code execution service is a gift to whoever finds it. */
static const char *rule_open_only_on_loopback(const struct config *config)
{
    if (config->auth_enabled || config->allow_unauthenticated || config_address_is_loopback(config->api_host))
        return NULL;
    return "AUTH_ENABLED=false with an API_HOST that other machines can reach: set API_HOST=127.0.0.1, or "
           "CODECELL_ALLOW_UNAUTHENTICATED=true if anyone who reaches the port may run code";
}

static const char *rule_walls_stay(const struct config *config)
{
    if ((config->enable_network_isolation && config->enable_filesystem_isolation) || config->api_debug)
        return NULL;
    return "ENABLE_NETWORK_ISOLATION=false and ENABLE_FILESYSTEM_ISOLATION=false are refused: the walls of a cell are "
           "always up";
}

static const char *rule_data_dir_is_its_own(const struct config *config)
{
    static const char *const shared[] = { "/",     "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/proc",
                                          "/root", "/run", "/sbin", "/sys", "/tmp", "/usr",  "/var", "/var/lib" };
    char real[PATH_MAX];
    const char *path = realpath(config->data_dir, real) ? real : config->data_dir;

    for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
        if (strcmp(path, shared[i]) == 0)
            return "DATA_DIR must be a directory of the server's own, such as /var/lib/codecell";
    return NULL;
}

static const char *rule_master_differs(const struct config *config)
{
    const char *list = config->api_keys, *start, *master = config->master_api_key;
    size_t length;
    bool same = *master && strcmp(config->api_key, master) == 0;

    while (*master && config_list_next(&list, &start, &length))
        same |= strlen(master) == length && memcmp(start, master, length) == 0;
    return same ? "MASTER_API_KEY must differ from API_KEY and API_KEYS: it opens administration only" : NULL;
}

/* It becomes part of rules, and with a number behind it the name of a table. */
static const char *rule_network_name(const struct config *config)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    static const char others[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
    const char *name = config->wan_network_name;

    if (strspn(name, letters) > 0 && name[strspn(name, others)] == '\0' && strlen(name) <= 64)
        return NULL;
    return "WAN_NETWORK_NAME must be at most 64 letters, digits, dots, - and _, and begin with a letter";
}

/* Each is an address that packets can be sent to from elsewhere; which of the machine's own they are, is found later.
 */
static const char *rule_name_servers(const struct config *config)
{
    const char *list = config->wan_dns_servers;
    uint32_t address;
    unsigned n = 0;

    while (address_list_next(&list, &address) > 0) {
        if (++n > NAME_SERVERS_MAX)
            return "WAN_DNS_SERVERS must name at most 16 servers; programs ask the first three";
        if (address >> 24 == 0 || address >> 24 == 127 || address >> 28 >= 14)
            return "WAN_DNS_SERVERS must not name loopback, multicast or reserved addresses: cells have their own "
                   "loopback, and no name server answers there";
    }
    return NULL;
}

static const char *rule_closed_ports(const struct config *config)
{
    const char *list = config->wan_closed_ports, *start;
    size_t length;

    while (config_list_next(&list, &start, &length)) {
        char *end;
        unsigned long port = strtoul(start, &end, 10);

        if (*start < '0' || *start > '9' || end != start + length || port < 1 || port > UINT16_MAX)
            return "WAN_CLOSED_PORTS must be a comma list of ports from 1 to 65535";
    }
    return NULL;
}

static const char *rule_allowlist(const struct config *config)
{
    static struct allowlist list; /* large */

    if (allowlist_parse(config->sandbox_egress_allowlist, &list) == 0)
        return NULL;
    return "SANDBOX_EGRESS_ALLOWLIST must be a comma list of at most 256 host names, such as pypi.org, with :port if "
           "it "
           "is not 443; no addresses, no wildcards";
}

static const char *rule_origins(const struct config *config)
{
    char **origins = NULL;
    int r = config_origins(config->cors_origins, &origins);

    config_list_free(origins);
    return r == -EINVAL ? "CORS_ORIGINS is neither a comma list nor a JSON list of strings" : NULL;
}

/* The names of uploads, as the api will have them. Only one of the two lists is given. */
static const char *names_rule(const char *variable, const char *extensions, const char *patterns)
{
    static char sentence[256];
    struct filename_rules rules;
    char reason[160];
    int r = filename_rules_init(&rules, extensions, patterns, reason, sizeof(reason));

    filename_rules_deinit(&rules);
    if (r != FILENAME_E_BAD_RULE)
        return NULL;
    snprintf(sentence, sizeof(sentence), "%s: %s", variable, reason);
    return sentence;
}

static const char *rule_extensions(const struct config *config)
{
    return names_rule("ALLOWED_FILE_EXTENSIONS", config->allowed_file_extensions, "");
}

static const char *rule_patterns(const struct config *config)
{
    return names_rule("BLOCKED_FILE_PATTERNS", "", config->blocked_file_patterns);
}

const char *(*const config_rules[])(const struct config *config) = {
    rule_key_required,   rule_open_only_on_loopback,
    rule_walls_stay,     rule_data_dir_is_its_own,
    rule_master_differs, rule_network_name,
    rule_name_servers,   rule_closed_ports,
    rule_allowlist,      rule_origins,
    rule_extensions,     rule_patterns,
};
const size_t config_rule_count = ARRAY_SIZE(config_rules);

/* What is allowed each by itself, and together does not do what was meant. Refusing it would stop servers that have
 * run so for long. */
static const char *hint_archive_comes_late(const struct config *config)
{
    if (!config->state_persistence_enabled || !config->state_archive_enabled ||
        config->state_archive_after_seconds + config->state_archive_check_interval_seconds <= config->state_ttl_seconds)
        return NULL;
    return "STATE_TTL_SECONDS is less than STATE_ARCHIVE_AFTER_SECONDS and STATE_ARCHIVE_CHECK_INTERVAL_SECONDS "
           "together: "
           "Python states of up to 1 MiB end before they are archived";
}

static const char *hint_pause_outlives_session(const struct config *config)
{
    if (config->ptc_max_paused == 0 || config->ptc_pause_ttl_seconds <= config->session_ttl_hours * 3600)
        return NULL;
    return "PTC_PAUSE_TTL_SECONDS is longer than SESSION_TTL_HOURS: a program that waits for its tools until its "
           "session "
           "has ended goes on, and the files that it makes are lost";
}

static const char *(*const hints[])(const struct config *config) = {
    hint_archive_comes_late,
    hint_pause_outlives_session,
};

const char *config_hint_next(const struct config *config, size_t *cursor)
{
    const char *sentence = NULL;

    while (!sentence && *cursor < ARRAY_SIZE(hints))
        sentence = hints[(*cursor)++](config);
    return sentence;
}

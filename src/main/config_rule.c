/* SPDX-License-Identifier: Apache-2.0 */
#include "main/config_rule.h"

#include <string.h>

#include "base/cleanup.h"

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

    for (size_t i = 0; i < ARRAY_SIZE(shared); i++)
        if (strcmp(config->data_dir, shared[i]) == 0)
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

const char *(*const config_rules[])(const struct config *config) = {
    rule_key_required, rule_open_only_on_loopback, rule_walls_stay, rule_data_dir_is_its_own, rule_master_differs,
};
const size_t config_rule_count = ARRAY_SIZE(config_rules);

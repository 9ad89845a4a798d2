/* SPDX-License-Identifier: Apache-2.0 */
#include "warden/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/log.h"

static const struct option_row {
    const char *name;
    enum { TEXT, NUMBER, LEVEL } type;
    size_t offset;
    uint64_t minimum, maximum;
    bool optional;
} rows[] = {
    { "--data-dir", TEXT, offsetof(struct warden_options, data_dir) },
    { "--rootfs", TEXT, offsetof(struct warden_options, rootfs) },
    { "--guest-dir", TEXT, offsetof(struct warden_options, guest_dir) },
    { "--hostname", TEXT, offsetof(struct warden_options, hostname) },
    { "--api-program", TEXT, offsetof(struct warden_options, api_program) },
    { "--log-format", TEXT, offsetof(struct warden_options, log_format) },
    { "--zygote-library", TEXT, offsetof(struct warden_options, zygote_library), .optional = true },
    { "--packages-dir", TEXT, offsetof(struct warden_options, packages_dir), .optional = true },
    { "--tls-certificate", TEXT, offsetof(struct warden_options, tls_certificate), .optional = true },
    { "--tls-key", TEXT, offsetof(struct warden_options, tls_key), .optional = true },
    { "--proxy-hosts", TEXT, offsetof(struct warden_options, proxy_hosts), .optional = true },
    { "--proxy-port", NUMBER, offsetof(struct warden_options, proxy_port), 1024, 65535, .optional = true },
    { "--proxy-uid", NUMBER, offsetof(struct warden_options, proxy_uid), 1, UINT32_MAX - 1, .optional = true },
    { "--wan-name", TEXT, offsetof(struct warden_options, wan.name), .optional = true },
    { "--wan-name-before", TEXT, offsetof(struct warden_options, wan_name_before), .optional = true },
    { "--wan-name-servers", TEXT, offsetof(struct warden_options, wan.name_servers), .optional = true },
    { "--wan-closed-ports", TEXT, offsetof(struct warden_options, wan.closed_ports), .optional = true },
    { "--wan-connections-per-second", NUMBER, offsetof(struct warden_options, wan.connections_per_second), 1, 100000,
      .optional = true },
    { "--wan-connections-max", NUMBER, offsetof(struct warden_options, wan.connections_max), 1, 100000,
      .optional = true },
    { "--wan-mbit-per-second", NUMBER, offsetof(struct warden_options, wan.mbit_per_second), 0, 100000,
      .optional = true },
    { "--slots", NUMBER, offsetof(struct warden_options, slots), 1, WARDEN_SLOTS_MAX },
    { "--parked-slots", NUMBER, offsetof(struct warden_options, parked_slots), 0, WARDEN_SLOTS_MAX, .optional = true },
    { "--hot", NUMBER, offsetof(struct warden_options, hot), 0, 1, .optional = true },
    { "--api-uid", NUMBER, offsetof(struct warden_options, api_uid), 1, UINT32_MAX - 1 },
    { "--uid-base", NUMBER, offsetof(struct warden_options, uid_base), 1, UINT32_MAX - 1 - WARDEN_SLOTS_MAX },
    { "--sandbox-uid", NUMBER, offsetof(struct warden_options, sandbox_uid), 1, UINT32_MAX - 1 },
    { "--mask-host-info", NUMBER, offsetof(struct warden_options, mask_host_info), 0, 1 },
    { "--tmp-mb", NUMBER, offsetof(struct warden_options, tmp_mb), 1, 1 << 20 },
    { "--log-dir-fd", NUMBER, offsetof(struct warden_options, log_dir_fd), 3, 1 << 20, .optional = true },
    { "--log-name", TEXT, offsetof(struct warden_options, log_name), .optional = true },
    { "--config-fd", NUMBER, offsetof(struct warden_options, config_fd), 3, 1 << 20 },
    { "--pool-python", NUMBER, offsetof(struct warden_options, pool_python), 0, WARDEN_SLOTS_MAX, .optional = true },
    { "--zygote-seconds", NUMBER, offsetof(struct warden_options, zygote_seconds), 1, 3600, .optional = true },
    { "--give-back-seconds", NUMBER, offsetof(struct warden_options, give_back_seconds), 1, 3600 },
    { "--drain-seconds", NUMBER, offsetof(struct warden_options, drain_seconds), 0, 3600 },
    { "--log-level", LEVEL, offsetof(struct warden_options, log_level) },
};

static const char *const level_names[] = {
    [LOG_LEVEL_DEBUG] = "DEBUG", [LOG_LEVEL_INFO] = "INFO",         [LOG_LEVEL_WARNING] = "WARNING",
    [LOG_LEVEL_ERROR] = "ERROR", [LOG_LEVEL_CRITICAL] = "CRITICAL",
};

static int parse_level(const char *text, uint64_t *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(level_names); i++) {
        if (strcmp(level_names[i], text) == 0) {
            *ret = i;
            return 0;
        }
    }
    return -EINVAL;
}

static int set(const struct option_row *row, const char *text, struct warden_options *options)
{
    void *place = (char *)options + row->offset;
    uint64_t value;
    char *end;

    if (row->type == TEXT) {
        if (text[0] == '\0')
            return -EINVAL;
        *(const char **)place = strdup(text);
        return *(const char **)place ? 0 : -ENOMEM;
    }
    if (row->type == LEVEL)
        return parse_level(text, place);
    if (text[0] < '0' || text[0] > '9')
        return -EINVAL; /* strtoull() takes signs and spaces */
    errno = 0;
    value = strtoull(text, &end, 10);
    if (errno || *end || value < row->minimum || value > row->maximum)
        return -EINVAL;
    *(uint64_t *)place = value;
    return 0;
}

static bool is_slots(const struct warden_options *options, uint64_t uid)
{
    return uid >= options->uid_base && uid - options->uid_base <= options->slots + options->parked_slots;
}

int warden_options_parse(struct warden_options *options, int argc, char **argv, char *error, size_t error_size)
{
    uint64_t seen = 0;

    *options = (struct warden_options){ 0 };
    for (int i = 1; i < argc; i += 2) {
        size_t row = 0;

        while (row < ARRAY_SIZE(rows) && strcmp(rows[row].name, argv[i]) != 0)
            row++;
        if (row == ARRAY_SIZE(rows) || i + 1 >= argc || (seen & 1ull << row) ||
            set(&rows[row], argv[i + 1], options) < 0) {
            snprintf(error, error_size, "bad option or value: %s", argv[i]);
            return -EINVAL;
        }
        seen |= 1ull << row;
    }
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        if (!(seen & 1ull << row) && !rows[row].optional) {
            snprintf(error, error_size, "missing option %s; start the server with `codecell serve`", rows[row].name);
            return -EINVAL;
        }
    }
    if (!options->tls_certificate != !options->tls_key) {
        snprintf(error, error_size, "--tls-certificate and --tls-key go together");
        return -EINVAL;
    }
    if (!options->log_dir_fd != !options->log_name) {
        snprintf(error, error_size, "--log-dir-fd and --log-name go together");
        return -EINVAL;
    }
    if (options->wan.name && (!options->wan.name_servers || !options->wan.closed_ports ||
                              !options->wan.connections_per_second || !options->wan.connections_max)) {
        snprintf(error, error_size, "--wan-name goes with the other --wan options");
        return -EINVAL;
    }
    if (options->proxy_hosts && (!options->proxy_port || !options->proxy_uid)) {
        snprintf(error, error_size, "--proxy-hosts goes with --proxy-port and --proxy-uid");
        return -EINVAL;
    }
    if (options->slots + options->parked_slots > WARDEN_SLOTS_MAX) {
        snprintf(error, error_size, "--slots and --parked-slots are more than %d", WARDEN_SLOTS_MAX);
        return -EINVAL;
    }
    /* A cell of that slot, or the zygote, would run as the api, or as the proxy. */
    if (is_slots(options, options->api_uid) || is_slots(options, options->proxy_uid)) {
        snprintf(error, error_size, "--api-uid or --proxy-uid is among the users of the slots");
        return -EINVAL;
    }
    return 0;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* security.c -- what happened, for whoever holds the master key (admin.md A5). */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "api/answer.h"
#include "api/gate.h"
#include "api/handlers.h"
#include "api/query.h"
#include "base/clock.h"
#include "domain/audit.h"
#include "http/address.h"

#define EVENTS_DEFAULT   100
#define EVENTS_MAX       1000
#define ADDRESSES_LISTED 10
#define KEYS_FAULT       "Key storage is unavailable"

static json_t *time_json(int64_t wall_ms)
{
    char stamp[CLOCK_ISO_SIZE];

    clock_format_iso(wall_ms, stamp);
    return json_string(stamp);
}

/* Takes the body. */
static void answer_body(struct http_request *request, json_t *body)
{
    if (body)
        http_respond_json(request, 200, body);
    else
        answer_unexpected(request, "cannot render the answer", -ENOMEM);
}

/* ---- A5.1: failed attempts ---- */

static json_t *address_json(const struct tally_count *count, int64_t limit)
{
    int64_t left_ms = count->ends_ms - clock_monotonic_us() / 1000;
    char text[ADDRESS_TEXT_SIZE];
    struct address address;

    memcpy(address.bytes, count->address, sizeof(address.bytes));
    address_format(&address, text);
    return json_pack("{s:s, s:I, s:b, s:I}", "ip", text, "failures", (json_int_t)count->count, "blocked",
                     limit > 0 && count->count >= limit, "expires_in_seconds",
                     (json_int_t)(left_ms > 0 ? (left_ms + 999) / 1000 : 0));
}

static json_t *addresses_json(struct gate *gate, int64_t *ret_total)
{
    struct tally_count counts[ADDRESSES_LISTED];
    size_t n = gate_failures(gate, ADDRESSES_LISTED, counts, ret_total);
    json_t *list = json_array();

    for (size_t i = 0; list && i < n; i++)
        json_array_append_new(list, address_json(&counts[i], gate_failure_limit(gate)));
    return list;
}

static json_t *key_counts_json(const struct key *keys, size_t n)
{
    size_t enabled = 0;

    for (size_t i = 0; i < n; i++)
        enabled += keys[i].enabled;
    return json_pack("{s:I, s:I, s:I}", "total_managed_keys", (json_int_t)n, "enabled_keys", (json_int_t)enabled,
                     "disabled_keys", (json_int_t)(n - enabled));
}

static void auth_stats(void *context)
{
    struct http_request *request = context;
    struct api *api = http_request_data(request);
    struct key *keys = NULL;
    json_t *addresses;
    int64_t total = 0;
    size_t n = 0;
    int r = key_list(api->keys, &keys, &n);

    if (r < 0) {
        answer_fault(request, 503, KEYS_FAULT, "keys", r);
        return;
    }
    addresses = addresses_json(api->gate, &total);
    answer_body(request,
                json_pack("{s:I, s:o, s:o, s:o}", "total_recent_failures", (json_int_t)total, "failing_ips", addresses,
                          "api_keys", key_counts_json(keys, n), "timestamp", time_json(clock_wall_ms())));
    key_list_free(keys, n);
}

void handle_security_auth_stats(struct http_request *request)
{
    answer_offloaded(request, auth_stats);
}

/* ---- A5.2: limits ---- */

static json_t *standing_json(enum rate_period period, int64_t limit, const struct rate_window *window)
{
    struct rate_standing s = rate_standing(period, limit, window, clock_wall_ms());
    bool limited = limit > 0;

    return json_pack("{s:s, s:o, s:I, s:o, s:o, s:b}", "period", s.name, "limit",
                     limited ? json_integer(limit) : json_null(), "used", (json_int_t)s.used, "remaining",
                     limited ? json_integer(s.used < limit ? limit - s.used : 0) : json_null(), "resets_at",
                     time_json(s.resets_ms), "is_exceeded", limited && s.used >= limit);
}

/* Returns NULL with *ret_error if its counters cannot be read. */
static json_t *key_json(struct api *api, const struct key *key, int *ret_error)
{
    json_t *limits = json_array();
    struct key_use use;

    *ret_error = keyring_use(gate_keyring(api->gate), key->hash, &use);
    for (int i = 0; *ret_error == 0 && i < RATE_PERIODS; i++)
        json_array_append_new(limits, standing_json((enum rate_period)i, key->limits[i], &use.periods[i]));
    if (*ret_error == 0)
        return json_pack("{s:s, s:s, s:o}", "key_hash", key->hash, "key_prefix", key->prefix, "limits", limits);
    json_decref(limits);
    return NULL;
}

static bool has_limits(const struct key *key)
{
    for (int i = 0; i < RATE_PERIODS; i++)
        if (key->limits[i] > 0)
            return true;
    return false;
}

static int append_limited(struct api *api, json_t *list)
{
    struct key *keys = NULL;
    size_t n = 0;
    int r = key_list(api->keys, &keys, &n);

    for (size_t i = 0; r == 0 && i < n; i++)
        if (has_limits(&keys[i]))
            json_array_append_new(list, key_json(api, &keys[i], &r));
    key_list_free(keys, n);
    return r;
}

/* A managed key, or one of the environment. Returns 0, KEY_E_NOT_FOUND or a negative errno. */
static int append_one(struct api *api, const char *hash, json_t *list)
{
    struct key key = KEY_INIT;
    int r = digest_is_hex(hash) ? key_get(api->keys, hash, &key) : KEY_E_NOT_FOUND;

    for (unsigned i = 0; r == KEY_E_NOT_FOUND && keyring_environment(gate_keyring(api->gate), i, &key); i++)
        if (strcmp(key.hash, hash) == 0)
            r = 0;
    if (r == 0)
        json_array_append_new(list, key_json(api, &key, &r));
    if (r <= 0)
        key_deinit(&key);
    return r;
}

static json_t *endpoints_json(const struct rate_rule *rules)
{
    json_t *list = json_array();

    for (int i = RATE_NO_GROUP + 1; list && i < RATE_GROUPS; i++)
        if (rules[i].count > 0)
            json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "group", rate_group_name((enum rate_group)i),
                                                  "limit", (json_int_t)rules[i].count, "window_seconds",
                                                  (json_int_t)rules[i].seconds));
    return list;
}

static void rate_limits(void *context)
{
    struct http_request *request = context;
    struct api *api = http_request_data(request);
    const char *hash = http_request_query(request, "key_hash");
    json_t *list = json_array();
    int r = hash && *hash ? append_one(api, hash, list) : append_limited(api, list);

    if (r == 0) {
        answer_body(request, json_pack("{s:o, s:o, s:o}", "keys", list, "endpoints",
                                       endpoints_json(gate_rules(api->gate)), "timestamp", time_json(clock_wall_ms())));
        return;
    }
    json_decref(list);
    if (r > 0)
        http_respond_error(request, 404, "Key not found", NULL, 0, NULL);
    else
        answer_fault(request, 503, KEYS_FAULT, "keys", r);
}

void handle_security_rate_limits(struct http_request *request)
{
    answer_offloaded(request, rate_limits);
}

/* ---- A5.3: events ---- */

/* A query string makes a space of the plus in +01:00. */
static bool parse_time(const char *text, int64_t *ret_wall_ms)
{
    char copy[64];

    if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
        return false;
    for (char *c = copy; (c = strchr(c, ' ')); c++)
        *c = '+';
    return clock_parse_iso(copy, ret_wall_ms);
}

static bool read_filter(struct http_request *request, struct audit_filter *ret_filter)
{
    const char *since = query_text(request, "since");

    *ret_filter = (struct audit_filter){
        .type = query_text(request, "event_type"),
        .severity = query_text(request, "severity"),
    };
    if (!since || parse_time(since, &ret_filter->since_ms))
        return true;
    answer_invalid(request, "query -> since", "datetime_parsing", "Input should be a valid time in ISO 8601");
    return false;
}

static json_t *parse_all(char *const *texts)
{
    json_t *list = json_array();

    for (; list && *texts; texts++)
        json_array_append_new(list, json_loads(*texts, 0, NULL));
    return list;
}

static json_t *events_json(struct audit *audit, char *const *texts)
{
    struct audit_status status = audit_status(audit);
    json_t *events = parse_all(texts);

    return json_pack("{s:o, s:I, s:o, s:{s:I, s:I, s:b}}", "events", events, "count",
                     (json_int_t)json_array_size(events), "timestamp", time_json(clock_wall_ms()), "log", "posted",
                     (json_int_t)status.posted, "lost", (json_int_t)status.lost, "failing", status.failing);
}

void handle_security_events(struct http_request *request)
{
    const struct api *api = http_request_data(request);
    struct audit_filter filter;
    char **texts = NULL;
    json_t *body = NULL;
    int64_t limit = EVENTS_DEFAULT;

    if (!query_read_integer(request, "limit", 1, EVENTS_MAX, &limit) || !read_filter(request, &filter))
        return;
    if (audit_recent(api->engine->audit, &filter, (size_t)limit, &texts) == 0)
        body = events_json(api->engine->audit, texts);
    audit_recent_free(texts);
    answer_body(request, body);
}

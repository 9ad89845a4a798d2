/* SPDX-License-Identifier: Apache-2.0 */
#include "api/gate.h"

#include <errno.h>
#include <nettle/memops.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "api/audited.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"

#define IDLE_MS 60000 /* after which a key is forgotten that nobody presents, besides the time it is remembered for */

struct gate {
    struct keyring *ring;
    struct tally *failures;
    struct tally *anonymous[RATE_GROUPS]; /* requests without authentication; NULL where no rule is */
    struct rate_rule rules[RATE_GROUPS];
    bool auth_enabled, has_master;
    uint8_t master[DIGEST_RAW_SIZE];
    int64_t failure_limit, failure_window_ms;
};

_Static_assert(HTTP_TENANT_SIZE == TENANT_SIZE && HTTP_KEY_DIGEST_SIZE == DIGEST_RAW_SIZE &&
                   HTTP_ADDRESS_SIZE == PEER_ADDRESS_SIZE,
               "http.h is told what the domain means");

/* http-api.md 4.5. A failure is a try of a key, which counts against its address (4.6). */
enum verdict {
    GRANTED,
    ANONYMOUS,
    NO_KEY,
    UNKNOWN_KEY,
    DISABLED_KEY,
    EXPIRED_KEY,
    NOT_MASTER,
    NO_MASTER,
    BLOCKED,
    FAULT,
};

static const struct {
    unsigned status;
    const char *text;
    bool failure;
} verdicts[] = {
    [GRANTED] = { 0, NULL, false },
    [ANONYMOUS] = { 0, NULL, false },
    [NO_KEY] = { 401, "API key is required", false },
    [UNKNOWN_KEY] = { 401, "Invalid API key", true },
    [DISABLED_KEY] = { 401, "API key is disabled", true },
    [EXPIRED_KEY] = { 401, "API key has expired", true },
    [NOT_MASTER] = { 403, "Invalid Master API Key", false },
    [NO_MASTER] = { 500, "Admin operations are disabled (no MASTER_API_KEY configured)", false },
    [BLOCKED] = { 429, "Too many authentication failures. Please try again later.", false },
    [FAULT] = { 500, "Internal security error", false },
};

/* ---- life ---- */

static int add_keys(struct gate *gate, const struct gate_options *options)
{
    const char *const *list = options->api_keys;
    char name[KEY_NAME_SIZE];
    int r = *options->api_key ? keyring_add_environment(gate->ring, "Environment Key (API_KEY)", options->api_key) : 0;

    for (unsigned i = 0; r == 0 && list && list[i]; i++) {
        snprintf(name, sizeof(name), "Environment Key (API_KEYS #%u)", i + 1);
        r = keyring_add_environment(gate->ring, name, list[i]);
    }
    return r;
}

static int make_tallies(struct gate *gate)
{
    gate->failures = tally_new();
    for (int i = 0; i < RATE_GROUPS; i++)
        if (gate->rules[i].count > 0 && !(gate->anonymous[i] = tally_new()))
            return -ENOMEM;
    return gate->failures ? 0 : -ENOMEM;
}

int gate_new(const struct gate_options *options, struct gate **ret_gate)
{
    struct keyring_options ring = { .store = options->store,
                                    .ttl_ms = options->cache_ttl_ms,
                                    .idle_ms = 2 * options->cache_ttl_ms + IDLE_MS,
                                    .key_limits = options->key_limits };
    struct gate *gate = calloc(1, sizeof(*gate));
    int r;

    if (!gate)
        return -ENOMEM;
    gate->auth_enabled = options->auth_enabled;
    gate->failure_limit = options->failure_limit;
    gate->failure_window_ms = options->failure_window_ms;
    gate->has_master = *options->master_key != '\0';
    if (gate->has_master)
        key_digest(options->master_key, gate->master);
    memcpy(gate->rules, options->rules, sizeof(gate->rules));
    memcpy(ring.rules, options->rules, sizeof(ring.rules));
    r = keyring_new(&ring, &gate->ring);
    if (r == 0)
        r = add_keys(gate, options);
    if (r == 0)
        r = make_tallies(gate);
    if (r < 0) {
        gate_free(gate);
        return r;
    }
    *ret_gate = gate;
    return 0;
}

struct gate *gate_free(struct gate *gate)
{
    if (!gate)
        return NULL;
    gate->ring = keyring_free(gate->ring);
    gate->failures = tally_free(gate->failures);
    for (int i = 0; i < RATE_GROUPS; i++)
        gate->anonymous[i] = tally_free(gate->anonymous[i]);
    free(gate);
    return NULL;
}

struct keyring *gate_keyring(struct gate *gate)
{
    return gate->ring;
}

const struct rate_rule *gate_rules(const struct gate *gate)
{
    return gate->rules;
}

/* ---- who ---- */

static int64_t now_ms(void)
{
    return clock_monotonic_us() / 1000;
}

static enum verdict verdict_of_key(int r)
{
    switch (r) {
    case 0:
        return GRANTED;
    case KEY_E_NOT_FOUND:
        return UNKNOWN_KEY;
    case KEY_E_DISABLED:
        return DISABLED_KEY;
    case KEY_E_EXPIRED:
        return EXPIRED_KEY;
    default:
        return FAULT;
    }
}

static enum verdict look_up(struct gate *gate, const struct http_claim *claim, struct key_holder *ret_holder)
{
    int r = keyring_find(gate->ring, claim->key_digest, ret_holder);

    if (r < 0)
        log_error("request %s: cannot look a key up: %s", claim->request_id, strerror(-r));
    return verdict_of_key(r);
}

static enum verdict decide_master(struct gate *gate, const struct http_claim *claim, struct key_holder *ret_holder)
{
    enum verdict verdict;

    if (gate->has_master && memeql_sec(gate->master, claim->key_digest, DIGEST_RAW_SIZE)) {
        *ret_holder = (struct key_holder){ .tenant = TENANT_ENVIRONMENT };
        return GRANTED;
    }
    verdict = look_up(gate, claim, ret_holder);
    if (verdict != GRANTED)
        return verdict;
    return gate->has_master ? NOT_MASTER : NO_MASTER;
}

static bool is_blocked(struct gate *gate, const struct http_claim *claim, unsigned *ret_seconds)
{
    int64_t now = now_ms();
    struct tally_count count;

    if (gate->failure_limit == 0)
        return false;
    count = tally_get(gate->failures, claim->client, now);
    *ret_seconds = (unsigned)((count.ends_ms - now + 999) / 1000);
    return count.count >= gate->failure_limit;
}

/* Counts a failure. Returns false if others that ran beside this one used the tries up. */
static bool count_failure(struct gate *gate, const struct http_claim *claim, unsigned *ret_seconds)
{
    int64_t now = now_ms();
    struct tally_count count;
    bool counted;

    if (gate->failure_limit == 0)
        return true;
    counted = tally_add(gate->failures, claim->client, now, gate->failure_limit, gate->failure_window_ms, true, &count);
    *ret_seconds = (unsigned)((count.ends_ms - now + 999) / 1000);
    return counted;
}

static enum verdict decide(struct gate *gate, const struct http_claim *claim, struct key_holder *ret_holder,
                           unsigned *ret_seconds)
{
    enum verdict verdict;

    if (claim->needed != HTTP_MASTER && !gate->auth_enabled) {
        *ret_holder = (struct key_holder){ .tenant = TENANT_ENVIRONMENT };
        return ANONYMOUS;
    }
    if (is_blocked(gate, claim, ret_seconds))
        return BLOCKED;
    if (!claim->has_key)
        return NO_KEY;
    verdict = claim->needed == HTTP_MASTER ? decide_master(gate, claim, ret_holder) : look_up(gate, claim, ret_holder);
    if (verdicts[verdict].failure && !count_failure(gate, claim, ret_seconds))
        return BLOCKED;
    return verdict;
}

static void tell_block(const struct api *api, const struct gate *gate, const struct http_claim *claim)
{
    char window[32];

    snprintf(window, sizeof(window), "%lld seconds", (long long)gate->failure_window_ms / 1000);
    audited_limit(api, claim, "auth_failures", window, gate->failure_limit, gate->failure_limit);
}

static bool refuses(enum verdict verdict, unsigned seconds, struct http_refusal *ret_refusal)
{
    if (verdicts[verdict].status == 0)
        return false;
    *ret_refusal = (struct http_refusal){ .status = verdicts[verdict].status,
                                          .text = verdicts[verdict].text,
                                          .retry_after_seconds = seconds };
    return true;
}

bool gate_authenticate(const struct http_claim *claim, struct http_principal *ret_principal,
                       struct http_refusal *ret_refusal, void *data)
{
    struct gate *gate = ((struct api *)data)->gate;
    struct key_holder holder = { 0 };
    unsigned seconds = 0;
    enum verdict verdict = decide(gate, claim, &holder, &seconds);

    if (verdict == BLOCKED)
        tell_block(data, gate, claim);
    if (refuses(verdict, verdict == BLOCKED ? seconds : 0, ret_refusal))
        return false;
    memcpy(ret_principal->tenant, holder.tenant, TENANT_SIZE);
    ret_principal->anonymous = verdict == ANONYMOUS;
    return true;
}

/* Whoever had a good key when it began has tried none out: nothing is counted against its address. */
bool gate_confirm(const struct http_claim *claim, const struct http_principal *principal,
                  struct http_refusal *ret_refusal, void *data)
{
    struct gate *gate = ((struct api *)data)->gate;
    struct key_holder holder;

    if (principal->anonymous || claim->needed == HTTP_MASTER)
        return true; /* neither ends while the server runs */
    return !refuses(look_up(gate, claim, &holder), 0, ret_refusal);
}

/* As keyring_find(). */
static int find_by_hash(const struct api *api, const char *key_hash)
{
    uint8_t digest[DIGEST_RAW_SIZE];
    struct key_holder holder;

    return digest_from_hex(key_hash, digest) ? keyring_find(api->gate->ring, digest, &holder) : 0;
}

bool gate_key_is_gone(const char *key_hash, void *data)
{
    return find_by_hash(data, key_hash) > 0;
}

const char *gate_key_fault(const char *key_hash, void *data)
{
    const char *text = verdicts[verdict_of_key(find_by_hash(data, key_hash))].text;

    return text ? text : verdicts[UNKNOWN_KEY].text; /* it is good again, which comes too late */
}

size_t gate_failures(struct gate *gate, size_t n, struct tally_count *ret_counts, int64_t *ret_total)
{
    return tally_top(gate->failures, now_ms(), n, ret_counts, ret_total);
}

int64_t gate_failure_limit(const struct gate *gate)
{
    return gate->failure_limit;
}

/* ---- how often ---- */

static void tell(const struct rate_standing *standing, struct http_rate *ret_rate)
{
    ret_rate->period = standing->name;
    ret_rate->limit = standing->limit;
    ret_rate->remaining = standing->used < standing->limit ? standing->limit - standing->used : 0;
    ret_rate->resets_ms = standing->resets_ms;
}

static void tell_period(const struct rate_standing *standing, struct http_rate *ret_rate)
{
    tell(standing, ret_rate);
    snprintf(ret_rate->message, sizeof(ret_rate->message), "Rate limit exceeded for %s. Limit: %lld, Used: %lld",
             standing->name, (long long)standing->limit, (long long)standing->used);
}

static void tell_group(const struct rate_standing *standing, struct http_rate *ret_rate)
{
    int64_t left_ms = standing->resets_ms - clock_wall_ms();

    tell(standing, ret_rate);
    snprintf(ret_rate->message, sizeof(ret_rate->message),
             "Too many requests to this endpoint. Please retry in %lld seconds.",
             (long long)(left_ms > 1000 ? (left_ms + 999) / 1000 : 1));
}

/* Without a key the address is the caller (5.2). *ret_standing only with false. */
static bool admit_anonymous(struct gate *gate, const struct http_claim *claim, enum rate_group group,
                            struct rate_standing *ret_standing)
{
    const struct rate_rule *rule = &gate->rules[group];
    int64_t now = now_ms();
    struct tally_count count;

    if (!gate->anonymous[group] ||
        tally_add(gate->anonymous[group], claim->client, now, rule->count, rule->seconds * 1000, false, &count))
        return true;
    *ret_standing = (struct rate_standing){ .name = rate_group_name(group),
                                            .limit = rule->count,
                                            .used = count.count,
                                            .resets_ms = clock_wall_ms() + count.ends_ms - now };
    return false;
}

/* *ret_standing is not set with KEYRING_ADMITTED. */
static enum keyring_admission admit(struct gate *gate, const struct http_claim *claim,
                                    const struct http_principal *principal, struct rate_standing *ret_standing)
{
    enum rate_group group = (enum rate_group)claim->group;

    if (claim->needed == HTTP_MASTER)
        return KEYRING_ADMITTED;
    if (principal->anonymous)
        return admit_anonymous(gate, claim, group, ret_standing) ? KEYRING_ADMITTED : KEYRING_GROUP_LIMITED;
    return keyring_admit(gate->ring, claim->key_digest, group, ret_standing);
}

bool gate_admit(const struct http_claim *claim, const struct http_principal *principal, struct http_rate *ret_rate,
                void *data)
{
    const struct api *api = data;
    struct rate_standing standing;
    const char *used_up;

    switch (admit(api->gate, claim, principal, &standing)) {
    case KEYRING_ADMITTED:
        return true;
    case KEYRING_ADMITTED_TELL:
        tell(&standing, ret_rate);
        return true;
    case KEYRING_PERIOD_LIMITED:
        tell_period(&standing, ret_rate);
        used_up = "api_key";
        break;
    case KEYRING_GROUP_LIMITED:
    default:
        tell_group(&standing, ret_rate);
        used_up = "endpoint";
    }
    audited_limit(api, claim, used_up, standing.name, standing.limit, standing.used);
    return false;
}

/* SPDX-License-Identifier: Apache-2.0 */
/* What every request passes before its handler, in the order of http-api.md 3. Who may call, and how often, is asked of
 * the gate. */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "http/internal.h"
#include "http/text.h"

#define CORS_METHODS "GET, POST, PUT, PATCH, DELETE, OPTIONS"

/* ---- 1: syntax ---- */

struct header_census {
    unsigned content_lengths, transfer_encodings, hosts;
    bool bad_name;
};

static enum MHD_Result count_header(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct header_census *census = context;

    (void)kind;
    (void)value;
    census->bad_name |= !text_is_token(name, strlen(name));
    census->content_lengths += strcasecmp(name, "Content-Length") == 0;
    census->transfer_encodings += strcasecmp(name, "Transfer-Encoding") == 0;
    census->hosts += strcasecmp(name, "Host") == 0;
    return MHD_YES;
}

/* What is wrong with the framing, or NULL. Whoever stands before us may read an ambiguous request otherwise than we do
 * and take the rest of its body for a request of its own; so nothing ambiguous passes. */
static const char *framing_fault(const struct http_request *request)
{
    struct header_census census = { 0 };
    const char *encoding;

    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_header, &census);
    encoding = request_header(request, "Transfer-Encoding");
    if (census.bad_name)
        return "Malformed header name";
    if (census.hosts > 1 || (census.hosts == 0 && !request->http10))
        return "A request needs one Host header";
    if (census.content_lengths > 1 || census.transfer_encodings > 1 ||
        (census.content_lengths && census.transfer_encodings))
        return "Ambiguous length of the body";
    if (encoding && (request->http10 || strcasecmp(encoding, "chunked") != 0))
        return "Unsupported transfer encoding";
    return NULL;
}

/* Digits only: checked by the library below. The largest number means an unknown length, here as there; one less is
 * beyond all limits too. */
static uint64_t length_of(const char *digits)
{
    uint64_t length = strtoull(digits, NULL, 10);

    return length < UINT64_MAX ? length : UINT64_MAX - 1;
}

static void learn_body(struct http_request *request)
{
    const char *length = request_header(request, "Content-Length");
    const char *expect = request_header(request, "Expect");

    if (request_header(request, "Transfer-Encoding"))
        request->declared_bytes = UINT64_MAX;
    else if (length)
        request->declared_bytes = length_of(length);
    request->has_body = request->declared_bytes > 0;
    request->expects_continue = expect && strcasecmp(expect, "100-continue") == 0;
}

static void learn_client(struct http_request *request)
{
    const struct http_server *server = request->server;
    const union MHD_ConnectionInfo *info;
    struct address peer = { 0 };

    info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr)
        address_from_socket(info->client_addr, &peer);
    request->client =
        address_of_client(&peer, server->trusted, server->n_trusted, request_header(request, "X-Forwarded-For"),
                          request_header(request, "X-Real-IP"));
    address_format(&request->client, request->client_ip);
}

/* Skips scheme and authority of a target in absolute form. */
static const char *target_path(const char *target)
{
    const char *rest;

    if (strncasecmp(target, "http://", 7) != 0 && strncasecmp(target, "https://", 8) != 0)
        return target;
    rest = strchr(strstr(target, "//") + 2, '/');
    return rest ? rest : "/";
}

/* What is wrong with the request target, or NULL. *ret_fault is a negative errno if it could not be looked at. */
static const char *learn_target(struct http_request *request, int *ret_fault)
{
    const char *path = target_path(request->target);
    size_t length = strcspn(path, "?#");
    int r;

    *ret_fault = 0;
    if (strcmp(path, "*") == 0 && strcmp(request->method, "OPTIONS") == 0)
        path = "/*", length = 2;
    if (strpbrk(path, " \t"))
        return "Malformed request target";
    if (strstr(path, "%00"))
        return "NUL byte in the request target";
    r = router_path_init(&request->path, path, length);
    if (r > 0)
        return "Malformed request target";
    if (r == 0 && path[length] == '?') {
        request->query = text_query_decode(path + length + 1, &request->query_length);
        r = request->query ? 0 : -ENOMEM;
    }
    *ret_fault = r;
    return NULL;
}

static bool check_syntax(struct http_request *request)
{
    const struct http_options *options = &request->server->options;
    const union MHD_ConnectionInfo *info;
    const char *fault;
    int r = 0;

    learn_client(request);
    learn_body(request);
    info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info && info->header_size > options->max_header_bytes) {
        http_respond_error(request, 431, "Request header fields too large", NULL, 0, NULL);
        return true;
    }
    fault = framing_fault(request);
    request->must_close = fault != NULL;
    if (!fault)
        fault = learn_target(request, &r);
    if (fault || r < 0) {
        http_respond_error(request, fault ? 400 : 500, fault ? fault : "Internal security error", NULL, 0, NULL);
        return true;
    }
    router_find(options->routes, options->n_routes, options->alias_prefix, &request->path, request->method,
                &request->match);
    return false;
}

/* The library below asks for a client certificate but takes any answer. */
static bool has_certificate(const struct http_request *request)
{
    const union MHD_ConnectionInfo *info;
    unsigned faults = 0;

    info = MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    return info && gnutls_certificate_verify_peers2(info->tls_session, &faults) == GNUTLS_E_SUCCESS && faults == 0;
}

/* ---- 2: CORS ---- */

static bool is_allowed_origin(const struct http_options *options, const char *origin)
{
    if (!options->cors_origins || !options->cors_origins[0])
        return true;
    for (const char *const *o = options->cors_origins; *o; o++)
        if (strcmp(*o, origin) == 0 || strcmp(*o, "*") == 0)
            return true;
    return false;
}

static bool check_cors(struct http_request *request)
{
    const char *origin = request_header(request, "Origin"), *wanted;
    struct http_header headers[] = { { "Access-Control-Allow-Methods", CORS_METHODS },
                                     { "Access-Control-Max-Age", "600" },
                                     { "Access-Control-Allow-Headers", "*" },
                                     { NULL, NULL } };

    if (!request->server->options.cors_enabled || !origin)
        return false;
    if (is_allowed_origin(&request->server->options, origin))
        request->cors_origin = strdup(origin);
    if (strcmp(request->method, "OPTIONS") != 0 || !request_header(request, "Access-Control-Request-Method"))
        return false;
    wanted = request_header(request, "Access-Control-Request-Headers");
    if (wanted)
        headers[2].value = wanted; /* with credentials a star would mean nothing */
    http_respond_static(request, 200, "text/plain", request->cors_origin ? headers : NULL, "OK", 2);
    return true;
}

/* ---- 3: content type ---- */

static bool is_known_type(const char *type)
{
    static const char *const known[] = { "application/json", "multipart/form-data", "application/x-www-form-urlencoded",
                                         "text/plain" };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcasestr(type, known[i]))
            return true;
    return text_media_type_is_json_suffix(type);
}

static bool is_exempt(const struct http_request *request)
{
    const char *const *prefix = request->server->options.upload_prefixes;

    for (; prefix && *prefix; prefix++)
        if (strncmp(request->path.text, *prefix, strlen(*prefix)) == 0)
            return true;
    return request->match.route && request->match.route->body == HTTP_BODY_RAW;
}

static bool check_content_type(struct http_request *request)
{
    const char *type = request_header(request, "Content-Type");
    CLEANUP_FREE char *text = NULL;

    if (strcmp(request->method, "POST") != 0 && strcmp(request->method, "PUT") != 0 &&
        strcmp(request->method, "PATCH") != 0)
        return false;
    if (!type || !type[0] || is_known_type(type) || is_exempt(request))
        return false;
    if (asprintf(&text, "Unsupported content type: %s", type) < 0)
        text = NULL;
    http_respond_error(request, 415, text ? text : "Unsupported content type", NULL, 0, NULL);
    return true;
}

/* ---- 4: authentication ---- */

/* What the path needs, whether or not there is a row for it: an unknown path is not an open one. */
static enum http_auth needed_auth(const struct http_request *request)
{
    const struct http_area *area = request->server->options.areas;

    if (strcmp(request->method, "OPTIONS") == 0)
        return HTTP_OPEN;
    if (request->match.known)
        return request->match.known->auth;
    for (; area && area->prefix; area++)
        if (router_path_below(&request->path, area->prefix))
            return area->auth;
    return HTTP_KEY;
}

#define SHORT_KEY_LENGTH 12 /* of which six characters would tell too much */

static void note_key(struct http_request *request, const struct auth_credential *credential)
{
    if (!credential->length) {
        strcpy(request->key_prefix, "anonymous");
        return;
    }
    snprintf(request->key_prefix, sizeof(request->key_prefix), "%.*s...", credential->length < SHORT_KEY_LENGTH ? 2 : 6,
             credential->key);
    request->claim.has_key = true;
    memcpy(request->claim.key_digest, credential->digest, AUTH_DIGEST_SIZE);
}

static void note_claim(struct http_request *request)
{
    struct http_claim *claim = &request->claim;

    claim->needed = needed_auth(request);
    claim->group = request->match.route ? request->match.route->group : 0;
    claim->key_prefix = request->key_prefix;
    memcpy(claim->client, request->client.bytes, HTTP_ADDRESS_SIZE);
    claim->client_ip = request->client_ip;
    claim->request_id = request->id;
    claim->method = request->method;
    claim->path = request->path.text;
}

static void note_principal(struct http_request *request)
{
    static const char digits[] = "0123456789abcdef";

    if (request->principal.anonymous) {
        strcpy(request->key_prefix, "anonymous");
        return;
    }
    for (size_t i = 0; i < AUTH_DIGEST_SIZE; i++) {
        request->key_hash[2 * i] = digits[request->claim.key_digest[i] >> 4];
        request->key_hash[2 * i + 1] = digits[request->claim.key_digest[i] & 15];
    }
}

static void answer_refusal(struct http_request *request, const struct http_refusal *refusal)
{
    char seconds[16];
    const struct http_header headers[] = { { refusal->retry_after_seconds ? "Retry-After" : NULL, seconds },
                                           { NULL, NULL } };

    snprintf(seconds, sizeof(seconds), "%u", refusal->retry_after_seconds);
    http_respond_error(request, refusal->status, refusal->text, NULL, 0, headers);
}

/* refusal is NULL if the request may go on. */
static void tell_attempt(struct http_request *request, const struct http_refusal *refusal)
{
    const struct http_options *options = &request->server->options;
    const struct http_attempt attempt = {
        .request_id = request->id,
        .method = request->method,
        .path = request->path.text,
        .client_ip = request->client_ip,
        .key_prefix = request->claim.has_key ? request->key_prefix : "none",
        .granted = !refusal,
        .reason = refusal ? refusal->text : NULL,
    };

    if (options->attempted)
        options->attempted(&attempt, options->data);
}

/* The first value of a header that is not blank. */
struct filled {
    const char *header, *value;
};

static enum MHD_Result find_filled(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct filled *filled = context;

    (void)kind;
    if (!filled->value && strcasecmp(name, filled->header) == 0 && value && value[strspn(value, " \t")])
        filled->value = value;
    return filled->value ? MHD_NO : MHD_YES;
}

/* Returns 0 or a negative errno. */
static int learn_claim(struct http_request *request)
{
    CLEANUP(auth_credential_deinit) struct auth_credential credential = { 0 };
    struct filled key = { .header = "X-API-Key" };
    int r;

    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, find_filled, &key);
    r = auth_credential_init(&credential, key.value, request_header(request, "Authorization"),
                             request->server->options.bearer_enabled);
    if (r < 0)
        return r;
    note_key(request, &credential);
    note_claim(request);
    return 0;
}

/* Whoever has a key and no certificate is told of like anybody else who asks without the right to. */
static bool check_certificate(struct http_request *request)
{
    static const struct http_refusal refusal = { .status = 403, .text = "A valid client certificate is required" };

    if (!request->server->options.tls_client_ca || has_certificate(request))
        return false;
    if (needed_auth(request) != HTTP_OPEN && learn_claim(request) == 0)
        tell_attempt(request, &refusal);
    answer_refusal(request, &refusal);
    return true;
}

static bool check_auth(struct http_request *request)
{
    const struct http_options *options = &request->server->options;
    struct http_refusal refusal = { .status = 500, .text = "Internal security error" };
    int r = learn_claim(request);

    if (r == 0 && request->claim.needed == HTTP_OPEN)
        return false;
    if (r < 0 || !options->gate.authenticate ||
        !options->gate.authenticate(&request->claim, &request->principal, &refusal, options->data)) {
        tell_attempt(request, &refusal);
        answer_refusal(request, &refusal);
        return true;
    }
    tell_attempt(request, NULL);
    note_principal(request);
    return false;
}

/* ---- 5: the asserted profile ---- */

struct profile_census {
    const char *header;
    const char *value;
    unsigned n;
};

/* An empty assertion asserts nothing. */
static enum MHD_Result count_profile(void *context, enum MHD_ValueKind kind, const char *name, const char *value)
{
    struct profile_census *census = context;

    (void)kind;
    if (strcasecmp(name, census->header) == 0 && value && value[0]) {
        census->value = value;
        census->n++;
    }
    return MHD_YES;
}

static bool is_known_profile(const struct http_profile *profile, const char *name)
{
    for (const char *const *known = profile->known; known && *known; known++)
        if (strcmp(*known, name) == 0)
            return true;
    return strcmp(profile->name, name) == 0;
}

static void answer_profile(struct http_request *request, unsigned status, const char *error, const char *message,
                           const char *asserted)
{
    json_t *json = http_error_json(request, status, error, NULL, 0);

    json_object_set_new(json, "message", json_string(message));
    if (status == 409) {
        json_object_set_new(json, "expected_profile", json_string(asserted));
        json_object_set_new(json, "actual_profile", json_string(request->server->options.profile.name));
    }
    http_respond_json(request, status, json);
}

static bool check_profile(struct http_request *request)
{
    const struct http_profile *profile = &request->server->options.profile;
    struct profile_census census = { .header = profile->expect_header };
    char message[256];

    if (!census.header || !request->match.known || !request->match.known->profile)
        return false;
    MHD_get_connection_values(request->connection, MHD_HEADER_KIND, count_profile, &census);
    if (census.n == 0)
        return false;
    if (census.n > 1 || !is_known_profile(profile, census.value)) {
        /* invalid UTF-8 in the value leaves the message out */
        snprintf(message, sizeof(message), "Invalid execution profile: %s", census.value);
        answer_profile(request, 400, "invalid_execution_profile", message, census.value);
        return true;
    }
    if (profile->accept_any || strcmp(census.value, profile->name) == 0)
        return false;
    snprintf(message, sizeof(message), "Expected the %s execution profile, but reached %s", census.value,
             profile->name);
    answer_profile(request, 409, "execution_profile_mismatch", message, census.value);
    return true;
}

/* ---- 6: not now ---- */

static bool check_refusal(struct http_request *request)
{
    const char *refusal = request->server->refusal;

    if (!refusal || needed_auth(request) == HTTP_OPEN)
        return false;
    http_respond_error(request, 503, refusal, NULL, 0, NULL);
    return true;
}

/* ---- 7: limits ---- */

/* The form that clients know (5.3): they wait as long as "retry_after_seconds" says only if "error" is this. */
static void answer_limited(struct http_request *request)
{
    const struct http_rate *rate = &request->rate;
    int64_t left_ms = rate->resets_ms - clock_wall_ms(), seconds = left_ms > 1000 ? (left_ms + 999) / 1000 : 1;
    char text[24], limit[24];
    const struct http_header headers[] = { { "Retry-After", text },
                                           { "RateLimit-Limit", limit },
                                           { "RateLimit-Remaining", "0" },
                                           { "RateLimit-Reset", text },
                                           { NULL, NULL } };
    json_t *json = http_error_json(request, 429, "rate_limited", NULL, 0);

    snprintf(text, sizeof(text), "%lld", (long long)seconds);
    snprintf(limit, sizeof(limit), "%lld", (long long)rate->limit);
    json_object_set_new(json, "message", json_string(rate->message));
    json_object_set_new(json, "retry_after_seconds", json_integer(seconds));
    http_respond_json_headers(request, 429, json, headers);
}

static bool check_limits(struct http_request *request)
{
    const struct http_options *options = &request->server->options;

    if (!options->gate.admit || needed_auth(request) == HTTP_OPEN ||
        options->gate.admit(&request->claim, &request->principal, &request->rate, options->data))
        return false;
    answer_limited(request);
    return true;
}

/* ---- 8: route ---- */

static void answer_unrouted(struct http_request *request, unsigned status, const char *text,
                            const struct http_header *headers)
{
    json_t *json = http_error_json(request, status, text, NULL, 0);

    json_object_set_new(json, "detail", json_string(text));
    http_respond_json_headers(request, status, json, headers);
}

static bool check_route(struct http_request *request)
{
    const struct router_match *match = &request->match;
    struct http_header headers[] = { { "Allow", match->allow[0] ? match->allow : "OPTIONS" }, { NULL, NULL } };

    if (match->route)
        return false;
    if (strcmp(request->method, "OPTIONS") == 0)
        http_respond_static(request, 200, "text/plain", headers, "OK", 2);
    else if (match->known)
        answer_unrouted(request, 405, "Method Not Allowed", headers);
    else
        answer_unrouted(request, 404, "Not Found", NULL);
    return true;
}

bool checks_confirm(struct http_request *request)
{
    const struct http_options *options = &request->server->options;
    struct http_refusal refusal = { .status = 500, .text = "Internal security error" };

    if (!options->gate.confirm || request->phase != PHASE_BODY || request->claim.needed == HTTP_OPEN ||
        options->gate.confirm(&request->claim, &request->principal, &refusal, options->data))
        return false;
    tell_attempt(request, &refusal);
    answer_refusal(request, &refusal);
    return true;
}

bool checks_run(struct http_request *request)
{
    static bool (*const checks[])(struct http_request *) = {
        check_syntax,  check_certificate, check_cors,   check_content_type, check_auth,
        check_profile, check_refusal,     check_limits, check_route,        body_begin,
    };

    for (size_t i = 0; i < ARRAY_SIZE(checks); i++)
        if (checks[i](request))
            return true;
    return false;
}

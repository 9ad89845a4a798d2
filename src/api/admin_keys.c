/* SPDX-License-Identifier: Apache-2.0 */
/* admin_keys.c -- keys over HTTP (admin.md A3). Everything runs on an offload thread: the store waits for its disk, and
 * for the command line if that changes keys at the same time. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api/answer.h"
#include "api/audited.h"
#include "api/gate.h"
#include "api/handlers.h"
#include "api/key_body.h"
#include "base/cleanup.h"
#include "domain/key_event.h"

#define FAULT_TEXT "Key storage is unavailable"

static void answer_record_fault(struct http_request *request, int r)
{
    answer_fault(request, 503, FAULT_TEXT, "keys", r);
}

/* ---- list ---- */

static int append_record(struct api *api, json_t *list, const struct key *key, bool environment)
{
    struct key_use use;
    int r = keyring_use(gate_keyring(api->gate), key->hash, &use);

    if (r < 0)
        return r;
    return json_array_append_new(list, key_body_record(key, &use, environment)) < 0 ? -ENOMEM : 0;
}

/* The keys of the environment are as old as the process, and so the newest but for those made since. */
static int append_all(struct api *api, json_t *list, const struct key *keys, size_t n)
{
    struct key key;
    size_t i = 0;
    int r = 0;

    for (unsigned number = 0; r == 0 && keyring_environment(gate_keyring(api->gate), number, &key); number++) {
        for (; r == 0 && i < n && keys[i].created_ms > key.created_ms; i++)
            r = append_record(api, list, &keys[i], false);
        if (r == 0)
            r = append_record(api, list, &key, true);
    }
    for (; r == 0 && i < n; i++)
        r = append_record(api, list, &keys[i], false);
    return r;
}

static void list_keys(void *context)
{
    struct http_request *request = context;
    struct api *api = http_request_data(request);
    json_t *list = json_array();
    struct key *keys = NULL;
    size_t n = 0;
    int r = list ? key_list(api->keys, &keys, &n) : -ENOMEM;

    if (r == 0)
        r = append_all(api, list, keys, n);
    key_list_free(keys, n);
    if (r == 0) {
        http_respond_json(request, 200, list);
        return;
    }
    json_decref(list);
    answer_record_fault(request, r);
}

/* ---- create ---- */

static void cleanup_body(struct key_body *body)
{
    key_body_deinit(body);
}

/* Reads and checks the body. Returns false after having answered. */
static bool take_body(struct http_request *request, bool creation, struct key_body *body)
{
    json_t *json = http_json_object(request);
    int r;

    if (!json)
        return false;
    r = key_body_parse(json, creation, body);
    json_decref(json);
    if (r == KEY_BODY_E_REFUSED)
        answer_error(request, 422, "Request validation failed", body->details, NULL, NULL);
    else if (r < 0)
        answer_unexpected(request, "cannot read the body", r);
    return r == 0;
}

static void create_key(void *context)
{
    struct http_request *request = context;
    struct api *api = http_request_data(request);
    CLEANUP(cleanup_body) struct key_body body = KEY_BODY_INIT;
    const struct key_use unused = { 0 };
    char text[KEY_TEXT_SIZE];
    int r;

    if (!take_body(request, true, &body))
        return;
    r = key_create(api->keys, &body.key, text);
    audited_key(request, "create", r == 0 ? body.key.hash : NULL, body.key.name, NULL, r == 0);
    if (r == KEY_E_TOO_MANY)
        http_respond_error(request, 409, "There are too many keys; revoke some first", NULL, 0, NULL);
    else if (r < 0)
        answer_record_fault(request, r);
    else
        http_respond_json(
            request, 200,
            json_pack("{s:s, s:o}", "api_key", text, "record", key_body_record(&body.key, &unused, false)));
    explicit_bzero(text, sizeof(text));
}

/* ---- change and revoke ---- */

/* Answers with the outcome of a change. */
static void answer_change(struct http_request *request, int r, const char *environment_text)
{
    if (r == 0)
        http_respond_static(request, 200, "application/json", NULL, "true", 4);
    else if (r == KEY_E_ENVIRONMENT)
        http_respond_error(request, 403, environment_text, NULL, 0, NULL);
    else if (r == KEY_E_NOT_FOUND)
        http_respond_error(request, 404, "Key not found", NULL, 0, NULL);
    else
        answer_record_fault(request, r);
}

static void change_key(void *context)
{
    struct http_request *request = context;
    struct api *api = http_request_data(request);
    const char *hash = http_request_param(request, "key_hash");
    CLEANUP(cleanup_body) struct key_body body = KEY_BODY_INIT;
    struct key_change change;
    int r = KEY_E_ENVIRONMENT;

    if (!take_body(request, false, &body))
        return;
    change = (struct key_change){
        .name = body.has_name ? body.key.name : NULL,
        .enabled = body.has_enabled ? &body.key.enabled : NULL,
        .limits = body.has_limits ? body.key.limits : NULL,
        .expires_ms = body.has_expiry ? &body.key.expires_ms : NULL,
        .network = body.has_network ? &body.key.network : NULL,
    };
    if (!keyring_is_environment(gate_keyring(api->gate), hash))
        r = key_change(api->keys, hash, &change);
    audited_key(request, key_event_operation(&change), hash, change.name, &change, r == 0);
    answer_change(request, r, "Environment keys cannot be modified. Update the API_KEY environment variable instead.");
}

static void revoke_key(void *context)
{
    struct http_request *request = context;
    struct api *api = http_request_data(request);
    const char *hash = http_request_param(request, "key_hash");
    int r = KEY_E_ENVIRONMENT;

    if (!keyring_is_environment(gate_keyring(api->gate), hash))
        r = key_revoke(api->keys, hash);
    audited_key(request, "revoke", hash, NULL, NULL, r == 0);
    answer_change(request, r, "Environment keys cannot be revoked. Remove the API_KEY environment variable instead.");
}

void handle_keys(struct http_request *request)
{
    answer_offloaded(request, list_keys);
}

void handle_key_create(struct http_request *request)
{
    answer_offloaded(request, create_key);
}

void handle_key_change(struct http_request *request)
{
    answer_offloaded(request, change_key);
}

void handle_key_revoke(struct http_request *request)
{
    answer_offloaded(request, revoke_key);
}

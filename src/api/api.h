/* SPDX-License-Identifier: Apache-2.0 */
/* api.h -- the product's routes on top of the HTTP library.
 *
 * How to use it: fill a struct api (everything up to "own" is borrowed), api_init(), start the server with
 * .routes = api_routes(), .gate as in gate.h, .data = &api and .upload_prefixes = api_upload_prefixes; report
 * executions to api.readiness. To stop: api_stopping(), drain the admission, http_server_stop(), api_deinit(),
 * http_server_free(). */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/network.h"
#include "api/readiness.h"
#include "domain/filename.h"
#include "engine/admission.h"
#include "engine/execution.h"
#include "http/http.h"

#define API_VERSION "1.2.0" /* what the contract has the API report */

struct gate;
struct health;
struct key_store;
struct offload;
struct ptc_requests;
struct ptc_runs;

struct api {
    struct engine *engine; /* with its kv, blobs and languages */
    struct admission *admission;
    const struct filename_rules *filename_rules;
    struct gate *gate;
    struct key_store *keys;
    int64_t max_file_bytes;       /* of one uploaded file */
    unsigned max_upload_files;    /* of one upload */
    bool agent_bypass_extensions; /* skills may ship any extension (files.md F2) */
    bool show_docs, debug;
    bool has_pool;       /* interpreters wait for programs */
    bool wan_access;     /* cells reach public addresses (security.md S4.2) */
    uint16_t proxy_port; /* of the proxy in cells (S4.3); 0 = there is none */

    unsigned ptc_max_paused, ptc_max_round_trips; /* ptc.md P8 */
    int64_t ptc_pause_ttl_ms;

    /* own, set by api_init() */
    struct readiness readiness;
    atomic_bool stopping;
    atomic_uint open_writers; /* unfinished blobs held by uploads, each with a descriptor */
    struct offload *offload;
    struct health *health;
    struct network_words network;
    struct ptc_requests *ptc_requests;
    struct ptc_runs *ptc_runs;
};

/* Starts what the handlers need. Returns 0 or a negative errno; the api is deinited in both cases. */
int api_init(struct api *api);
void api_deinit(struct api *api);

/* From now on /health says unhealthy and executions are refused. Async-signal-safe. */
void api_stopping(struct api *api);

/* The one table of routes. */
const struct http_route *api_routes(size_t *ret_n_routes);

/* Paths that are exempt from the content type rule, for http_options (http-api.md 7.1). */
extern const char *const api_upload_prefixes[];

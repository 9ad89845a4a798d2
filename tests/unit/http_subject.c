/* SPDX-License-Identifier: Apache-2.0 */
#include "http_subject.h"

#include <errno.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/clock.h"
#include "base/fd.h"

struct subject state = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void on_text(struct http_request *request)
{
    http_respond_static(request, 200, "text/plain", NULL, "hello", 5);
}

static void on_nothing(struct http_request *request)
{
    (void)request;
}

static void on_echo(struct http_request *request)
{
    json_t *json = http_json_object(request);

    if (json)
        http_respond_json(request, 200, json);
}

static void on_length(struct http_request *request)
{
    size_t length;
    char text[32];

    http_request_body(request, &length);
    snprintf(text, sizeof(text), "%zu", length);
    http_respond(request, 200, "text/plain", NULL, strdup(text), strlen(text));
}

static void on_item(struct http_request *request)
{
    const char *detail = http_request_query(request, "detail"), *empty = http_request_query(request, "empty");
    json_t *json = json_pack("{s:s, s:s, s:s?, s:s?, s:s, s:s, s:s}", "a", http_request_param(request, "a"), "b",
                             http_request_param(request, "b"), "detail", detail, "empty", empty, "ip",
                             http_request_client_ip(request), "tenant", http_request_tenant(request), "key",
                             http_request_key_prefix(request));

    assert_null(http_request_param(request, "c"));
    http_respond_json(request, 200, json);
}

static void on_rest(struct http_request *request)
{
    const char *rest = http_request_param(request, "*");

    http_respond(request, 200, "text/plain", NULL, strdup(rest), strlen(rest));
}

static void on_header(struct http_request *request)
{
    struct http_header headers[] = { { "Content-Disposition", http_request_query(request, "value") },
                                     { "Content-Security-Policy", "sandbox" },
                                     { NULL, NULL } };

    http_respond_static(request, 200, "text/plain", headers, "", 0);
}

static void on_file(struct http_request *request)
{
    int fd = memfd_create("file", MFD_CLOEXEC);

    assert_int_equal(fd_write_full(fd, "0123456789", 10), 0);
    http_respond_fd(request, 200, "application/octet-stream", NULL, fd, 10);
}

/* ---- uploads ---- */

struct upload {
    unsigned parts, files;
    uint64_t bytes;
    char last_name[300];
    size_t last_name_length;
};

static int upload_open(struct http_request *request, void **ret_context)
{
    assert_non_null(http_request_header(request, "Host"));
    pthread_mutex_lock(&state.lock);
    state.uploads_open++;
    pthread_mutex_unlock(&state.lock);
    *ret_context = calloc(1, sizeof(struct upload));
    return 0;
}

static int upload_part_begin(void *context, const struct http_part *part)
{
    struct upload *upload = context;

    if (strcmp(part->name, "stop") == 0)
        return 1;
    if (strcmp(part->name, "fail") == 0)
        return -EIO;
    upload->parts++;
    upload->files += part->filename != NULL;
    if (part->filename && part->filename_length < sizeof(upload->last_name)) {
        memcpy(upload->last_name, part->filename, part->filename_length + 1);
        upload->last_name_length = part->filename_length;
    }
    return 0;
}

static int upload_part_data(void *context, const void *data, size_t length)
{
    ((struct upload *)context)->bytes += length;
    assert_non_null(data);
    return 0;
}

static int upload_part_end(void *context)
{
    (void)context;
    return 0;
}

static void upload_close(void *context)
{
    free(context);
    pthread_mutex_lock(&state.lock);
    state.uploads_closed++;
    pthread_mutex_unlock(&state.lock);
}

static const struct http_upload upload_calls = { upload_open, upload_part_begin, upload_part_data, upload_part_end,
                                                 upload_close };

static void on_upload(struct http_request *request)
{
    const struct upload *upload = http_request_upload_context(request);

    if (!upload) {
        http_respond_error(request, 422, "Request validation failed", NULL, 0, NULL);
        return;
    }
    http_respond_json(request, 200,
                      json_pack("{s:i, s:i, s:I, s:s%}", "parts", (int)upload->parts, "files", (int)upload->files,
                                "bytes", (json_int_t)upload->bytes, "name", upload->last_name,
                                upload->last_name_length));
}

static void on_completed(const struct http_summary *summary, void *data)
{
    (void)data;
    pthread_mutex_lock(&state.lock);
    state.last.status = summary->status;
    state.last.aborted = summary->aborted;
    state.last.request_bytes = summary->request_bytes;
    pthread_mutex_unlock(&state.lock);
}

/* ---- the gate ---- */

#define LIMITED 7 /* the group of a route that is always over its limit */
#define COUNTED 8 /* and of one that tells where it stands */

static bool is_key(const struct http_claim *claim, const char *key)
{
    struct sha256_ctx hash;
    uint8_t digest[HTTP_KEY_DIGEST_SIZE];

    sha256_init(&hash);
    sha256_update(&hash, strlen(key), (const uint8_t *)key);
    sha256_digest(&hash, sizeof(digest), digest);
    return claim->has_key && memcmp(digest, claim->key_digest, sizeof(digest)) == 0;
}

static bool authenticate(const struct http_claim *claim, struct http_principal *ret_principal,
                         struct http_refusal *ret_refusal, void *data)
{
    bool master = claim->needed == HTTP_MASTER;

    (void)data;
    strcpy(ret_principal->tenant, "tenant");
    if (is_key(claim, master ? MASTER : KEY))
        return true;
    if (!claim->has_key)
        *ret_refusal = (struct http_refusal){ .status = 401, .text = "API key is required" };
    else if (master && is_key(claim, KEY))
        *ret_refusal = (struct http_refusal){ .status = 403, .text = "Invalid Master API Key" };
    else if (is_key(claim, "blocked"))
        *ret_refusal = (struct http_refusal){ .status = 429, .text = "Too many", .retry_after_seconds = 17 };
    else
        *ret_refusal = (struct http_refusal){ .status = 401, .text = "Invalid API key" };
    return false;
}

bool let_in(const struct http_claim *claim, struct http_principal *ret_principal, struct http_refusal *ret_refusal,
            void *data)
{
    if (claim->needed == HTTP_MASTER)
        return authenticate(claim, ret_principal, ret_refusal, data);
    ret_principal->anonymous = true;
    return true;
}

static bool admit(const struct http_claim *claim, const struct http_principal *principal, struct http_rate *ret_rate,
                  void *data)
{
    (void)data;
    if (claim->group == 0)
        return strcmp(principal->tenant, "tenant") == 0;
    *ret_rate = (struct http_rate){ .period = "hourly",
                                    .limit = 5,
                                    .remaining = claim->group == COUNTED ? 3 : 0,
                                    .resets_ms = clock_wall_ms() + 90000,
                                    .message = "no more" };
    return claim->group != LIMITED;
}

static const struct http_route routes[] = {
    { "GET", "/health", HTTP_OPEN, true, HTTP_BODY_NONE, false, on_text, NULL },
    { "GET", "/health/detailed", HTTP_KEY, true, HTTP_BODY_NONE, false, on_text, NULL },
    { "GET", "/page/*", HTTP_OPEN, false, HTTP_BODY_NONE, false, on_rest, NULL },
    { "POST", "/echo", HTTP_KEY, true, HTTP_BODY_JSON, true, on_echo, NULL },
    { "POST", "/drop", HTTP_KEY, true, HTTP_BODY_NONE, false, on_text, NULL },
    { "POST", "/raw", HTTP_KEY, false, HTTP_BODY_RAW, false, on_length, NULL },
    { "GET", "/items/{a}/{b}", HTTP_KEY, true, HTTP_BODY_NONE, false, on_item, NULL },
    { "DELETE", "/items/{a}/{b}", HTTP_KEY, true, HTTP_BODY_NONE, false, on_text, NULL },
    { "GET", "/header", HTTP_KEY, false, HTTP_BODY_NONE, false, on_header, NULL },
    { "GET", "/file", HTTP_KEY, false, HTTP_BODY_NONE, false, on_file, NULL },
    { "GET", "/nothing", HTTP_KEY, false, HTTP_BODY_NONE, false, on_nothing, NULL },
    { "POST", "/later", HTTP_KEY, false, HTTP_BODY_JSON, false, on_later, NULL },
    { "GET", "/stream", HTTP_KEY, false, HTTP_BODY_NONE, false, on_stream, NULL },
    { "GET", "/pull", HTTP_KEY, false, HTTP_BODY_NONE, false, on_pull, NULL },
    { "GET", "/flood", HTTP_KEY, false, HTTP_BODY_NONE, false, on_flood, NULL },
    { "POST", "/upload", HTTP_KEY, true, HTTP_BODY_MULTIPART, true, on_upload, &upload_calls },
    { "GET", "/admin/keys", HTTP_MASTER, false, HTTP_BODY_NONE, false, on_text, NULL },
    { "GET", "/limited", HTTP_KEY, false, HTTP_BODY_NONE, false, on_text, NULL, LIMITED },
    { "GET", "/counted", HTTP_KEY, false, HTTP_BODY_NONE, false, on_text, NULL, COUNTED },
};

static const struct http_area areas[] = { { "/admin", HTTP_MASTER }, { "/panel", HTTP_OPEN }, { NULL, HTTP_KEY } };
static const char *const profiles[] = { "default", "stateful", NULL };
static const char *const upload_prefixes[] = { "/upload", "/v1/upload", NULL };

struct http_options make_options(void)
{
    struct http_options options = HTTP_OPTIONS_INIT;

    options.routes = routes;
    options.n_routes = ARRAY_SIZE(routes);
    options.gate = (struct http_gate){ .authenticate = authenticate, .admit = admit };
    options.areas = areas;
    options.upload_prefixes = upload_prefixes;
    options.profile = (struct http_profile){
        .expect_header = "X-Expected-Profile", .answer_header = "X-Profile", .name = "default", .known = profiles
    };
    options.max_json_bytes = 2 << 20;
    options.max_request_bytes = 8 << 20;
    options.completed = on_completed;
    return options;
}

struct http_server *start(const struct http_options *options)
{
    struct http_server *server = NULL;
    char error[200] = "";
    int r = http_server_start(options, &server, error, sizeof(error));

    if (r < 0)
        fail_msg("%s", error);
    return server;
}

int set_up(void **context)
{
    struct http_options options = make_options();

    (void)context;
    state.server = start(&options);
    return 0;
}

int tear_down(void **context)
{
    (void)context;
    state.server = http_server_free(state.server);
    assert_int_equal(state.uploads_open, state.uploads_closed);
    return 0;
}

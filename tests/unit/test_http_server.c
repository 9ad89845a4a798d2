/* SPDX-License-Identifier: Apache-2.0 */
/* The server as clients meet it: raw bytes in, raw bytes out, over loopback. Names of tests quote http-api.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <ctype.h>
#include <errno.h>
#include <nettle/sha2.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/fd.h"
#include "http/http.h"

#define KEY    "sk-test-key-0123456789"
#define MASTER "mk-test-key-0123456789"

/* ---- a small client ---- */

struct reply {
    char *bytes; /* all that came */
    size_t length;
    int status;
    char *headers; /* into bytes, NUL-terminated */
    char *body;    /* into bytes, chunks joined */
    size_t body_length;
    bool complete;
};

static void reply_deinit(struct reply *reply)
{
    free(reply->bytes);
    *reply = (struct reply){ 0 };
}

static int dial(struct http_server *server)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(http_server_port(server)),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_return_code(connect(fd, (struct sockaddr *)&address, sizeof(address)), errno);
    return fd;
}

/* Sends as much as the server takes; a server may answer and close before it has read everything. */
static void push(int fd, const void *data, size_t length)
{
    const char *p = data;

    while (length) {
        ssize_t n = send(fd, p, length, MSG_NOSIGNAL);

        if (n <= 0)
            return;
        p += n;
        length -= (size_t)n;
    }
}

static void push_text(int fd, const char *text)
{
    push(fd, text, strlen(text));
}

static const char *header(const struct reply *reply, const char *name)
{
    static _Thread_local char value[512];
    size_t length = strlen(name);

    for (const char *line = reply->headers; line && *line; line = strstr(line, "\r\n"), line = line ? line + 2 : NULL)
        if (strncasecmp(line, name, length) == 0 && line[length] == ':') {
            const char *start = line + length + 1 + strspn(line + length + 1, " ");

            snprintf(value, sizeof(value), "%.*s", (int)strcspn(start, "\r\n"), start);
            return value;
        }
    return NULL;
}

static int count_header(const struct reply *reply, const char *name)
{
    size_t length = strlen(name);
    int n = 0;

    for (const char *line = reply->headers; line; line = strstr(line, "\r\n"), line = line ? line + 2 : NULL)
        n += strncasecmp(line, name, length) == 0 && line[length] == ':';
    return n;
}

/* Joins the chunks in place. Returns true if the last one is there. */
static bool join_chunks(struct reply *reply, char *end)
{
    char *from = reply->body, *to = reply->body;

    for (;;) {
        char *line_end = memmem(from, (size_t)(end - from), "\r\n", 2);
        size_t size;

        if (!line_end)
            return false;
        size = strtoul(from, NULL, 16);
        from = line_end + 2;
        if (size == 0) {
            reply->body_length = (size_t)(to - reply->body);
            return true;
        }
        if ((size_t)(end - from) < size + 2)
            return false;
        memmove(to, from, size);
        to += size;
        from += size + 2;
    }
}

/* Looks whether the bytes so far are a whole response. */
static bool parse(struct reply *reply, bool eof, bool head)
{
    char *end = memmem(reply->bytes, reply->length, "\r\n\r\n", 4);
    const char *value;

    if (!end || strncmp(reply->bytes, "HTTP/1.", 7) != 0)
        return false;
    reply->status = atoi(reply->bytes + 9);
    if (reply->status == 100) {
        size_t skip = (size_t)(end + 4 - reply->bytes);

        memmove(reply->bytes, end + 4, reply->length - skip + 1);
        reply->length -= skip;
        return parse(reply, eof, head);
    }
    reply->body = end + 4;
    reply->body_length = reply->length - (size_t)(reply->body - reply->bytes);
    end[0] = '\0';
    reply->headers = strstr(reply->bytes, "\r\n") ? strstr(reply->bytes, "\r\n") + 2 : end;
    value = header(reply, "Content-Length");
    if (head)
        reply->complete = true;
    else if (value)
        reply->complete = reply->body_length >= strtoul(value, NULL, 10);
    else if (header(reply, "Transfer-Encoding")) {
        char *copy_end = reply->bytes + reply->length;

        /* joining spoils the bytes, so only once all are there */
        if (reply->length >= 5 && memcmp(copy_end - 5, "0\r\n\r\n", 5) == 0)
            reply->complete = join_chunks(reply, copy_end);
    } else
        reply->complete = eof;
    if (!reply->complete)
        end[0] = '\r';
    return reply->complete;
}

static struct reply read_reply_within(int fd, bool head, int timeout_ms)
{
    struct reply reply = { .bytes = malloc(1) };
    bool eof = false;

    reply.bytes[0] = '\0';
    while (!parse(&reply, eof, head) && !eof) {
        struct pollfd polled = { .fd = fd, .events = POLLIN };
        ssize_t n;

        if (poll(&polled, 1, timeout_ms) <= 0)
            break;
        reply.bytes = realloc(reply.bytes, reply.length + 65537);
        n = recv(fd, reply.bytes + reply.length, 65536, 0);
        eof = n <= 0;
        reply.length += n > 0 ? (size_t)n : 0;
        reply.bytes[reply.length] = '\0';
    }
    return reply;
}

static struct reply read_reply(int fd)
{
    return read_reply_within(fd, false, 10000);
}

static struct reply ask_bytes(struct http_server *server, const void *data, size_t length)
{
    CLEANUP_CLOSE int fd = dial(server);

    push(fd, data, length);
    return read_reply(fd);
}

static struct reply ask(struct http_server *server, const char *text)
{
    return ask_bytes(server, text, strlen(text));
}

/* ---- the server under test ---- */

static struct {
    struct http_server *server;
    pthread_mutex_t lock;
    unsigned uploads_open, uploads_closed;
    struct http_summary last;
} state = { .lock = PTHREAD_MUTEX_INITIALIZER };

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

static void *answer_later(void *argument)
{
    struct http_request *request = argument;
    size_t length;

    usleep((useconds_t)atoi(http_request_query(request, "ms") ? http_request_query(request, "ms") : "0") * 1000);
    http_request_body(request, &length);
    assert_null(http_request_header(request, "Host"));
    http_respond_json(request, 200, json_pack("{s:i}", "length", (int)length));
    return NULL;
}

static void *stream_later(void *argument)
{
    struct http_request *request = argument;
    int n = atoi(http_request_query(request, "n"));

    http_stream_begin(request, 200, "application/json", NULL);
    for (int i = 0; i < n; i++) {
        if (http_stream_write(request, " ", 1, 0) != 0)
            break;
        usleep(50000);
    }
    http_stream_end(request, strdup("{\"done\":true}"), 13);
    return NULL;
}

/* Writes blocks faster than a client reads, and reports what became of it. */
static void *flood_later(void *argument)
{
    struct http_request *request = argument;
    char block[10000];
    unsigned refused = 0, blocks = 0;
    char last[64];

    memset(block, 'x', sizeof(block));
    http_stream_begin(request, 200, "text/plain", NULL);
    while (blocks < 3000) {
        int r = http_stream_write(request, block, sizeof(block), blocks % 2 ? 0 : 1000);

        if (r == HTTP_STREAM_E_GONE)
            break;
        blocks += r == 0;
        refused += r == HTTP_STREAM_E_FULL;
    }
    snprintf(last, sizeof(last), "refused %u", refused > 0);
    http_stream_end(request, strdup(last), strlen(last));
    return NULL;
}

static void in_thread(struct http_request *request, void *(*work)(void *))
{
    pthread_t thread;

    http_request_suspend(request);
    assert_int_equal(pthread_create(&thread, NULL, work, request), 0);
    pthread_detach(thread);
}

static void on_later(struct http_request *request)
{
    in_thread(request, answer_later);
}

static void on_stream(struct http_request *request)
{
    in_thread(request, stream_later);
}

/* A body that is read while another thread adds to it. Two hold it: the source, and whoever adds. */
struct growing {
    pthread_mutex_t lock;
    struct http_request *request; /* NULL once the source is closed */
    size_t length, sent;
    int n;
    bool ended;
    unsigned holders;
};

static void growing_release(struct growing *growing)
{
    bool last;

    pthread_mutex_lock(&growing->lock);
    last = --growing->holders == 0;
    pthread_mutex_unlock(&growing->lock);
    if (last)
        free(growing);
}

static ssize_t growing_read(void *context, void *to, size_t max)
{
    struct growing *growing = context;
    size_t n;

    pthread_mutex_lock(&growing->lock);
    n = growing->length - growing->sent;
    n = n < max ? n : max;
    memset(to, 'x', n);
    growing->sent += n;
    if (n == 0 && growing->ended)
        n = (size_t)(growing->n % 2 ? HTTP_SOURCE_CUT : HTTP_SOURCE_END);
    pthread_mutex_unlock(&growing->lock);
    return (ssize_t)n;
}

static void growing_close(void *context)
{
    struct growing *growing = context;

    pthread_mutex_lock(&growing->lock);
    assert_non_null(growing->request);
    growing->request = NULL;
    pthread_mutex_unlock(&growing->lock);
    growing_release(growing);
}

static void grow(struct growing *growing, size_t by, bool ended)
{
    pthread_mutex_lock(&growing->lock);
    growing->length += by;
    growing->ended = ended;
    if (growing->request)
        http_stream_wake(growing->request);
    pthread_mutex_unlock(&growing->lock);
}

static void *pull_later(void *argument)
{
    static const struct http_source source = { growing_read, growing_close };
    struct http_request *request = argument;
    struct growing *growing = calloc(1, sizeof(*growing));

    growing->n = atoi(http_request_query(request, "n"));
    growing->request = request;
    growing->holders = 2;
    pthread_mutex_init(&growing->lock, NULL);
    http_stream_wake(request); /* before there is an answer it means nothing */
    http_stream_pull(request, 200, "text/plain", NULL, &source, growing);
    for (int i = 0; i < growing->n; i++) {
        grow(growing, 100, false);
        if (i % 16 == 0)
            usleep(300);
    }
    http_stream_end(request, NULL, 0); /* ends nothing */
    grow(growing, 7, true);
    growing_release(growing);
    return NULL;
}

static void on_pull(struct http_request *request)
{
    in_thread(request, pull_later);
}

static void on_flood(struct http_request *request)
{
    in_thread(request, flood_later);
}

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

static bool let_in(const struct http_claim *claim, struct http_principal *ret_principal,
                   struct http_refusal *ret_refusal, void *data)
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

static const char *const profiles[] = { "default", "stateful", NULL };
static const char *const upload_prefixes[] = { "/upload", "/v1/upload", NULL };

static struct http_options make_options(void)
{
    struct http_options options = HTTP_OPTIONS_INIT;

    options.routes = routes;
    options.n_routes = ARRAY_SIZE(routes);
    options.gate = (struct http_gate){ authenticate, admit };
    options.master_prefix = "/admin";
    options.upload_prefixes = upload_prefixes;
    options.profile = (struct http_profile){
        .expect_header = "X-Expected-Profile", .answer_header = "X-Profile", .name = "default", .known = profiles
    };
    options.max_json_bytes = 2 << 20;
    options.max_request_bytes = 8 << 20;
    options.completed = on_completed;
    return options;
}

static struct http_server *start(const struct http_options *options)
{
    struct http_server *server = NULL;
    char error[200] = "";
    int r = http_server_start(options, &server, error, sizeof(error));

    if (r < 0)
        fail_msg("%s", error);
    return server;
}

static int set_up(void **context)
{
    struct http_options options = make_options();

    (void)context;
    state.server = start(&options);
    return 0;
}

static int tear_down(void **context)
{
    (void)context;
    state.server = http_server_free(state.server);
    assert_int_equal(state.uploads_open, state.uploads_closed);
    return 0;
}

/* ---- what every answer must carry ---- */

static const char *const security_headers[][2] = {
    { "X-Content-Type-Options", "nosniff" },
    { "X-Frame-Options", "DENY" },
    { "X-XSS-Protection", "1; mode=block" },
    { "Strict-Transport-Security", "max-age=31536000; includeSubDomains" },
    { "Content-Security-Policy", "default-src 'self'" },
    { "Referrer-Policy", "strict-origin-when-cross-origin" },
    { "Permissions-Policy", "geolocation=(), microphone=(), camera=()" },
};

static void check_security_headers(const struct reply *reply)
{
    for (size_t i = 0; i < ARRAY_SIZE(security_headers); i++) {
        assert_int_equal(count_header(reply, security_headers[i][0]), 1);
        assert_string_equal(header(reply, security_headers[i][0]), security_headers[i][1]);
    }
}

static void check_error(const struct reply *reply, const char *text)
{
    json_t *json = json_loadb(reply->body, reply->body_length, 0, NULL);
    static const char *const keys[] = { "error", "error_type", "details", "request_id", "timestamp" };

    assert_non_null(json);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_non_null(json_object_get(json, keys[i]));
    assert_true(json_is_real(json_object_get(json, "timestamp")));
    assert_int_equal(json_string_length(json_object_get(json, "request_id")), 21);
    assert_string_equal(json_string_value(json_object_get(json, "error")), text);
    assert_string_equal(header(reply, "Content-Type"), "application/json");
    json_decref(json);
}

/* ---- a table of one request, one answer ---- */

#define H(key)  "Host: x\r\nX-API-Key: " key "\r\n"
#define GOOD    H(KEY)
#define JSON(n) "Content-Type: application/json\r\nContent-Length: " #n "\r\n\r\n"

struct exchange {
    const char *rule, *request;
    int status;
    const char *text; /* of an error; or the body of a 200; NULL = any */
};

static const struct exchange exchanges[] = {
    { "4.1 open path", "GET /health HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.6 alias", "GET /v1/health HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.6 no alias", "GET /v1/raw HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.6 alias once", "GET /v1/v1/health HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "4.1 sub-path is not open", "GET /health/detailed HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "4.1 everything under a prefix", "GET /page HTTP/1.1\r\nHost: x\r\n\r\n", 200, "" },
    { "4.1 everything under a prefix, deep", "GET /page/a/b.js HTTP/1.1\r\nHost: x\r\n\r\n", 200, "a/b.js" },
    { "1.7 trailing slash", "GET /health/ HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.7 two trailing slashes", "GET /health// HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 decoded once", "GET /%68ealth HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "1.7 not twice", "GET /%2568ealth HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 NUL", "GET /health%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "NUL byte in the request target" },
    { "1.7 NUL in query", "GET /health?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n", 400, "NUL byte in the request target" },
    { "1.7 dot segments", "GET /page/../health/detailed HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 encoded dot segments", "GET /page/%2e%2e/%2e%2e/etc/passwd HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 encoded slashes", "GET /items/..%2f../x HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "1.7 dot segments need a key", "GET /page/.. HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "2 root", "GET / HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "2 root without key", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "2 empty parameter", "GET /items//x HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "3 unknown path without key", "GET /state/x HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "3 unknown path with wrong key", "DELETE /state/x HTTP/1.1\r\n" H("wrong") "\r\n", 401, "Invalid API key" },
    { "3 unknown path with key", "DELETE /state/x HTTP/1.1\r\n" GOOD "\r\n", 404, "Not Found" },
    { "3 415 before authentication",
      "POST /sessions HTTP/1.1\r\n" H("bad") "Content-Type: application/xml\r\nContent-Length: 4\r\n\r\n<a/>", 415,
      "Unsupported content type: application/xml" },
    { "1.8 method", "POST /health HTTP/1.1\r\nHost: x\r\n\r\n", 405, "Method Not Allowed" },
    { "1.8 method needs the key first", "PUT /echo HTTP/1.1\r\nHost: x\r\n\r\n", 401, "API key is required" },
    { "1.8 odd method", "BREW-WITH-A-VERY-LONG-NAME /echo HTTP/1.1\r\n" GOOD "\r\n", 405, "Method Not Allowed" },
    { "4.2 header name in any case", "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-aPi-KEY: " KEY "\r\n\r\n", 200, NULL },
    { "4.2 bearer", "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: bEARER " KEY "\r\n\r\n", 200, NULL },
    { "4.2 basic user",
      "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: Basic c2stdGVzdC1rZXktMDEyMzQ1Njc4OTo=\r\n\r\n", 200,
      NULL },
    { "4.2 empty header counts as absent",
      "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-API-Key: \r\nAuthorization: Bearer " KEY "\r\n\r\n", 200, NULL },
    { "4.2 x-api-key decides alone", "GET /items/1/2 HTTP/1.1\r\n" H("bad") "Authorization: Bearer " KEY "\r\n\r\n",
      401, "Invalid API key" },
    { "4.2 good x-api-key wins", "GET /items/1/2 HTTP/1.1\r\n" GOOD "Authorization: Bearer bad\r\n\r\n", 200, NULL },
    { "4.2 other scheme", "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: ApiKey " KEY "\r\n\r\n", 401,
      "API key is required" },
    { "4.3 master opens only its own", "GET /items/1/2 HTTP/1.1\r\n" H(MASTER) "\r\n", 401, "Invalid API key" },
    { "4.3 master", "GET /admin/keys HTTP/1.1\r\n" H(MASTER) "\r\n", 200, "hello" },
    { "4.3 normal key at master's", "GET /admin/keys HTTP/1.1\r\n" GOOD "\r\n", 403, "Invalid Master API Key" },
    { "4.3 unknown key at master's", "GET /admin/keys HTTP/1.1\r\n" H("bad") "\r\n", 401, "Invalid API key" },
    { "4.3 unknown path of master's", "GET /admin/nosuch HTTP/1.1\r\n" GOOD "\r\n", 403, "Invalid Master API Key" },
    { "4.3 unknown path of master's", "GET /admin/nosuch HTTP/1.1\r\n" H(MASTER) "\r\n", 404, "Not Found" },
    { "7.1 no type, no body", "POST /drop HTTP/1.1\r\n" GOOD "\r\n", 200, "hello" },
    { "7.1 type in any case",
      "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: APPLICATION/JSON; charset=x\r\nContent-Length: 2\r\n\r\n{}", 200,
      "{}" },
    { "7.1 uploads are exempt",
      "POST /upload HTTP/1.1\r\n" GOOD "Content-Type: application/xml\r\nContent-Length: 2\r\n\r\n{}", 400,
      "Invalid content type. Must be multipart/form-data." },
    { "7.1 raw bodies are exempt",
      "POST /raw HTTP/1.1\r\n" GOOD "Content-Type: image/png\r\nContent-Length: 3\r\n\r\nabc", 200, "3" },
    { "7.1 hostile type", "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: \xff\x01\r\nContent-Length: 2\r\n\r\n{}", 415,
      "Unsupported content type: \xef\xbf\xbd\x01" },
    { "7.2 text/plain", "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}", 200,
      "{}" },
    { "7.2 vendor json",
      "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/x.y+json\r\nContent-Length: 2\r\n\r\n{}", 200, "{}" },
    { "7.2 form",
      "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 3\r\n\r\na=b",
      422, "Request validation failed" },
    { "7.2 empty", "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/json\r\n\r\n", 422,
      "Request validation failed" },
    { "7.3 no body at all", "POST /upload HTTP/1.1\r\n" GOOD "\r\n", 422, "Request validation failed" },
    { "7.4 declared length", "POST /echo HTTP/1.1\r\n" GOOD JSON(2097153), 413,
      "Request body too large. Maximum size is 2MB" },
    { "7.4 declared length, expecting", "POST /echo HTTP/1.1\r\n" GOOD "Expect: 100-continue\r\n" JSON(2097153), 413,
      "Request body too large. Maximum size is 2MB" },
    { "7.4 declared length of uploads",
      "POST /upload HTTP/1.1\r\n" GOOD
      "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 8388609\r\n\r\n",
      413, "Request body too large. Maximum size is 8MB" },
    { "1.2 chunked",
      "POST /echo HTTP/1.1\r\n" GOOD
      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4\r\n\":1}\r\n0\r\n\r\n",
      200, "{\"a\":1}" },
    { "C12 CL.TE",
      "POST /echo HTTP/1.1\r\n" GOOD
      "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
      400, "Ambiguous length of the body" },
    { "C12 two lengths", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}", 400,
      "Ambiguous length of the body" },
    { "C12 two encodings",
      "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 400,
      "Ambiguous length of the body" },
    { "C12 other encoding", "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 400,
      "Unsupported transfer encoding" },
    { "C12 space before the colon", "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 400,
      "Malformed header name" },
    { "C12 no host", "GET /health HTTP/1.1\r\n\r\n", 400, "A request needs one Host header" },
    { "C12 two hosts", "GET /health HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "A request needs one Host header" },
    { "C12 HTTP/1.0", "GET /health HTTP/1.0\r\n\r\n", 200, "hello" },
    { "C12 HTTP/1.0 chunked", "POST /echo HTTP/1.0\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
      "Unsupported transfer encoding" },
    { "C12 absolute target", "GET http://x/health HTTP/1.1\r\nHost: x\r\n\r\n", 200, "hello" },
    { "C12 space in target", "GET /health /x HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Malformed request target" },
    { "C12 relative target", "GET health HTTP/1.1\r\nHost: x\r\n\r\n", 400, "Malformed request target" },
    { "C12 negative length", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: -1\r\n\r\n{}", 400, "Malformed request" },
    { "C12 list of lengths", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 2, 2\r\n\r\n{}", 400,
      "Malformed request" },
    { "C12 huge length", "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: 99999999999999999999\r\n\r\n{}", 413,
      "Request body too large" },
    { "C12 no colon", "GET /health HTTP/1.1\r\nHost\r\n\r\n", 400, "Malformed request" },
    { "C12 bad chunk", "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400,
      "Malformed request" },
    { "C12 HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "HTTP version not supported" },
    { "8.5 silent handler", "GET /nothing HTTP/1.1\r\n" GOOD "\r\n", 500, "An unexpected error occurred" },
    { "11.4 other profile", "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: stateful\r\n\r\n", 409,
      "execution_profile_mismatch" },
    { "11.4 unknown profile", "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: \xff\r\n\r\n", 400,
      "invalid_execution_profile" },
    { "11.4 twice", "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: default\r\nX-Expected-Profile: default\r\n\r\n",
      400, "invalid_execution_profile" },
    { "11.4 same",
      "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: default\r\n"
      "Content-Length: 2\r\n\r\n{}",
      200, "{}" },
    { "11.4 elsewhere", "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Expected-Profile: stateful\r\n\r\n", 200, NULL },
};

static void test_exchanges(void **context)
{
    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(exchanges); i++) {
        const struct exchange *e = &exchanges[i];
        struct reply reply = ask(state.server, e->request);

        if (!reply.complete || reply.status != e->status)
            fail_msg("%s: status %d, wanted %d: %s", e->rule, reply.status, e->status,
                     reply.body ? reply.body : "nothing");
        check_security_headers(&reply);
        if (e->status != 200)
            check_error(&reply, e->text);
        else if (e->text &&
                 (reply.body_length != strlen(e->text) || memcmp(reply.body, e->text, reply.body_length) != 0))
            fail_msg("%s: body '%s'", e->rule, reply.body);
        reply_deinit(&reply);
    }
}

/* ---- single behaviours ---- */

static void test_unrouted_answers_carry_detail_and_allow(void **context)
{
    struct reply reply = ask(state.server, "PATCH /items/a/b HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_string_equal(header(&reply, "Allow"), "GET, HEAD, DELETE");
    assert_non_null(strstr(reply.body, "\"detail\":\"Method Not Allowed\""));
    reply_deinit(&reply);
    reply = ask(state.server, "GET /nosuch HTTP/1.1\r\n" GOOD "\r\n");
    assert_non_null(strstr(reply.body, "\"detail\":\"Not Found\""));
    assert_non_null(strstr(reply.body, "\"error_type\":\"resource_not_found\""));
    assert_null(header(&reply, "WWW-Authenticate"));
    reply_deinit(&reply);
}

static void test_head_is_get_without_body(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    push_text(fd, "HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
    reply = read_reply_within(fd, true, 10000);
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Content-Length"), "5");
    assert_int_equal(reply.body_length, 0);
    reply_deinit(&reply);
    push_text(fd, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    reply = read_reply(fd);
    assert_string_equal(reply.body, "hello");
    reply_deinit(&reply);
}

static void test_options_is_open(void **context)
{
    struct reply reply = ask(state.server, "OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: http://o\r\n\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Allow"), "POST");
    assert_null(header(&reply, "Access-Control-Allow-Origin"));
    reply_deinit(&reply);
    reply = ask(state.server, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
}

static void test_parameters_and_query_are_decoded_once(void **context)
{
    struct reply reply = ask(
        state.server, "GET /v1/items/a%20b%2541/%C3%A9?x&detail=f%75ll+1%2B1&detail=2&empty HTTP/1.1\r\n" GOOD "\r\n");
    json_t *json = json_loadb(reply.body, reply.body_length, 0, NULL);

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_string_equal(json_string_value(json_object_get(json, "a")), "a b%41");
    assert_string_equal(json_string_value(json_object_get(json, "b")), "\xc3\xa9");
    assert_string_equal(json_string_value(json_object_get(json, "detail")), "full 1+1");
    assert_string_equal(json_string_value(json_object_get(json, "empty")), "");
    assert_string_equal(json_string_value(json_object_get(json, "ip")), "127.0.0.1");
    assert_string_equal(json_string_value(json_object_get(json, "tenant")), "tenant");
    assert_string_equal(json_string_value(json_object_get(json, "key")), "sk-tes...");
    json_decref(json);
    reply_deinit(&reply);
}

static void test_profile_header_is_on_its_routes_only(void **context)
{
    struct reply reply = ask(state.server, "POST /echo HTTP/1.1\r\nHost: x\r\n\r\n");

    (void)context;
    assert_int_equal(reply.status, 401);
    assert_string_equal(header(&reply, "X-Profile"), "default");
    reply_deinit(&reply);
    reply = ask(state.server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_null(header(&reply, "X-Profile"));
    reply_deinit(&reply);
    reply = ask(state.server, "POST /echo HTTP/1.1\r\n" GOOD "X-Expected-Profile: stateful\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"expected_profile\":\"stateful\""));
    assert_non_null(strstr(reply.body, "\"actual_profile\":\"default\""));
    assert_non_null(strstr(reply.body, "\"message\":\"Expected the stateful execution profile, but reached default\""));
    reply_deinit(&reply);
}

static void test_header_values_cannot_split_the_response(void **context)
{
    struct reply reply = ask(state.server, "GET /header?value=a%0d%0aX-Injected:%201%0a%7f HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_null(header(&reply, "X-Injected"));
    assert_string_equal(header(&reply, "Content-Disposition"), "a%0D%0AX-Injected: 1%0A%7F");
    assert_int_equal(count_header(&reply, "Content-Security-Policy"), 1);
    assert_string_equal(header(&reply, "Content-Security-Policy"), "sandbox");
    reply_deinit(&reply);
}

static void test_long_headers(void **context)
{
    static const struct {
        size_t length;
        int status;
    } rows[] = { { 10000, 401 }, { 60000, 401 }, { 66000, 431 }, { 1000000, 431 } };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        CLEANUP_FREE char *value = malloc(rows[i].length);
        struct reply reply;

        memset(value, 'k', rows[i].length);
        push_text(fd, "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nX-API-Key: ");
        push(fd, value, rows[i].length);
        push_text(fd, "\r\n\r\n");
        reply = read_reply(fd);
        if (reply.status != rows[i].status)
            fail_msg("%zu bytes: %d", rows[i].length, reply.status);
        check_security_headers(&reply);
        check_error(&reply, rows[i].status == 401 ? "Invalid API key" : "Request header fields too large");
        reply_deinit(&reply);
    }
}

static void test_long_chunk_extension(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    static char padding[100000];
    struct reply reply;

    (void)context;
    memset(padding, 'x', sizeof(padding));
    push_text(fd, "POST /echo HTTP/1.1\r\n" GOOD "Transfer-Encoding: chunked\r\n\r\n2;x=");
    push(fd, padding, sizeof(padding));
    reply = read_reply(fd);
    assert_int_equal(reply.status, 400);
    check_error(&reply, "Malformed request");
    reply_deinit(&reply);
}

static void test_connection_is_kept_and_pipelined(void **context)
{
    static const char two[] = "POST /echo HTTP/1.1\r\n" GOOD JSON(7) "{\"a\":1}GET /health HTTP/1.1\r\nHost: x\r\n\r\n";
    CLEANUP_CLOSE int fd = dial(state.server);

    (void)context;
    for (int i = 0; i < 20; i++) {
        char bytes[4096] = "";
        size_t used = 0;

        push_text(fd, two);
        while (used < sizeof(bytes) - 1 && !strstr(bytes, "hello")) {
            ssize_t n = recv(fd, bytes + used, sizeof(bytes) - 1 - used, 0);

            assert_true(n > 0);
            used += (size_t)n;
            bytes[used] = '\0';
        }
        assert_non_null(strstr(bytes, "{\"a\":1}"));
    }
}

/* Whatever follows a request whose end is in doubt is not served. */
static void test_nothing_is_smuggled(void **context)
{
    static const char *const framings[] = { "Content-Length: 4\r\nContent-Length: 38\r\n",
                                            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                                            "Transfer-Encoding : chunked\r\nContent-Length: 5\r\n",
                                            "Transfer-Encoding: xchunked\r\n",
                                            "Content-Length: 5, 5\r\n",
                                            "Content-Length: +5\r\n" };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(framings); i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        char request[400], bytes[4096] = "";
        size_t used = 0;
        ssize_t n;

        snprintf(request, sizeof(request),
                 "POST /echo HTTP/1.1\r\n" GOOD "%s\r\n0\r\n\r\nGET /health HTTP/1.1\r\nHost: x\r\n\r\n", framings[i]);
        push_text(fd, request);
        while (used < sizeof(bytes) - 1 && (n = recv(fd, bytes + used, sizeof(bytes) - 1 - used, 0)) > 0)
            used += (size_t)n;
        bytes[used] = '\0';
        assert_non_null(strstr(bytes, "HTTP/1.1 400 "));
        assert_non_null(strstr(bytes, "Connection: close"));
        assert_null(strstr(bytes + 1, "HTTP/1.1"));
    }
}

/* A refused request with a small body does not cost the connection. */
static void test_refused_body_is_skipped(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);

    (void)context;
    for (int i = 0; i < 3; i++) {
        struct reply reply;

        push_text(fd, "POST /echo HTTP/1.1\r\n" H("bad") JSON(7) "{\"a\":1}");
        reply = read_reply(fd);
        assert_int_equal(reply.status, 401);
        reply_deinit(&reply);
    }
}

/* The client sends all of a large body before it reads: the answer must not be lost to a reset. */
static void test_large_refused_body_still_gets_its_answer(void **context)
{
    static char block[1 << 20];

    (void)context;
    memset(block, 'x', sizeof(block));
    for (int round = 0; round < 3; round++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        struct reply reply;

        push_text(fd, "POST /upload HTTP/1.1\r\n" GOOD
                      "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 104857600\r\n\r\n");
        for (int i = 0; i < 100; i++)
            push(fd, block, sizeof(block));
        reply = read_reply(fd);
        assert_int_equal(reply.status, 413);
        check_security_headers(&reply);
        assert_string_equal(header(&reply, "Connection"), "close");
        reply_deinit(&reply);
    }
}

static void push_chunk(int fd, const char *data, size_t length)
{
    char size[16];

    snprintf(size, sizeof(size), "%zx\r\n", length);
    push_text(fd, size);
    push(fd, data, length);
    push_text(fd, "\r\n");
}

static void test_chunked_body_beyond_the_limit(void **context)
{
    static char block[1 << 20];
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    memset(block, ' ', sizeof(block));
    push_text(fd,
              "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 5; i++)
        push_chunk(fd, block, sizeof(block));
    push_text(fd, "0\r\n\r\n");
    reply = read_reply(fd);
    assert_int_equal(reply.status, 413);
    reply_deinit(&reply);

    /* without end: cut */
    push_text(fd,
              "POST /echo HTTP/1.1\r\n" GOOD "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 64; i++)
        push_chunk(fd, block, sizeof(block));
    reply = read_reply_within(fd, false, 5000);
    assert_int_equal(reply.length, 0);
    reply_deinit(&reply);
}

/* The end of the stream in the same packet as the last bytes. */
static void test_end_in_mid_request_is_noticed(void **context)
{
    static const char *const beginnings[] = { "GET", "GET /health HTTP/1.1\r\nHost: x\r\n",
                                              "POST /echo HTTP/1.1\r\n" GOOD JSON(10) "{",
                                              "POST /echo HTTP/1.1\r\n" GOOD
                                              "Transfer-Encoding: chunked\r\n\r\n2;\r\n" };
    int fds[ARRAY_SIZE(beginnings)];

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
        fds[i] = dial(state.server);
        push_text(fds[i], beginnings[i]);
        shutdown(fds[i], SHUT_WR);
    }
    for (size_t i = 0; i < ARRAY_SIZE(beginnings); i++) {
        struct reply reply = read_reply_within(fds[i], false, 3000);

        assert_int_equal(reply.length, 0);
        assert_int_equal(recv(fds[i], reply.bytes, 1, MSG_DONTWAIT), 0);
        reply_deinit(&reply);
        close(fds[i]);
    }
}

static void test_chunk_bombs(void **context)
{
    static const char *const bombs[] = { "fffffffffffffffff\r\n", "-1\r\n{}\r\n", "zz\r\n", "2;\r\n",
                                         "0x2\r\n{}\r\n0\r\n\r\n" };

    (void)context;
    for (size_t i = 0; i < ARRAY_SIZE(bombs); i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        struct reply reply;

        push_text(fd, "POST /echo HTTP/1.1\r\n" GOOD
                      "Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n");
        push_text(fd, bombs[i]);
        shutdown(fd, SHUT_WR);
        reply = read_reply(fd);
        assert_int_not_equal(reply.status, 200);
        reply_deinit(&reply);
    }
}

static void test_expect_continue(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    char line[64] = "";
    struct reply reply;

    (void)context;
    push_text(fd, "POST /echo HTTP/1.1\r\n" GOOD "Expect: 100-continue\r\n" JSON(7));
    assert_true(recv(fd, line, 25, MSG_WAITALL) == 25);
    assert_memory_equal(line, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    push_text(fd, "{\"a\":1}");
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);

    push_text(fd, "POST /echo HTTP/1.1\r\n" H("bad") "Expect: 100-continue\r\n" JSON(7));
    reply = read_reply(fd);
    assert_int_equal(reply.status, 401);
    reply_deinit(&reply);
}

static void test_file_is_streamed(void **context)
{
    struct reply reply = ask(state.server, "GET /file HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.body, "0123456789");
    check_security_headers(&reply);
    reply_deinit(&reply);
}

/* ---- uploads ---- */

#define PART                                                                                                           \
    "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a b.txt\"\r\nContent-Type: "                     \
    "text/plain\r\n\r\nabc\r\n"

static void check_upload(const char *type, const char *body, int status, const char *name)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    char head[400];
    struct reply reply;

    snprintf(head, sizeof(head), "POST /v1/upload HTTP/1.1\r\n" GOOD "%sContent-Length: %zu\r\n\r\n", type,
             strlen(body));
    push_text(fd, head);
    for (const char *p = body; *p; p++) { /* byte by byte: every state is met at its border */
        push(fd, p, 1);
        if ((p - body) % 16 == 0)
            usleep(100);
    }
    reply = read_reply(fd);
    if (reply.status != status)
        fail_msg("%s: %d %s", type, reply.status, reply.body);
    check_security_headers(&reply);
    if (name) {
        json_t *json = json_loadb(reply.body, reply.body_length, 0, NULL);

        assert_string_equal(json_string_value(json_object_get(json, "name")), name);
        json_decref(json);
    }
    reply_deinit(&reply);
}

static void test_uploads(void **context)
{
    static const char with[] = "Content-Type: multipart/form-data; boundary=B\r\n",
                      bare[] = "Content-Type: multipart/form-data\r\n";

    (void)context;
    check_upload(with, PART "--B--\r\n", 200, "a b.txt");
    check_upload(bare, PART "--B--\r\n", 200, "a b.txt");
    check_upload("Content-Type: multipart/form-data\r\nContent-Type: multipart/form-data; boundary=\"B\"\r\n",
                 PART "--B--\r\n", 200, "a b.txt");
    check_upload("Content-Type: multipart/form-data, multipart/form-data; boundary=B\r\n", PART "--B--\r\n", 200,
                 "a b.txt");
    check_upload(with, PART, 400, NULL);
    check_upload(with, "garbage", 400, NULL);
    check_upload(with, "--B\r\nContent-Disposition: form-data; name=\"stop\"\r\n\r\nx\r\n--B--\r\n", 200, NULL);
    check_upload(with, "--B\r\nContent-Disposition: form-data; name=\"fail\"\r\n\r\nx\r\n--B--\r\n", 500, NULL);
    check_upload("Content-Type: application/json\r\n", "{}", 400, NULL);
}

static void test_upload_in_chunks(void **context)
{
    static char block[100000];
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    memset(block, '\r', sizeof(block));
    push_text(fd, "POST /upload HTTP/1.1\r\n" GOOD
                  "Content-Type: multipart/form-data; boundary=B\r\nTransfer-Encoding: chunked\r\n\r\n");
    push_chunk(fd, PART, strlen(PART) - 2);
    for (int i = 0; i < 40; i++)
        push_chunk(fd, block, sizeof(block));
    push_chunk(fd, "\r\n--B--\r\n", 9);
    push_text(fd, "0\r\n\r\n");
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"bytes\":4000003"));
    reply_deinit(&reply);
}

static void test_upload_of_a_client_that_hangs_up(void **context)
{
    unsigned before = state.uploads_open;

    (void)context;
    for (int i = 0; i < 20; i++) {
        CLEANUP_CLOSE int fd = dial(state.server);

        push_text(fd, "POST /upload HTTP/1.1\r\n" GOOD
                      "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n" PART);
        usleep(2000);
    }
    for (int i = 0; i < 200; i++) {
        bool closed;

        pthread_mutex_lock(&state.lock);
        closed = state.uploads_open == before + 20 && state.uploads_closed == state.uploads_open;
        pthread_mutex_unlock(&state.lock);
        if (closed)
            return;
        usleep(10000);
    }
    fail_msg("uploads stay open");
}

/* ---- answers that come later ---- */

static void test_suspended_answers(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);

    (void)context;
    for (int i = 0; i < 50; i++) {
        struct reply reply;

        push_text(fd, i % 2 ? "POST /later?ms=1 HTTP/1.1\r\n" GOOD JSON(4) "{  }"
                            : "POST /later HTTP/1.1\r\n" GOOD JSON(4) "{  }");
        reply = read_reply(fd);
        assert_int_equal(reply.status, 200);
        assert_string_equal(reply.body, "{\"length\":4}");
        check_security_headers(&reply);
        reply_deinit(&reply);
    }
}

static void test_stream_sends_life_signs(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    int64_t start_us = clock_monotonic_us(), first_us;
    char byte;
    struct reply reply;

    (void)context;
    push_text(fd, "GET /stream?n=6 HTTP/1.1\r\n" GOOD "\r\n");
    assert_true(recv(fd, &byte, 1, MSG_PEEK) == 1);
    first_us = clock_monotonic_us() - start_us;
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Transfer-Encoding"), "chunked");
    check_security_headers(&reply);
    assert_int_equal(reply.body_length, 19);
    assert_memory_equal(reply.body, "      {\"done\":true}", 19);
    assert_true(clock_monotonic_us() - start_us > 250000);
    assert_true(first_us < 150000);
    reply_deinit(&reply);
}

static void test_stream_to_old_clients(void **context)
{
    struct reply reply = ask(state.server, "GET /stream?n=2 HTTP/1.0\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 200);
    assert_memory_equal(reply.body, "  {\"done\":true}", 15);
    reply_deinit(&reply);
}

static void test_stream_is_bounded(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    struct reply reply;

    (void)context;
    push_text(fd, "GET /flood HTTP/1.1\r\n" GOOD "\r\n");
    usleep(500000);
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_length, 30000000 + 9);
    assert_memory_equal(reply.body + 30000000, "refused 1", 9);
    reply_deinit(&reply);
}

static void test_a_source_is_read_to_its_end(void **context)
{
    (void)context;
    for (int n = 0; n < 600; n += 6) {
        char request[128];
        struct reply reply;

        snprintf(request, sizeof(request), "GET /pull?n=%d HTTP/1.1\r\n" GOOD "\r\n", n);
        reply = ask(state.server, request);
        assert_int_equal(reply.status, 200);
        assert_int_equal(reply.body_length, 100 * n + 7);
        check_security_headers(&reply);
        reply_deinit(&reply);
    }
}

/* What lacks its end shows it: no last chunk, and the connection is closed. */
static void test_a_source_that_breaks_off(void **context)
{
    CLEANUP_CLOSE int fd = dial(state.server);
    char bytes[4096];
    size_t length = 0;
    ssize_t n;

    (void)context;
    push_text(fd, "GET /pull?n=3 HTTP/1.1\r\n" GOOD "\r\n");
    while ((n = recv(fd, bytes + length, sizeof(bytes) - length, 0)) > 0)
        length += (size_t)n;
    assert_true(length > 300);
    assert_memory_not_equal(bytes + length - 5, "0\r\n\r\n", 5);
}

static void test_hang_ups_at_any_moment(void **context)
{
    static const char *const requests[] = {
        "POST /later?ms=20 HTTP/1.1\r\n" GOOD JSON(4) "{  }",
        "GET /stream?n=5 HTTP/1.1\r\n" GOOD "\r\n",
        "GET /flood HTTP/1.1\r\n" GOOD "\r\n",
        "GET /pull?n=200 HTTP/1.1\r\n" GOOD "\r\n",
        "GET /file HTTP/1.1\r\n" GOOD "\r\n",
        "POST /echo HTTP/1.1\r\n" GOOD JSON(100) "{",
    };

    (void)context;
    for (int i = 0; i < 150; i++) {
        CLEANUP_CLOSE int fd = dial(state.server);
        struct linger reset = { 1, 0 };

        push_text(fd, requests[i % ARRAY_SIZE(requests)]);
        usleep((useconds_t)(i % 7) * 3000);
        if (i % 2)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    }
}

/* ---- servers with other options ---- */

static void test_authentication_off(void **context)
{
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.gate = (struct http_gate){ let_in, NULL };
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" H("wrong") "\r\n");
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"key\":\"anonymous\""));
    reply_deinit(&reply);
    reply = ask(server, "GET /nosuch HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 404);
    reply_deinit(&reply);
    reply = ask(server, "GET /admin/keys HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 401);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_bearer_off(void **context)
{
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.bearer_enabled = false;
    options.debug = true;
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " KEY "\r\n\r\n");
    assert_int_equal(reply.status, 401);
    assert_non_null(header(&reply, "X-Response-Time-Ms"));
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_no_gate_opens_nothing(void **context)
{
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.gate = (struct http_gate){ NULL, NULL };
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 500);
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_refusal_with_a_time(void **context)
{
    struct reply reply = ask(state.server, "GET /items/1/2 HTTP/1.1\r\n" H("blocked") "\r\n");

    (void)context;
    assert_int_equal(reply.status, 429);
    check_error(&reply, "Too many");
    assert_string_equal(header(&reply, "Retry-After"), "17");
    reply_deinit(&reply);
}

static void test_limits(void **context)
{
    struct reply reply = ask(state.server, "GET /limited HTTP/1.1\r\n" GOOD "\r\n");

    (void)context;
    assert_int_equal(reply.status, 429);
    check_error(&reply, "rate_limited");
    assert_non_null(strstr(reply.body, "\"message\":\"no more\""));
    assert_non_null(strstr(reply.body, "\"retry_after_seconds\":"));
    assert_in_range(atoi(header(&reply, "Retry-After")), 80, 90);
    assert_string_equal(header(&reply, "RateLimit-Reset"), header(&reply, "Retry-After"));
    assert_string_equal(header(&reply, "RateLimit-Limit"), "5");
    assert_string_equal(header(&reply, "RateLimit-Remaining"), "0");
    assert_string_equal(header(&reply, "X-RateLimit-Limit"), "5");
    assert_string_equal(header(&reply, "X-RateLimit-Remaining"), "0");
    assert_string_equal(header(&reply, "X-RateLimit-Period"), "hourly");
    assert_int_equal(strlen(header(&reply, "X-RateLimit-Reset")), CLOCK_ISO_SIZE - 1);
    reply_deinit(&reply);

    reply = ask(state.server, "GET /counted HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "X-RateLimit-Remaining"), "3");
    assert_null(header(&reply, "Retry-After"));
    assert_null(header(&reply, "RateLimit-Limit"));
    reply_deinit(&reply);

    reply = ask(state.server, "GET /limited HTTP/1.1\r\n" H("wrong") "\r\n");
    assert_int_equal(reply.status, 401); /* step 4 before 6 */
    reply_deinit(&reply);
}

static void test_cors(void **context)
{
    static const char *const origins[] = { "https://a.example", NULL };
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.cors_enabled = true;
    options.cors_origins = origins;
    server = start(&options);
    reply =
        ask(server,
            "OPTIONS /echo HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
            "Access-Control-Request-Headers: x-api-key\r\n\r\n");
    assert_int_equal(reply.status, 200);
    assert_string_equal(header(&reply, "Access-Control-Allow-Origin"), "https://a.example");
    assert_string_equal(header(&reply, "Access-Control-Allow-Credentials"), "true");
    assert_string_equal(header(&reply, "Access-Control-Allow-Headers"), "x-api-key");
    assert_non_null(strstr(header(&reply, "Access-Control-Allow-Methods"), "PATCH"));
    check_security_headers(&reply);
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n");
    assert_string_equal(header(&reply, "Access-Control-Expose-Headers"), "Content-Disposition");
    assert_string_equal(header(&reply, "Vary"), "Origin");
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\nOrigin: https://b.example\r\n\r\n");
    assert_int_equal(reply.status, 200);
    assert_null(header(&reply, "Access-Control-Allow-Origin"));
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_forwarded_client_address(void **context)
{
    static const char *const proxies[] = { "127.0.0.0/8", NULL };
    struct http_options options = make_options();
    struct http_server *server;
    struct reply reply;

    (void)context;
    options.trusted_proxies = proxies;
    server = start(&options);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Forwarded-For: 203.0.113.9, 10.0.0.1\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"ip\":\"203.0.113.9\""));
    reply_deinit(&reply);
    reply =
        ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "X-Forwarded-For: \" or 1=1\r\nX-Real-IP: 203.0.113.9\r\n\r\n");
    assert_non_null(strstr(reply.body, "\"ip\":\"127.0.0.1\""));
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_refusing(void **context)
{
    struct http_options options = make_options();
    struct http_server *server = start(&options);
    struct reply reply;

    (void)context;
    http_server_refuse(server, "Service is starting up");
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 503);
    check_error(&reply, "Service is starting up");
    reply_deinit(&reply);
    reply = ask(server, "GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_refuse(server, NULL);
    reply = ask(server, "GET /items/1/2 HTTP/1.1\r\n" GOOD "\r\n");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_buffered_bodies_together_are_bounded(void **context)
{
    static char block[1 << 20];
    struct http_options options = make_options();
    struct http_server *server;
    int fds[3], refused = 0, served = 0;
    struct reply reply;

    (void)context;
    options.max_buffered_bytes = 2 << 20;
    server = start(&options);
    memset(block, ' ', sizeof(block));
    for (int i = 0; i < 3; i++) {
        fds[i] = dial(server);
        push_text(fds[i], "POST /echo HTTP/1.1\r\n" GOOD JSON(1048578));
        push(fds[i], block, sizeof(block));
    }
    usleep(100000);
    for (int i = 0; i < 3; i++) {
        push_text(fds[i], "{}");
        reply = read_reply(fds[i]);
        refused += reply.status == 503;
        served += reply.status == 200;
        if (reply.status == 503)
            assert_string_equal(header(&reply, "Retry-After"), "1");
        reply_deinit(&reply);
        close(fds[i]);
    }
    assert_true(refused > 0 && served > 0 && refused + served == 3);
    reply = ask(server, "POST /echo HTTP/1.1\r\n" GOOD JSON(2) "{}");
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_slow_clients_are_cut(void **context)
{
    static const char trickle[] = "GET /health HTTP/1.1\r\nHost: x\r\nX: ";
    struct http_options options = make_options();
    struct http_server *server;
    int64_t start_us;
    int fd;

    (void)context;
    options.header_seconds = 1;
    options.idle_seconds = 1;
    server = start(&options);
    fd = dial(server);
    start_us = clock_monotonic_us();
    push_text(fd, trickle);
    while (clock_monotonic_us() - start_us < 10000000 && send(fd, "x", 1, MSG_NOSIGNAL) == 1)
        usleep(100000);
    assert_true(clock_monotonic_us() - start_us < 5000000);
    close(fd);
    http_server_free(server);
}

static void test_stop_answers_what_is_suspended(void **context)
{
    struct http_options options = make_options();
    struct http_server *server = start(&options);
    struct reply reply;
    int fds[4];

    (void)context;
    fds[0] = dial(server);
    push_text(fds[0], "POST /later?ms=700 HTTP/1.1\r\n" GOOD JSON(2) "{}");
    fds[1] = dial(server);
    push_text(fds[1], "GET /stream?n=20 HTTP/1.1\r\n" GOOD "\r\n");
    fds[2] = dial(server);
    push_text(fds[2], "GET /flood HTTP/1.1\r\n" GOOD "\r\n");
    fds[3] = dial(server); /* idle */
    usleep(100000);
    http_server_stop(server, 50);
    reply = read_reply(fds[0]);
    assert_int_equal(reply.status, 503);
    check_error(&reply, "Service is shutting down");
    assert_string_equal(header(&reply, "Connection"), "close");
    reply_deinit(&reply);
    reply = read_reply(fds[1]);
    assert_false(reply.complete);
    reply_deinit(&reply);
    http_server_free(server);
    for (int i = 0; i < 4; i++)
        close(fds[i]);
}

static void test_stop_waits_for_running_requests(void **context)
{
    struct http_options options = make_options();
    struct http_server *server = start(&options);
    CLEANUP_CLOSE int fd = dial(server);
    struct reply reply;

    (void)context;
    push_text(fd, "POST /later?ms=200 HTTP/1.1\r\n" GOOD JSON(2) "{}");
    usleep(50000);
    http_server_stop(server, 5000);
    reply = read_reply(fd);
    assert_int_equal(reply.status, 200);
    reply_deinit(&reply);
    http_server_free(server);
}

static void test_bad_options_are_named(void **context)
{
    static const char *const bad_block[] = { "10.0.0.0/33", NULL };
    struct http_options options = make_options();
    struct http_server *server = NULL;
    char error[200] = "";

    (void)context;
    options.address = "localhost";
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "'localhost' is no numeric address to listen on");
    options = make_options();
    options.trusted_proxies = bad_block;
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), -EINVAL);
    assert_string_equal(error, "'10.0.0.0/33' is no address and no CIDR block");
    options = make_options();
    options.port = http_server_port(state.server);
    assert_int_equal(http_server_start(&options, &server, error, sizeof(error)), -EADDRINUSE);
    options = make_options();
    options.tls_certificate = options.tls_key = "nonsense";
    assert_true(http_server_start(&options, &server, error, sizeof(error)) < 0);
    assert_null(server);
}

static void *hammer(void *argument)
{
    static const char *const requests[] = {
        "POST /echo HTTP/1.1\r\n" GOOD JSON(7) "{\"a\":1}",
        "POST /later HTTP/1.1\r\n" GOOD JSON(4) "{  }",
        "GET /file HTTP/1.1\r\n" GOOD "\r\n",
        "GET /nosuch HTTP/1.1\r\n" H("bad") "\r\n",
    };
    static const int statuses[] = { 200, 200, 200, 401 };
    unsigned seed = (unsigned)(uintptr_t)argument;
    int fd = dial(state.server);
    uintptr_t wrong = 0;

    for (int i = 0; i < 200; i++) {
        unsigned n = (unsigned)rand_r(&seed) % 4;
        struct reply reply;

        push_text(fd, requests[n]);
        reply = read_reply(fd);
        wrong += !reply.complete || reply.status != statuses[n];
        reply_deinit(&reply);
    }
    close(fd);
    return (void *)wrong;
}

static void test_many_clients_at_once(void **context)
{
    pthread_t threads[16];

    (void)context;
    for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, (void *)i), 0);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        void *wrong;

        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
}

static struct {
    struct http_server *server;
    _Atomic bool ended;
} fire;

/* A client that behaves badly in every way until told to end. */
static void *misbehave(void *argument)
{
    static const char *const requests[] = {
        "POST /later?ms=3 HTTP/1.1\r\n" GOOD JSON(4) "{  }",
        "GET /stream?n=2 HTTP/1.1\r\n" GOOD "\r\n",
        "GET /flood HTTP/1.1\r\n" GOOD "\r\n",
        "GET /file HTTP/1.1\r\n" GOOD "\r\n",
        "POST /echo HTTP/1.1\r\n" GOOD JSON(100) "{",
        "POST /upload HTTP/1.1\r\n" GOOD
        "Content-Type: multipart/form-data; boundary=B\r\nContent-Length: 100000\r\n\r\n" PART,
        "POST /upload HTTP/1.1\r\n" H("bad") "Content-Length: 1000000\r\n\r\nxxx",
        "POST /echo HTTP/1.1\r\n" GOOD "Content-Length: -1\r\n\r\n{}",
        "GET /x HTTP/9.1\r\n\r\n",
    };
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_port = htons(http_server_port(fire.server)),
                                   .sin_addr = { htonl(INADDR_LOOPBACK) } };
    unsigned seed = (unsigned)(uintptr_t)argument;
    struct linger reset = { 1, 0 };

    while (!fire.ended) {
        CLEANUP_CLOSE int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
            usleep(1000);
            continue;
        }
        for (int n = rand_r(&seed) % 3; n >= 0; n--)
            push_text(fd, requests[(unsigned)rand_r(&seed) % ARRAY_SIZE(requests)]);
        usleep((useconds_t)rand_r(&seed) % 5000);
        if (rand_r(&seed) % 3 == 0)
            setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        else if (rand_r(&seed) % 4 == 0)
            shutdown(fd, SHUT_WR);
    }
    return NULL;
}

static void test_stop_under_fire(void **context)
{
    struct http_options options = make_options();
    pthread_t threads[6];

    (void)context;
    options.stream_buffer_bytes = 20000;
    for (uintptr_t round = 0; round < 4; round++) {
        fire.server = start(&options);
        fire.ended = false;
        for (uintptr_t i = 0; i < ARRAY_SIZE(threads); i++)
            assert_int_equal(pthread_create(&threads[i], NULL, misbehave, (void *)(round * 7 + i)), 0);
        usleep(200000);
        http_server_stop(fire.server, round % 2 * 100);
        fire.ended = true;
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
            pthread_join(threads[i], NULL);
        fire.server = http_server_free(fire.server);
        assert_int_equal(state.uploads_open, state.uploads_closed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_unrouted_answers_carry_detail_and_allow),
        cmocka_unit_test(test_head_is_get_without_body),
        cmocka_unit_test(test_options_is_open),
        cmocka_unit_test(test_parameters_and_query_are_decoded_once),
        cmocka_unit_test(test_profile_header_is_on_its_routes_only),
        cmocka_unit_test(test_header_values_cannot_split_the_response),
        cmocka_unit_test(test_long_headers),
        cmocka_unit_test(test_long_chunk_extension),
        cmocka_unit_test(test_connection_is_kept_and_pipelined),
        cmocka_unit_test(test_nothing_is_smuggled),
        cmocka_unit_test(test_refused_body_is_skipped),
        cmocka_unit_test(test_large_refused_body_still_gets_its_answer),
        cmocka_unit_test(test_chunked_body_beyond_the_limit),
        cmocka_unit_test(test_end_in_mid_request_is_noticed),
        cmocka_unit_test(test_chunk_bombs),
        cmocka_unit_test(test_expect_continue),
        cmocka_unit_test(test_file_is_streamed),
        cmocka_unit_test(test_uploads),
        cmocka_unit_test(test_upload_in_chunks),
        cmocka_unit_test(test_upload_of_a_client_that_hangs_up),
        cmocka_unit_test(test_suspended_answers),
        cmocka_unit_test(test_stream_sends_life_signs),
        cmocka_unit_test(test_stream_to_old_clients),
        cmocka_unit_test(test_stream_is_bounded),
        cmocka_unit_test(test_a_source_is_read_to_its_end),
        cmocka_unit_test(test_a_source_that_breaks_off),
        cmocka_unit_test(test_hang_ups_at_any_moment),
        cmocka_unit_test(test_many_clients_at_once),
        cmocka_unit_test(test_authentication_off),
        cmocka_unit_test(test_bearer_off),
        cmocka_unit_test(test_no_gate_opens_nothing),
        cmocka_unit_test(test_refusal_with_a_time),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_cors),
        cmocka_unit_test(test_forwarded_client_address),
        cmocka_unit_test(test_refusing),
        cmocka_unit_test(test_buffered_bodies_together_are_bounded),
        cmocka_unit_test(test_slow_clients_are_cut),
        cmocka_unit_test(test_stop_answers_what_is_suspended),
        cmocka_unit_test(test_stop_waits_for_running_requests),
        cmocka_unit_test(test_stop_under_fire),
        cmocka_unit_test(test_bad_options_are_named),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}

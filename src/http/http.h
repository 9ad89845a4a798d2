/* SPDX-License-Identifier: Apache-2.0 */
/* http.h -- bytes to request and back: an HTTP/1.1 server as a table of routes.
 *
 * The library does the checks that come before a handler, in the order of http-api.md 3 (header size, CORS, content
 * type, authentication, profile, route, body size and kind), puts the security headers on every response and shapes
 * errors. It knows no product: names, limits and routes come from struct http_options.
 *
 * Life of a request
 *
 *   A handler runs on one of the server's few threads, once the body is complete, and must do one of three things:
 *
 *   1. answer:   one http_respond*() call, then return without touching the request again;
 *   2. wait:     http_request_suspend(), hand the request to another thread, return. From then on that thread owns
 *                it and must make exactly one final call: http_respond*(), or http_stream_begin() (or
 *                http_stream_pull()) and, in the end, http_stream_end();
 *   3. nothing:  the client gets a 500.
 *
 *   A final call never blocks and never fails visibly; afterwards the request must not be touched. Until then the
 * request, its path and query parameters and its body stay valid in any thread, even if the client hung up or the
 * server is being stopped meanwhile; calls on such a request simply have no effect (the bodies handed over are freed
 * all the same). One thread at a time may use a request. Only http_request_header() is limited to the handler and the
 * upload callbacks: headers are gone once the request is suspended.
 *
 *   The server does not read from a suspended connection. Whoever wants to know of a hang-up polls the descriptor of
 *   http_request_dup_fd() for POLLRDHUP | POLLHUP | POLLERR.
 *
 *   http_server_stop() answers what is still suspended with 503 itself; the owners' final calls then only release.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct http_server;
struct http_request;

/* ---- the route table ---- */

enum http_auth {
    HTTP_OPEN,   /* no key needed */
    HTTP_KEY,    /* an API key */
    HTTP_MASTER, /* the master key, also when authentication is off */
};

enum http_body {
    HTTP_BODY_NONE,      /* any body is read and dropped */
    HTTP_BODY_JSON,      /* buffered, at most max_json_bytes; see http_json_object() */
    HTTP_BODY_MULTIPART, /* multipart/form-data, streamed to the row's upload callbacks */
    HTTP_BODY_RAW,       /* buffered, at most max_json_bytes, of any type */
};

/* What paths of which there is no row need: those at a prefix and below it. */
struct http_area {
    const char *prefix;
    enum http_auth auth;
};

typedef void (*http_handler)(struct http_request *request);

/* One part of an upload. The strings are borrowed for the call of part_begin.
 * filename is decoded as files.md F7.1 says: filename* before filename unless it is empty, invalid UTF-8 replaced by
 * U+FFFD, only %22, %0D and %0A undone. It is otherwise as the client wrote it and may hold anything, a NUL too: hence
 * filename_length. */
struct http_part {
    const char *name;         /* "" if the part has none */
    const char *filename;     /* NULL if the part has none: a text field */
    size_t filename_length;   /* bytes, without the final NUL */
    const char *content_type; /* NULL if the part has none */
};

/* What receives an upload while it arrives, on a server thread. Every function but close returns 0 to go on, a positive
 * value to read no further parts (the rest of the body is dropped, then the handler is called and answers), or a
 * negative errno (the client gets a 500 and the handler is not called). part_end follows each part_begin that returned
 * 0, unless a part_data or the client ended the upload. close is called exactly once after a successful open, when the
 * request is over however it ended, after the final call at the earliest; it frees the context and removes what was not
 * kept. */
struct http_upload {
    int (*open)(struct http_request *request, void **ret_context); /* after all checks, before the first byte */
    int (*part_begin)(void *context, const struct http_part *part);
    int (*part_data)(void *context, const void *data, size_t length);
    int (*part_end)(void *context);
    void (*close)(void *context);
};

/* A row. A pattern is made of literal segments and {name} segments that take one non-empty segment each; a last segment
 * * takes any rest, also none. Literal beats {name} beats *. A HEAD request is answered by the GET row. */
struct http_route {
    const char *method;
    const char *pattern; /* "/files/{session_id}" */
    enum http_auth auth;
    bool also_v1; /* served under http_options.alias_prefix too */
    enum http_body body;
    bool profile; /* checks the asserted profile and carries the profile header */
    http_handler handle;
    const struct http_upload *upload; /* for HTTP_BODY_MULTIPART */
    int group;                        /* the caller's own, for http_gate.admit; 0 = none */
};

/* ---- who may call ---- */

#define HTTP_KEY_DIGEST_SIZE 32
#define HTTP_ADDRESS_SIZE    16
#define HTTP_TENANT_SIZE     65

/* What a request presents (http-api.md 4.2, 4.7), and what its path needs. Borrowed for the call. */
struct http_claim {
    enum http_auth needed; /* HTTP_KEY or HTTP_MASTER */
    int group;             /* of the row, 0 without a row */
    bool has_key;
    uint8_t key_digest[HTTP_KEY_DIGEST_SIZE]; /* SHA-256 of the key */
    const char *key_prefix;                   /* as http_request_key_prefix() */
    uint8_t client[HTTP_ADDRESS_SIZE];        /* IPv6, or IPv4 as mapped into it */
    const char *client_ip;                    /* the same as text */
    const char *request_id, *method, *path;
};

/* On whose behalf the request is served from here on. */
struct http_principal {
    char tenant[HTTP_TENANT_SIZE];
    bool anonymous; /* authentication is off: the key, if there is one, means nothing */
};

/* Why a request is refused. */
struct http_refusal {
    unsigned status;
    const char *text;             /* static */
    unsigned retry_after_seconds; /* 0 = says nothing of that */
};

/* Where the caller stands with a limit of requests, for the headers of the answer (http-api.md 5.3, 5.4). */
struct http_rate {
    const char *period; /* static; NULL = nothing to tell */
    int64_t limit, remaining;
    int64_t resets_ms; /* wall clock */
    char message[128]; /* of a refusal */
};

/* Decides who may call. Its functions are called on server threads, several at a time, and must not block. */
struct http_gate {
    /* Step 4 of http-api.md 3, not for open paths. Returns true with *ret_principal, or false with *ret_refusal. */
    bool (*authenticate)(const struct http_claim *claim, struct http_principal *ret_principal,
                         struct http_refusal *ret_refusal, void *data);

    /* Whether one that it let pass may still call, now that its body is here: hours later, if a client sends it slowly.
     * Returns false with *ret_refusal. NULL = who was let pass may. */
    bool (*confirm)(const struct http_claim *claim, const struct http_principal *principal,
                    struct http_refusal *ret_refusal, void *data);

    /* Step 6: counts the request. Returns false if a limit is used up: the client gets a 429. *ret_rate is empty before
     * the call. NULL = no limits. */
    bool (*admit)(const struct http_claim *claim, const struct http_principal *principal, struct http_rate *ret_rate,
                  void *data);
};

/* ---- the server ---- */

/* The profile assertion of http-api.md 11.4; the names of the headers are the caller's. */
struct http_profile {
    const char *expect_header; /* request header that asserts a profile; NULL = no such check */
    const char *answer_header; /* response header that names ours */
    const char *name;          /* our profile */
    const char *const *known;  /* NULL-terminated list of valid names */
    bool accept_any;           /* every known name is fine */
};

/* Told once per request after its response is sent or given up, on a server thread; for access logs and metrics. */
struct http_summary {
    const char *request_id, *method, *path, *client_ip;
    const char *pattern;    /* of the row, NULL if no row matched */
    const char *key_prefix; /* as http_request_key_prefix() */
    unsigned status;        /* 0 if none was sent */
    int64_t duration_us;
    uint64_t request_bytes; /* of the body */
    bool aborted;           /* the client went away, or was sent away, before the end */
};

/* Told of every request that presented itself where a key is needed, before it is answered; for audit logs. */
struct http_attempt {
    const char *request_id, *method, *path, *client_ip;
    const char *key_prefix; /* as http_request_key_prefix(), "none" without a key */
    bool granted;
    const char *reason; /* of the refusal, for people; NULL if granted */
};

/* All pointers are borrowed until http_server_free(), unless said. Start from HTTP_OPTIONS_INIT. */
struct http_options {
    const char *address; /* numeric IPv4 or IPv6 */
    uint16_t port;       /* 0 = any; see http_server_port() */
    unsigned n_threads;

    const struct http_route *routes;
    size_t n_routes;
    const char *alias_prefix; /* "/v1" */
    void *data;               /* the caller's own, see http_request_data() */

    struct http_gate gate;         /* without authenticate only open paths are served; called with data */
    bool bearer_enabled;           /* Authorization: Bearer */
    const struct http_area *areas; /* ends with prefix NULL; NULL = none. Elsewhere unknown paths need a key */

    bool cors_enabled;
    const char *const *cors_origins;    /* NULL-terminated; empty or NULL = any */
    const char *const *trusted_proxies; /* NULL-terminated CIDR blocks or addresses whose forwarding headers count */
    struct http_profile profile;
    bool debug; /* adds X-Response-Time-Ms */

    size_t max_header_bytes;            /* of one request's header block */
    uint64_t max_json_bytes;            /* of a buffered body */
    uint64_t max_request_bytes;         /* of any body */
    uint64_t max_buffered_bytes;        /* of all buffered bodies together; beyond it 503 */
    const char *const *upload_prefixes; /* NULL-terminated path prefixes exempt from the content type rule of 7.1 */
    unsigned max_connections;
    unsigned max_connections_per_peer; /* of one address, or IPv6 /64, that is no trusted proxy; 0 = no such limit */
    unsigned idle_seconds;             /* between two requests of a connection */
    unsigned header_seconds;           /* from connecting to the end of the first header block */
    size_t stream_buffer_bytes;        /* of one stream, see http_stream_write() */

    const char *tls_certificate; /* PEM text of the chain; NULL = plain HTTP */
    const char *tls_key;         /* PEM text */
    const char *tls_client_ca;   /* PEM text; a client must show a certificate of it; NULL = none asked */

    void (*completed)(const struct http_summary *summary, void *data); /* NULL = nobody is told */
    void (*attempted)(const struct http_attempt *attempt, void *data); /* NULL = nobody is told */
};

#define HTTP_OPTIONS_INIT                                                                                              \
    ((struct http_options){                                                                                            \
        .address = "127.0.0.1",                                                                                        \
        .n_threads = 2,                                                                                                \
        .alias_prefix = "/v1",                                                                                         \
        .bearer_enabled = true,                                                                                        \
        .max_header_bytes = 64 << 10,                                                                                  \
        .max_json_bytes = 50 << 20,                                                                                    \
        .max_request_bytes = 150 << 20,                                                                                \
        .max_buffered_bytes = 256 << 20,                                                                               \
        .max_connections = 1024,                                                                                       \
        .idle_seconds = 120,                                                                                           \
        .header_seconds = 30,                                                                                          \
        .stream_buffer_bytes = 256 << 10,                                                                              \
    })

/* Starts listening and serving. On failure writes one sentence to error. One server with TLS at a time (tls.h). Returns
 * 0 or a negative errno. */
int http_server_start(const struct http_options *options, struct http_server **ret_server, char *error,
                      size_t error_size);

/* Shows another certificate to connections that come from now on; those that live go on as they are. The client CA
 * stays. Returns 0, or -EINVAL with a sentence in error and the old certificate still shown, or -ENOMEM. */
int http_server_show_certificate(struct http_server *server, const char *certificate, const char *key, char *error,
                                 size_t error_size);

/* Whether PEM texts are a certificate chain and its key, and when it ends (seconds since 1970). Returns as above. */
int http_tls_check(const char *certificate, const char *key, int64_t *ret_expires_s, char *error, size_t error_size);

/* Whether a PEM text holds certificates, as tls_client_ca has to: with none no client would get in. Returns as above.
 */
int http_tls_check_authorities(const char *authorities, char *error, size_t error_size);

/* The port that is listened on. */
uint16_t http_server_port(const struct http_server *server);

/* While text is not NULL every request to a row that is not HTTP_OPEN is answered 503 with it ("Service is starting
 * up"). The text is borrowed for good. */
void http_server_refuse(struct http_server *server, const char *text);

/* Accepts no more connections, lets running requests end for up to grace_ms, then answers suspended ones with 503, ends
 * all connections and joins the threads. Owners of suspended requests may still make their final calls afterwards, up
 * to http_server_free(), which waits for them. */
void http_server_stop(struct http_server *server, int64_t grace_ms);
struct http_server *http_server_free(struct http_server *server); /* stops first if need be; returns NULL */

/* ---- reading a request ---- */

void *http_request_data(const struct http_request *request);             /* http_options.data */
void *http_request_upload_context(const struct http_request *request);   /* what open made; NULL if there was no body */
const char *http_request_method(const struct http_request *request);     /* "HEAD" is seen as "GET" */
const char *http_request_path(const struct http_request *request);       /* decoded once, as the client sent it */
const char *http_request_id(const struct http_request *request);         /* 21 characters; http-api.md 1.4 */
const char *http_request_client_ip(const struct http_request *request);  /* http-api.md 4.7 */
const char *http_request_tenant(const struct http_request *request);     /* "" on open paths */
const char *http_request_key_prefix(const struct http_request *request); /* "sk-exa..." or "anonymous"; for logs */
const char *http_request_key_hash(const struct http_request *request);   /* SHA-256 in hex, or "" without a good key */
int64_t http_request_received_us(const struct http_request *request);    /* monotonic, when all of it was here */

/* The text that {name} took, decoded. Never NULL for a name of the row's pattern. "*" names the rest. */
const char *http_request_param(const struct http_request *request, const char *name);

/* The first value of a query parameter, decoded (+ is a space); "" if it has no value, NULL if absent. */
const char *http_request_query(const struct http_request *request, const char *name);

/* The first value of a header, name in any case; NULL if absent. Only inside the handler and upload callbacks, before
 * http_request_suspend(). */
const char *http_request_header(const struct http_request *request, const char *name);

/* The bytes of a JSON or raw body, followed by a NUL that does not count; never NULL. */
const char *http_request_body(const struct http_request *request, size_t *ret_length);

/* True if a body was sent or announced, even an empty chunked one. */
bool http_request_has_body(const struct http_request *request);

/* Parses a JSON body. Returns a new object, or NULL after having answered with 422 (http-api.md 7.2). Nesting is
 * limited; a repeated key keeps its last value; "\u0000" in values is allowed, in keys it is not; a BOM is skipped. */
json_t *http_json_object(struct http_request *request);

/* The same of a text that stands for the body. */
json_t *http_json_object_of(struct http_request *request, const char *text, size_t length);

/* A duplicate of the connection's descriptor, close-on-exec, for watching only: never read, write or shut it down.
 * Returns it, or a negative errno. Inside the handler, before http_request_suspend(). */
int http_request_dup_fd(struct http_request *request);

/* Closes fd once the answer has gone out, or cannot any more. Before the owner's final call, once for a request; -1 is
 * accepted. */
void http_request_close_after(struct http_request *request, int fd);

/* Makes the answer come later, from any thread (see "Life of a request"). */
void http_request_suspend(struct http_request *request);

/* ---- answering ---- */

/* Lists end with a NULL name. Values are copied; control characters in them are percent-encoded. */
struct http_header {
    const char *name;
    const char *value;
};

/* One entry of "details" (http-api.md 8.1). field and code may be NULL. */
struct http_detail {
    const char *field;
    const char *message;
    const char *code;
};

/* Takes body (from malloc, may be NULL with length 0) in every case. headers may be NULL. */
void http_respond(struct http_request *request, unsigned status, const char *content_type,
                  const struct http_header *headers, char *body, size_t length);

/* As http_respond with bytes that outlive the server, such as embedded pages. */
void http_respond_static(struct http_request *request, unsigned status, const char *content_type,
                         const struct http_header *headers, const void *body, size_t length);

/* Sends json and takes the reference. */
void http_respond_json(struct http_request *request, unsigned status, json_t *json);
void http_respond_json_headers(struct http_request *request, unsigned status, json_t *json,
                               const struct http_header *headers);

/* Sends an error of http-api.md 8; details (n_details may be 0) and headers (may be NULL) are copied. */
void http_respond_error(struct http_request *request, unsigned status, const char *text,
                        const struct http_detail *details, size_t n_details, const struct http_header *headers);

/* The body of such an error, for callers that add keys or send it inside a stream. Returns NULL if out of memory. */
json_t *http_error_json(const struct http_request *request, unsigned status, const char *text,
                        const struct http_detail *details, size_t n_details);

/* Streams size bytes of fd from its start with Content-Length; takes fd in every case. */
void http_respond_fd(struct http_request *request, unsigned status, const char *content_type,
                     const struct http_header *headers, int fd, uint64_t size);

/* ---- answering piece by piece; only for suspended requests ---- */

enum http_stream_outcome {
    HTTP_STREAM_E_GONE = 1, /* the client hung up or the server stops: nothing more will arrive */
    HTTP_STREAM_E_FULL = 2, /* the client reads too slowly: nothing was taken */
};

/* Sends status and headers now; the body follows in chunks. */
void http_stream_begin(struct http_request *request, unsigned status, const char *content_type,
                       const struct http_header *headers);

/* Queues a copy of the bytes; each call is flushed at once. At most stream_buffer_bytes wait unread: beyond it waits up
 * to timeout_ms (0 = not at all) for room. Returns 0, HTTP_STREAM_E_GONE, HTTP_STREAM_E_FULL or -ENOMEM. */
int http_stream_write(struct http_request *request, const void *data, size_t length, int64_t timeout_ms);

/* A body that is made while the client reads it. read copies up to max bytes and returns how many, 0 if there is
 * nothing now (http_stream_wake() tells of more), or a value below. It is called on a server thread and must not wait.
 * close is called exactly once, after the last read, also if nothing was ever sent. */
struct http_source {
    ssize_t (*read)(void *context, void *to, size_t max);
    void (*close)(void *context);
};

enum http_source_end {
    HTTP_SOURCE_END = -1,
    HTTP_SOURCE_CUT = -2, /* something is missing: the client sees a body cut short */
};

/* As http_stream_begin(), with a body that comes from a source instead of http_stream_write(). The owner still makes
 * its final call, http_stream_end() without last, whenever it likes: it ends nothing, the source does. */
void http_stream_pull(struct http_request *request, unsigned status, const char *content_type,
                      const struct http_header *headers, const struct http_source *source, void *context);

/* The source has more. From any thread, before http_stream_pull() and until close was called; takes a lock for a
 * moment. */
void http_stream_wake(struct http_request *request);

/* The final call of a stream: sends last (from malloc, may be NULL; taken in every case, whatever its size) and ends.
 */
void http_stream_end(struct http_request *request, char *last, size_t length);

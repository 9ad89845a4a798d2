/* SPDX-License-Identifier: Apache-2.0 */
/* internal.h -- what the files of this folder share about servers and requests. Not for use outside.
 *
 * A request has up to three holders, each counted in references: the connection (from its request line to its end), the
 * owner (from http_request_suspend() to the final call) and a stream's response. The fields below "lock" are reached
 * from several threads; all others belong to the thread that currently handles the request: the connection's until the
 * handler suspends it, then the owner's. */
#pragma once

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "base/id.h"
#include "http/address.h"
#include "http/auth.h"
#include "http/connection.h"
#include "http/http.h"
#include "http/multipart.h"
#include "http/peers.h"
#include "http/router.h"

#define HTTP_KEY_PREFIX_SIZE 24
#define HTTP_KEY_HASH_SIZE   (2 * AUTH_DIGEST_SIZE + 1)

struct http_server {
    struct http_options options;
    struct address_block *trusted;
    size_t n_trusted;
    struct MHD_Daemon *daemon;
    struct connection_guard *guard;
    struct peers *peers;
    bool tls;
    uint16_t port;

    const char *_Atomic refusal;
    _Atomic bool stopping; /* no request may be suspended any more */
    _Atomic bool draining; /* answers close their connections */
    _Atomic uint64_t buffered_bytes;

    pthread_mutex_t lock; /* guards the list and its count; taken before a request's lock */
    pthread_cond_t changed;
    struct http_request *requests;
    unsigned n_requests;  /* that exist */
    unsigned n_connected; /* of them, those whose connection still lives */
};

enum request_phase {
    PHASE_NEW,     /* the request line is known */
    PHASE_BODY,    /* the body arrives and is wanted */
    PHASE_DROP,    /* the body arrives, the answer is known */
    PHASE_HANDLED, /* the handler was called */
};

struct stream {
    const struct http_source *source; /* NULL = what is written; else only the next two are used */
    void *source_context;
    bool woken;
    bool active, ended;
    struct buffer pending; /* sent up to pending_sent */
    size_t pending_sent;
    char *last; /* follows pending */
    size_t last_length, last_sent;
};

struct http_request {
    struct http_server *server;
    struct http_request *prev, *next;
    _Atomic unsigned references;

    /* From the request line and the headers. */
    char id[ID_SIZE];
    char *target; /* as received */
    struct router_path path;
    char *query; /* decoded name NUL value NUL ... */
    size_t query_length;
    char method[16]; /* GET stands for HEAD too */
    bool head, http10;
    struct router_match match;
    struct address client;
    char client_ip[ADDRESS_TEXT_SIZE];
    char key_prefix[HTTP_KEY_PREFIX_SIZE];
    char key_hash[HTTP_KEY_HASH_SIZE];
    struct http_claim claim;
    struct http_principal principal;
    struct http_rate rate;
    char *cors_origin;             /* to be allowed in the answer; NULL = none */
    int64_t begun_us, received_us; /* its line was here; all of it was */
    bool has_body, expects_continue;
    bool must_close;         /* where the request ends is in doubt: nothing after it is a request */
    uint64_t declared_bytes; /* UINT64_MAX = unknown */

    /* The body. */
    enum request_phase phase;
    bool begun;
    uint64_t body_limit;
    uint64_t body_bytes;
    struct buffer body;
    uint64_t charged_bytes; /* of server->buffered_bytes */
    bool was_large;         /* a body that left its marks in memory */
    struct multipart *multipart;
    void *upload_context;
    bool upload_open;

    /* Of the connection's thread, during the call of the handler. */
    bool handed_over; /* an owner exists */
    bool suspended;   /* the connection sleeps, or slept, until the owner's final call */

    int fd_to_close; /* when the connection is done with the request; -1 = none */

    pthread_mutex_t lock;
    pthread_cond_t room;               /* in the stream, or none any more */
    struct MHD_Connection *connection; /* NULL once the connection is done with the request */
    struct connection *guarded;        /* NULL likewise */
    struct MHD_Response *response;     /* ready to be queued */
    unsigned status;                   /* of response */
    bool owned;                        /* between suspension and final call */
    bool parked;                       /* the library does not touch the connection until resumed */
    bool answered;                     /* a response was made or the stream began */
    bool aborted;                      /* the server stops */
    struct stream stream;
};

/* ---- request.c ---- */

/* Makes the request of a request line; the one reference is the connection's. NULL if out of memory. */
struct http_request *request_new(struct http_server *server, const char *target);
void request_ref(struct http_request *request);
void request_unref(struct http_request *request);

/* The connection is done with the request: tells the stream and gives the connection's reference back. */
void request_disconnect(struct http_request *request);

/* Takes bytes from the server's allowance for buffered bodies. Returns false if it is used up. */
bool request_charge(struct http_request *request, uint64_t bytes);

/* Reads header values; the request must be in the hands of the connection's thread. */
const char *request_header(const struct http_request *request, const char *name);

/* ---- checks.c ---- */

/* Runs the checks of http-api.md 3 that come before the body. Returns true if one of them answered. */
bool checks_run(struct http_request *request);

/* Asks the gate once more, now that a body is here. Returns true if the request was answered. */
bool checks_confirm(struct http_request *request);

/* ---- body.c ---- */

/* Checks kind and declared size of the body and prepares to receive it. Returns true if it answered. */
bool body_begin(struct http_request *request);

/* Takes bytes. Returns false if the connection must be cut. */
bool body_receive(struct http_request *request, const char *data, size_t length);

/* The body is complete. Returns true if an answer is there already. */
bool body_end(struct http_request *request);

/* Frees what is no longer needed once the request is answered; then, at the end of the request, the rest. */
void body_forget(struct http_request *request);
void body_deinit(struct http_request *request);

/* ---- stream.c ---- */

void stream_deinit(struct stream *stream);

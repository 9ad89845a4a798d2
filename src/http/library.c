/* SPDX-License-Identifier: Apache-2.0 */
#include "http/library.h"

#include <dlfcn.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <string.h>
#include <sys/socket.h>

#include "base/cleanup.h"
#include "base/id.h"
#include "http/respond.h"

typedef enum MHD_Result (*queue_function)(struct MHD_Connection *, unsigned, struct MHD_Response *);

typedef enum MHD_Result (*lookup_function)(struct MHD_Connection *, enum MHD_ValueKind, const char *, size_t,
                                           const char **, size_t *);

static queue_function real_queue; /* both set once, before any thread of a server exists */
static lookup_function real_lookup;

/* The connection that this thread has just had the library close, with the memory that its headers were in. After a
 * complaint about cookies the library goes on to look for other headers there. */
static _Thread_local const struct MHD_Connection *closed;

/* What the library complains about. Its 500 means a line of chunk framing that does not fit its memory. */
static const struct {
    unsigned status, answer;
    const char *text;
} complaints[] = {
    { MHD_HTTP_BAD_REQUEST, 400, "Malformed request" },
    { MHD_HTTP_CONTENT_TOO_LARGE, 413, "Request body too large" },
    { MHD_HTTP_URI_TOO_LONG, 414, "Request target too long" },
    { MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE, 431, "Request header fields too large" },
    { MHD_HTTP_INTERNAL_SERVER_ERROR, 400, "Malformed request" },
    { MHD_HTTP_HTTP_VERSION_NOT_SUPPORTED, 505, "HTTP version not supported" },
};

int library_init(void)
{
    if (!real_queue)
        real_queue = (queue_function)dlsym(RTLD_NEXT, "MHD_queue_response");
    if (!real_lookup)
        real_lookup = (lookup_function)dlsym(RTLD_NEXT, "MHD_lookup_connection_value_n");
    return real_queue && real_lookup ? 0 : -ENOSYS;
}

void library_begin(void)
{
    closed = NULL;
}

enum MHD_Result library_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
    return real_queue(connection, status, response);
}

/* True for a complaint about Content-Length, between the header block and our first call. For this one the library
 * forgets that it has an answer under way and writes the header block a second time, into the body of the first. */
static bool is_garbled(struct MHD_Connection *connection, struct connection *guarded)
{
    const union MHD_ConnectionInfo *size = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);

    return size && size->header_size > 0 && guarded && atomic_load(&guarded->phase) == CONNECTION_WAITING;
}

/* A small answer into an empty send buffer: what does not fit at once is not worth waiting for. */
static void send_at_once(struct MHD_Connection *connection, int fd, const char *bytes)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_GNUTLS_SESSION);

    if (info)
        gnutls_record_send(info->tls_session, bytes, strlen(bytes));
    else
        send(fd, bytes, strlen(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
}

static enum MHD_Result answer(struct MHD_Connection *connection, unsigned status, const char *text)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    struct connection *guarded = info ? info->socket_context : NULL;
    struct MHD_Response *response;
    enum MHD_Result r = MHD_NO; /* makes the library close the connection */

    if (is_garbled(connection, guarded)) {
        CLEANUP_FREE char *bytes = respond_write_orphan(status, text);

        if (bytes)
            send_at_once(connection, guarded->fd, bytes);
        guarded->unread = true;
        return r;
    }
    response = respond_make_orphan(status, text);
    if (response) {
        r = real_queue(connection, status, response);
        MHD_destroy_response(response);
    }
    /* While it stops, the library says yes without taking the response, and then falls over the missing one. */
    return MHD_get_connection_info(connection, MHD_CONNECTION_INFO_HTTP_STATUS) ? r : MHD_NO;
}

enum MHD_Result MHD_queue_response(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response)
{
    for (size_t i = 0; i < ARRAY_SIZE(complaints); i++)
        if (complaints[i].status == status) {
            enum MHD_Result r = answer(connection, complaints[i].answer, complaints[i].text);

            if (r == MHD_NO)
                closed = connection;
            return r;
        }
    return real_queue(connection, status, response);
}

enum MHD_Result MHD_lookup_connection_value_n(struct MHD_Connection *connection, enum MHD_ValueKind kind,
                                              const char *key, size_t key_size, const char **value_ptr,
                                              size_t *value_size_ptr)
{
    if (connection == closed)
        return MHD_NO;
    return real_lookup(connection, kind, key, key_size, value_ptr, value_size_ptr);
}

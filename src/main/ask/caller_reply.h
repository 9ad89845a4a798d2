/* SPDX-License-Identifier: Apache-2.0 */
/* caller_reply.h -- HTTP/1.1 answers, as far as a client of one known server needs them. Allocates nothing. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CALLER_REPLY_HEAD_MAX_BYTES (16 * 1024)

enum {
    CALLER_REPLY_E_MORE = 1, /* nothing wrong so far, but it is not all there */
};

struct caller_reply {
    int status;
    size_t head_bytes; /* up to and with the empty line */
    size_t body_bytes; /* announced by Content-Length; 0 if chunked */
    bool chunked;
    bool closes; /* the server will close the connection */
};

/* Reads the head at the start of data. Returns 0, CALLER_REPLY_E_MORE or -EBADMSG. */
int caller_reply_head(const char *data, size_t length, struct caller_reply *ret_reply);

/* Joins the chunks of a body in place, from the start of data on. Returns 0 with the bytes of the joined body, or
 * CALLER_REPLY_E_MORE or -EBADMSG, which leave data as it was. */
int caller_reply_join(char *data, size_t length, size_t *ret_bytes);

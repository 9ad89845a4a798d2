/* SPDX-License-Identifier: Apache-2.0 */
/* library.h -- the errors that the library below answers by itself: malformed or oversized requests that never reach a
 * handler. It has no hook for them, so its own calls of MHD_queue_response() are caught by defining that function here,
 * where the dynamic linker finds it first, and their answers get the headers and the shape of all others. A library
 * that does not make these calls through the linker answers as it likes, with the right status still. The same way it
 * is kept from the headers of a connection that it has closed (MHD_lookup_connection_value_n()). Internal. */
#pragma once

#include <microhttpd.h>

/* Finds the real function. Called before the first server starts. Returns 0 or -ENOSYS. */
int library_init(void);

/* A request begins on this thread, maybe of a connection that lies where a closed one did: its headers are there. */
void library_begin(void);

/* The real function. */
enum MHD_Result library_queue(struct MHD_Connection *connection, unsigned status, struct MHD_Response *response);

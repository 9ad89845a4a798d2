/* SPDX-License-Identifier: Apache-2.0 */
/* own_server.h -- a `codecell serve` of a command's own: a free loopback port, a new key, data in a temporary
 * directory, and every setting at its default unless the caller gives another. Stopping it removes the directory. */
#pragma once

#include <limits.h>
#include <sys/types.h>

#include "main/ask/caller.h"

#define OWN_SETTINGS_MAX 64

struct own_server {
    struct caller_address address;
    pid_t pid;           /* the warden; 0 = not started here */
    char home[PATH_MAX]; /* holds data/ and log; "" = none */
    char error[256];     /* why it did not start: the end of its log */
};

/* Starts `program serve` with these further settings ("NAME=value", NULL-terminated; NULL = none) and returns at once.
 * A server that was stopped with own_server_end() starts again with its old key and data. Returns 0 or a negative
 * errno. */
int own_server_start(struct own_server *server, const char *program, const char *const *settings);

/* Asks GET /ready until it says 200. Returns 0; -ECHILD with server->error if the server ended instead; -ETIMEDOUT;
 * -EINTR. */
int own_server_wait(struct own_server *server);

/* Ends the process as an operator would, and waits; data stays. */
void own_server_end(struct own_server *server);

/* Ends it and removes everything. Accepts one that never started. */
void own_server_stop(struct own_server *server);

/* A new directory below the system's temporary one that every user may enter. Returns 0 or a negative errno. */
int own_directory_make(char ret_path[static PATH_MAX]);

/* Removes it with everything in it. "" is accepted. */
void own_directory_remove(const char *path);

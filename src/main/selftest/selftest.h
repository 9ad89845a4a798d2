/* SPDX-License-Identifier: Apache-2.0 */
/* selftest.h -- one run of `codecell selftest --attack`: what was asked for, the server that is attacked, and the ways
 * to attack it. */
#pragma once

#include <jansson.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "base/id.h"
#include "main/ask/caller.h"
#include "main/ask/own_server.h"
#include "main/selftest/selftest_case.h"

#define SELFTEST_MARK_SIZE    16 /* fits the name of a process */
#define SELFTEST_SESSIONS_MAX 64 /* more than any case has */

struct selftest_options {
    const char *url, *key; /* a running server; NULL = one of its own */
    const char *only;      /* ids, separated by commas; NULL = all */
    const char *json;      /* file to write; NULL = none */
    bool attack, list;
};

/* The Python sessions of the case that is tried. Filled by several threads. */
struct selftest_sessions {
    pthread_mutex_t lock;
    unsigned n;
    char ids[SELFTEST_SESSIONS_MAX][ID_SIZE];
};

struct selftest {
    struct selftest_options options;
    const char *program;          /* this executable */
    char directory[PATH_MAX];     /* selftest/, which holds programs */
    struct own_server server;     /* the attacked one; pid 0 for a foreign one */
    char master[CALLER_KEY_SIZE]; /* the master key of a server of its own */
    struct caller caller;         /* of the main thread */
    json_t *languages;            /* its answer to GET /languages */
    struct selftest_sessions *sessions;
    json_t *mounts, *groups;       /* what the host had before the server was started; NULL = not looked at */
    bool here;                     /* root on the host whose processes the programs are */
    char mark[SELFTEST_MARK_SIZE]; /* names the processes of the case that is tried */
    const char *settings[OWN_SETTINGS_MAX + 1]; /* of a server of its own; NULL-terminated */
    unsigned number;                            /* of the case that is tried */
    unsigned port;                              /* of a listening socket of the case; 0 = none */
};

/* -- selftest_ask.c: programs and answers. */

/* The text of a program: with the helpers of its language before it, and "@MARK@" and "@PORT@" replaced. The caller
 * owns *ret_text. Returns 0 or a negative errno. */
int selftest_text(const struct selftest *test, const char *language, const char *file, const char *code,
                  char **ret_text);

/* The body of POST /exec with it; the caller owns *ret_body. */
int selftest_body(const struct selftest *test, const struct selftest_case *row, const char *file,
                  const char *session_id, char **ret_body);

/* POST /exec of a row's program, or of the row's second one; in session_id unless NULL. Waits for a place if the server
 * is busy. The outputs of earlier answers are the caller's to remove. Returns the HTTP status or a negative errno; the
 * caller owns *ret_body, which may be NULL. */
int selftest_exec(const struct selftest *test, struct caller *caller, const struct selftest_case *row, const char *file,
                  const char *session_id, json_t **ret_body, double *ret_ms);

/* Removes the outputs that an answer names from the server. */
void selftest_forget(struct caller *caller, const json_t *body);

/* Sends these bytes on a connection of its own, from this source address (NULL = any). Returns the status of the
 * answer, 0 if the connection was closed without one, or a negative errno; text gets what came, cut to size. */
int selftest_send(const struct selftest *test, const char *bytes, size_t length, const char *source, char *ret_text,
                  size_t size);

/* A program that runs while the main thread does something else. */
struct selftest_errand {
    const struct selftest *test;
    const struct selftest_case *row;
    const char *file; /* NULL = the row's code */
    pthread_t thread;
    json_t *body;
    double ms;
    int status;        /* as selftest_exec() returns it */
    atomic_bool ended; /* the answer is there; the thread is still to be joined */
};

int selftest_errand_start(struct selftest_errand *errand, const struct selftest *test, const struct selftest_case *row,
                          const char *file);

/* Waits for its end. The errand keeps the answer, which the caller releases. */
void selftest_errand_join(struct selftest_errand *errand);

/* -- selftest_rest.c: what a case leaves. */

/* Remembers the session of an answer, if its program may rest. */
void selftest_rest_note(struct selftest_sessions *sessions, const struct selftest_case *row, const json_t *body);

/* Notes what is left of the case on the host, and ends what may be. */
void selftest_rest_look(struct selftest *test, struct selftest_result *result);

/* -- selftest_ways*.c: the ways. */

selftest_way selftest_program;   /* one program */
selftest_way selftest_then;      /* one after the other in one session; the second reports */
selftest_way selftest_after;     /* one after the other in two sessions; the second reports */
selftest_way selftest_beside;    /* the second beside the first; both report */
selftest_way selftest_repeat;    /* four times: each the same answer */
selftest_way selftest_differ;    /* twice: the answers have no line in common */
selftest_way selftest_kept;      /* one after the other in one session; what the first made must not change */
selftest_way selftest_request;   /* a request as it is */
selftest_way selftest_guesses;   /* wrong keys, until they are held back */
selftest_way selftest_stampede;  /* many at once */
selftest_way selftest_tenants;   /* what is another tenant's */
selftest_way selftest_audit;     /* the audit log of the server's own */
selftest_way selftest_hang_up;   /* the client goes away */
selftest_way selftest_listeners; /* sockets of the host that nobody may reach */
selftest_way selftest_knock;     /* a socket of the program that nobody may reach */
selftest_way selftest_privilege; /* what the kernel says of a program's process */
selftest_way selftest_api;       /* the same of the process that speaks HTTP */
selftest_way selftest_groups;    /* the control groups of a program */
selftest_way selftest_remains;   /* the end of a server of its own */

/* SPDX-License-Identifier: Apache-2.0 */
/* selftest_case.h -- one case of `codecell selftest --attack`: what is tried, what must be seen, and what was.
 *
 * selftest_cases.c is the table of all: adding a case is adding a row there and, if its program is longer than a line,
 * a file in selftest/. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define SELFTEST_EVIDENCE_SIZE 640

struct selftest;
struct selftest_case;

/* From good to bad: a case has the worst verdict of what was seen. */
enum selftest_verdict {
    SELFTEST_HELD,
    SELFTEST_NOT_HERE, /* cannot be shown here; the evidence is the reason */
    SELFTEST_UNKNOWN,  /* could not be run, or its control failed: says nothing about the wall */
    SELFTEST_DOWN,
};

struct selftest_result {
    enum selftest_verdict verdict;
    unsigned seen; /* observations so far */
    char evidence[SELFTEST_EVIDENCE_SIZE];
    double ms;
};

/* A way to try a case. Notes what it sees in the result. */
typedef void selftest_way(struct selftest *test, const struct selftest_case *row, struct selftest_result *result);

enum {
    SELFTEST_ON_HOST = 1,   /* needs root on the server's own host */
    SELFTEST_OWN = 2,       /* only with a server that selftest started: it would disturb another one */
    SELFTEST_ANSWERS = 4,   /* the program reports nothing: the server's answer tells */
    SELFTEST_NEIGHBOUR = 8, /* meanwhile other programs must run as if nothing was */
    SELFTEST_LOOPBACK = 16, /* needs a server at a loopback address */
};

struct selftest_case {
    const char *id;       /* of the list of attacks: "K1"; several rows may share one */
    const char *promise;  /* in a few words */
    const char *absent;   /* why no row here can show it; the rest is empty then */
    selftest_way *way;    /* NULL = selftest_program() */
    unsigned flags;       /* SELFTEST_... */
    const char *language; /* of the program; a server without it makes the case "not here" */
    const char *file;     /* program in selftest/, or */
    const char *code;     /* its text */
    const char *second;   /* file of another program: after it or beside it, as the way says */
    const char *fields;   /* further members of the request: a JSON object */
    unsigned timeout_ms;  /* of the program; 0 = 20 s */
    unsigned within_ms;   /* when the answer must be there; 0 = 10 s after the time-out */

    /* What the answer must be like. */
    const char *outcomes; /* one of these words; NULL = ok */
    const char *out;      /* stdout begins with this; the answer to a request has it somewhere */
    const char *never;    /* stands nowhere in the answer */
    const char *files;    /* the names of all outputs, separated by commas; "-" = none */
    const char *contents; /* of each output */
    int code_min;         /* the exit code is at least this */

    /* For requests that are sent as they are. */
    const char *request; /* head and body */
    const char *status;  /* one of these words; "-" = the connection is closed without an answer */
};

extern const struct selftest_case selftest_cases[];

/* Notes one observation: the verdict becomes the worse of both; the evidence keeps what tells of the worst. */
void selftest_note(struct selftest_result *result, enum selftest_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* True if words, separated by blanks or commas, has this word. */
bool selftest_has_word(const char *words, const char *word);

/* True if names (as --only has them; NULL = all) has the row's id. */
bool selftest_selected(const char *names, const char *id);

/* The first of the names that is no case, written to ret_name. False if each is one. */
bool selftest_unknown_name(const char *names, char *ret_name, size_t size);

const char *selftest_verdict_word(enum selftest_verdict verdict);

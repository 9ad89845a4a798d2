/* SPDX-License-Identifier: Apache-2.0 */
/* bench.h -- one run of `codecell bench`: what was asked for, and the server under measurement. */
#pragma once

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "main/ask/interrupt.h"
#include "main/ask/own_server.h"
#include "main/bench/bench_row.h"

struct bench_options {
    const char *url, *key;  /* a running server; NULL = one of its own */
    const char *only;       /* names of rows, separated by commas; NULL = all */
    const char *json, *svg; /* files to write; NULL = none */
    int seconds;            /* time for one row; 0 = its own default */
    bool quick, list;
};

struct bench {
    struct bench_options options;
    const char *program;      /* this executable, to start servers with */
    struct own_server server; /* the measured one; pid 0 for a foreign one */
    json_t *languages;        /* its answer to GET /languages */
    char home[PATH_MAX];      /* where bare commands work */
    long long next_number;    /* of the next source that nobody has seen */
    unsigned processors;
};

/* Every measurement, in the order they are made; ends with an empty row. */
extern const struct bench_row bench_rows[];

/* The row whose points --svg draws. */
#define BENCH_ROW_CONCURRENCY "py-concurrency"

/* True if names (as --only has them; NULL = all) has this row. */
bool bench_selected(const char *names, const char *row);

/* The first of the names that is no row, written to ret_name. False if each is one. */
bool bench_unknown_name(const char *names, char *ret_name, size_t size);

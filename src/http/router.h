/* SPDX-License-Identifier: Apache-2.0 */
/* router.h -- which row of the route table serves a path. Knows no request. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "http/http.h"

#define ROUTER_SEGMENTS_MAX 16
#define ROUTER_ALLOW_SIZE   64

enum router_outcome {
    ROUTER_E_MALFORMED = 1, /* the path holds a NUL byte or does not start with a slash */
};

/* A decoded path. text is the whole; the segments are NUL-terminated copies of its parts. */
struct router_path {
    char *text;
    char *cut; /* text again with NUL for every slash; the segments point into it */
    const char *segments[ROUTER_SEGMENTS_MAX];
    unsigned n_segments;
    bool unroutable; /* dot segments, or too many segments: matches no row */
};

struct router_match {
    const struct http_route *known; /* a row of this path, whatever its method; NULL if there is none */
    const struct http_route *route; /* the row for the method; NULL if the method is not allowed */
    unsigned skip;                  /* segments of the path that are the alias prefix */
    char allow[ROUTER_ALLOW_SIZE];  /* value of the Allow header */
};

/* Decodes the path of a request target, without query. Returns 0, ROUTER_E_MALFORMED or -ENOMEM; deinit in every case.
 */
int router_path_init(struct router_path *path, const char *target, size_t length);
void router_path_deinit(struct router_path *path);

/* True if the path is prefix or lies below it. */
bool router_path_below(const struct router_path *path, const char *prefix);

void router_find(const struct http_route *routes, size_t n_routes, const char *alias_prefix,
                 const struct router_path *path, const char *method, struct router_match *ret_match);

/* What {name} took of the path; NULL if the pattern has no such segment. */
const char *router_param(const struct router_match *match, const struct router_path *path, const char *name);

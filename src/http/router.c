/* SPDX-License-Identifier: Apache-2.0 */
#include "http/router.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/text.h"

/* How closely a pattern fits, one character a segment: a literal beats a parameter beats the rest. Compared with
 * strcmp. */
enum {
    FIT_REST = '1',
    FIT_PARAM = '2',
    FIT_LITERAL = '3',
};

struct fit {
    char segments[ROUTER_SEGMENTS_MAX + 1];
};

void router_path_deinit(struct router_path *path)
{
    free(path->text);
    free(path->cut);
    *path = (struct router_path){ 0 };
}

static void split(struct router_path *path)
{
    char *p = path->cut;

    if (p[1] == '\0')
        return; /* "/" has no segments */
    while (p) {
        char *next;

        *p++ = '\0';
        next = strchr(p, '/');
        if (path->n_segments == ROUTER_SEGMENTS_MAX) {
            path->unroutable = true;
            return;
        }
        path->segments[path->n_segments++] = p;
        p = next;
    }
    for (unsigned i = 0; i < path->n_segments; i++)
        if (strcmp(path->segments[i], ".") == 0 || strcmp(path->segments[i], "..") == 0)
            path->unroutable = true;
    if (path->n_segments > 1 && path->segments[path->n_segments - 1][0] == '\0')
        path->n_segments--; /* a single trailing slash */
}

int router_path_init(struct router_path *path, const char *target, size_t length)
{
    size_t n;

    *path = (struct router_path){ 0 };
    path->text = malloc(length + 1);
    if (!path->text)
        return -ENOMEM;
    n = text_percent_decode(path->text, target, length, false);
    path->text[n] = '\0';
    if (path->text[0] != '/' || memchr(path->text, '\0', n))
        return ROUTER_E_MALFORMED;
    path->cut = strdup(path->text);
    if (!path->cut)
        return -ENOMEM;
    split(path);
    return 0;
}

bool router_path_below(const struct router_path *path, const char *prefix)
{
    size_t length = strlen(prefix);

    return strncmp(path->text, prefix, length) == 0 && (path->text[length] == '\0' || path->text[length] == '/');
}

/* The next segment of a pattern, without its slash; NULL at the end. */
static const char *next_segment(const char **pattern, size_t *ret_length)
{
    const char *segment = *pattern;

    if (segment[0] != '/' || segment[1] == '\0')
        return NULL;
    segment++;
    *ret_length = strcspn(segment, "/");
    *pattern = segment + *ret_length;
    return segment;
}

static bool is_param(const char *segment, size_t length)
{
    return length > 2 && segment[0] == '{' && segment[length - 1] == '}';
}

static bool fits(const char *pattern, const struct router_path *path, unsigned skip, struct fit *ret_fit)
{
    const char *segment;
    unsigned i = skip, n = 0;
    size_t length;

    while ((segment = next_segment(&pattern, &length))) {
        const char *value = i < path->n_segments ? path->segments[i] : NULL;

        if (length == 1 && segment[0] == '*') {
            ret_fit->segments[n++] = FIT_REST;
            ret_fit->segments[n] = '\0';
            return true;
        }
        if (!value)
            return false;
        if (is_param(segment, length) && value[0])
            ret_fit->segments[n++] = FIT_PARAM;
        else if (strlen(value) == length && memcmp(value, segment, length) == 0)
            ret_fit->segments[n++] = FIT_LITERAL;
        else
            return false;
        i++;
    }
    ret_fit->segments[n] = '\0';
    return i == path->n_segments;
}

/* Tries a row bare and under the alias prefix. */
static bool row_fits(const struct http_route *row, const struct router_path *path, unsigned alias_segments,
                     struct fit *ret_fit, unsigned *ret_skip)
{
    *ret_skip = 0;
    if (fits(row->pattern, path, 0, ret_fit))
        return true;
    *ret_skip = alias_segments;
    return row->also_v1 && alias_segments && fits(row->pattern, path, alias_segments, ret_fit);
}

/* How many segments of the path the prefix takes; 0 if the path is not below it. */
static unsigned count_prefix(const char *prefix, const struct router_path *path)
{
    const char *segment;
    unsigned n = 0;
    size_t length;

    while (prefix && (segment = next_segment(&prefix, &length))) {
        if (n >= path->n_segments || strlen(path->segments[n]) != length ||
            memcmp(path->segments[n], segment, length) != 0)
            return 0;
        n++;
    }
    return n;
}

static void allow(struct router_match *match, const char *method)
{
    size_t used = strlen(match->allow);
    const char *also = strcmp(method, "GET") == 0 ? ", HEAD" : "";

    snprintf(match->allow + used, sizeof(match->allow) - used, "%s%s%s", used ? ", " : "", method, also);
}

void router_find(const struct http_route *routes, size_t n_routes, const char *alias_prefix,
                 const struct router_path *path, const char *method, struct router_match *ret_match)
{
    unsigned alias_segments, skip;
    struct fit best = { "" }, fit;

    *ret_match = (struct router_match){ 0 };
    if (path->unroutable)
        return;
    alias_segments = count_prefix(alias_prefix, path);
    for (size_t i = 0; i < n_routes; i++)
        if (row_fits(&routes[i], path, alias_segments, &fit, &skip) &&
            (!ret_match->known || strcmp(fit.segments, best.segments) > 0)) {
            best = fit;
            ret_match->known = &routes[i];
            ret_match->skip = skip;
        }
    for (size_t i = 0; ret_match->known && i < n_routes; i++) {
        if (!row_fits(&routes[i], path, alias_segments, &fit, &skip) || strcmp(fit.segments, best.segments) != 0)
            continue;
        allow(ret_match, routes[i].method);
        if (strcmp(routes[i].method, method) == 0)
            ret_match->route = &routes[i];
    }
}

const char *router_param(const struct router_match *match, const struct router_path *path, const char *name)
{
    const char *pattern = match->route ? match->route->pattern : "", *segment;
    unsigned i = match->skip;
    size_t length;

    while ((segment = next_segment(&pattern, &length))) {
        if (length == 1 && segment[0] == '*')
            return strcmp(name, "*") != 0 ? NULL
                   : i < path->n_segments ? path->text + (path->segments[i] - path->cut)
                                          : "";
        if (is_param(segment, length) && strlen(name) == length - 2 && memcmp(segment + 1, name, length - 2) == 0)
            return path->segments[i];
        i++;
    }
    return NULL;
}

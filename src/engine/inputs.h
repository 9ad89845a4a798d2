/* SPDX-License-Identifier: Apache-2.0 */
/* inputs.h -- which files a run sees under /mnt/data, and at which path (exec.md 10.6). */
#pragma once

#include "engine/execution.h"
#include "engine/workdir.h"

/* Where an input comes from. For one path the earlier group wins; inside a group, the file created last. */
enum input_group {
    INPUT_EXPLICIT, /* the request refers to it */
    INPUT_NATIVE,   /* the session's own */
    INPUT_ALIAS,    /* another session's, to which an earlier request referred */
};

struct input {
    struct file_record record;
    enum input_group group;
    const struct execution_file *reference; /* explicit: the request's entry, borrowed */
    bool mounted;
    bool linked; /* the reference's name is a link to the record's, where this or an input before it is mounted */
    /* set by the harvest */
    bool covered; /* its name was deleted or hidden */
    bool seen;    /* a regular file of its name lies in the writable layer */
    bool changed; /* with other contents */
};

struct inputs {
    struct input *items; /* in the order in which they were mounted */
    size_t n_items;
    struct buffer notes; /* lines for stderr about files whose bytes are lost */
};

#define INPUTS_INIT ((struct inputs){ .notes = BUFFER_INIT(65536) })

/* Resolves the request's references and the session's own files, and makes aliases for foreign references. Returns 0 or
 * a negative errno. */
int inputs_resolve(struct engine *engine, const struct execution_request *request, const char *session_id,
                   struct inputs *inputs);

/* Links them into workdir; those that collide stay unmounted, those whose bytes are lost leave a note. Returns 0 or a
 * negative errno. */
int inputs_mount(struct engine *engine, const struct execution_request *request, struct inputs *inputs,
                 struct workdir *workdir);

/* The mounted input at path, or NULL. */
struct input *inputs_find(struct inputs *inputs, const char *path);

/* True if an input was mounted below this directory (path without trailing slash). */
bool inputs_below(const struct inputs *inputs, const char *directory, size_t length);

/* Marks what a deletion or hiding of path covers: the input there and all below. */
void inputs_cover(struct inputs *inputs, const char *path);

void inputs_deinit(struct inputs *inputs);

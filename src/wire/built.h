/* SPDX-License-Identifier: Apache-2.0 */
/* built.h -- the files that a compiler made, as one run of bytes: collected in a cell, kept by the api, and unpacked in
 * a later cell that runs the same source.
 *
 * A cell's init writes them with the rights of the program it runs, so to the api they are foreign bytes, and to a
 * later cell they are as trustworthy as the source they came from.
 *
 * Layout, integers as the host's: magic, number of files, then each file: path with NUL, 1 if executable, size, bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BUILT_DIR       "/run/build/" /* every path begins with it */
#define BUILT_PATH_SIZE 1024
#define BUILT_FILES_MAX 256
#define BUILT_BYTES_MAX (32u << 20)
#define BUILT_MAGIC     0x544c4942u /* "BILT" */

/* The first bytes. */
struct built_header {
    uint32_t magic, n_files;
};

struct built_file {
    const char *path;
    const void *data;
    size_t size;
    bool executable;
};

/* Walks over files; strings and data point into the bytes. */
struct built_reader {
    const char *at;
    size_t left;
    uint32_t n_files; /* still to come */
};

/* Starts at the first file. Returns 0 or -EBADMSG. */
int built_begin(struct built_reader *reader, const void *bytes, size_t size);

/* Returns 1 with the next file, 0 after the last one, or -EBADMSG: what follows is cut, has a path that leaves
 * BUILT_DIR or has bytes behind the end. */
int built_next(struct built_reader *reader, struct built_file *ret_file);

/* Walks over all. Returns 0 or -EBADMSG. */
int built_check(const void *bytes, size_t size);

/* True if path lies below BUILT_DIR without "." or ".." and is short enough. */
bool built_path_is_valid(const char *path);

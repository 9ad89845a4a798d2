/* SPDX-License-Identifier: Apache-2.0 */
/* build_key.h -- under which key a build is kept: a digest over everything that can change what the compiler makes, and
 * over whose build it is.
 *
 * That is: the tenant and its key, so that nobody ever runs what another's source made; this machine's architecture;
 * the tool chain (the files that the language names and the package database, each by inode, size and times; the
 * guest's files by contents); the source and its name, the environment and the argument vectors of the compile steps,
 * which are packed as for a cell; and every input file by path and contents. The request's arguments are not in it: a
 * compile step never sees them. */
#pragma once

#include "engine/execution.h"
#include "engine/inputs.h"
#include "store/digest.h"

/* What stays the same for the life of a process. */
struct build_key_base {
    int root_fd; /* the tree whose tool chains cells see; -1 = not open */
    uint8_t guest[DIGEST_RAW_SIZE];
};

/* guest_directory: this program's own guest/. Returns 0 or a negative errno. */
int build_key_base_init(struct build_key_base *base, const char *rootfs, const char *guest_directory);
void build_key_base_deinit(struct build_key_base *base);

/* Returns 0 or a negative errno. */
int build_key_make(const struct build_key_base *base, const struct execution_request *request,
                   const struct inputs *inputs, int64_t memory_bytes, char ret_key[static DIGEST_HEX_SIZE]);

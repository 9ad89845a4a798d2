/* SPDX-License-Identifier: Apache-2.0 */
/* spool.h -- bytes that are written once, one after the other, and read at any place: in memory while they are few, in
 * a nameless file of a directory beyond that. Not for two threads at once. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buffer.h"

#define SPOOL_MEMORY_BYTES (64 << 10)

struct spool {
    struct buffer memory; /* all of it, while there is no file */
    int dir_fd;           /* where the file is made; borrowed */
    int fd;               /* -1 = none yet */
    uint64_t size;
};

#define SPOOL_INIT(directory_fd) ((struct spool){ { .ceiling = SPOOL_MEMORY_BYTES }, (directory_fd), -1, 0 })
void spool_deinit(struct spool *spool);

/* Returns 0 or a negative errno, after which nothing of data counts. */
int spool_append(struct spool *spool, const void *data, size_t length);

/* Copies what there is at offset, at most max bytes. Returns how much, or a negative errno. */
ssize_t spool_read(const struct spool *spool, uint64_t offset, void *to, size_t max);

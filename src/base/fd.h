/* SPDX-License-Identifier: Apache-2.0 */
/* fd.h -- whole reads and writes on descriptors. Every descriptor of the program is born close-on-exec. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Reads until size bytes or end of file. Returns the bytes read, or a negative errno. */
ssize_t fd_read_full(int fd, void *data, size_t size);

/* The same from an offset on; where the descriptor stands does not matter, and does not change. */
ssize_t fd_pread_full(int fd, void *data, size_t size, off_t offset);

/* Writes all bytes, waiting as long as it takes. Returns 0 or a negative errno. */
int fd_write_full(int fd, const void *data, size_t size);

enum fd_outcome {
    FD_E_BUSY = 1, /* not without (further) waiting, and nothing was done */
};

/* Writes up to PIPE_BUF bytes at once, or not at all: never waits for whoever reads a pipe, socket or terminal. (Of two
 * that write to one pipe at the same moment the second could still wait, unless it is O_NONBLOCK: fd_stop_waiting().)
 * Returns 0, FD_E_BUSY or a negative errno. */
int fd_offer(int fd, const void *data, size_t size);

/* Takes the lock of an open file against other open file descriptions (flock), waiting up to wait_ms for whoever holds
 * it. It is free again when fd is closed, or by flock(fd, LOCK_UN). Returns 0, FD_E_BUSY or a negative errno. */
int fd_lock(int fd, int wait_ms);

/* Replaces fd, if it is a pipe to write to, by an open file description of its own that never waits; what others have
 * open is left as it is. Does nothing where that cannot be had. */
void fd_stop_waiting(int fd);

/* Writes text to the existing file name below directory dir_fd (a cgroup or proc file) with one write(). Returns 0 or a
 * negative errno. */
int fd_write_at(int dir_fd, const char *name, const char *text);

/* Reads a small file below dir_fd into text (NUL-terminated, cut at size - 1). Returns its length or a negative errno.
 */
ssize_t fd_read_at(int dir_fd, const char *name, char *ret_text, size_t size);

/* Sees to it that no byte and not the size of a memfd (MFD_ALLOW_SEALING) can ever change again, whoever has it open.
 * Fails while it is mapped writable. Returns 0 or a negative errno. */
int fd_seal(int fd);

/* True if fd is memory that is sealed so: what comes from elsewhere can be read twice. */
bool fd_is_sealed(int fd);

/* Makes a memfd that holds exactly these bytes, sealed. Returns 0 or a negative errno; the caller owns *ret_fd. */
int fd_sealed_memory(const char *name, const void *data, size_t size, int *ret_fd);

/* Opens path as a place (O_PATH) in the tree below root_fd, whose links cannot lead out of it. Returns a descriptor
 * that the caller owns, or a negative errno. */
int fd_open_in_root(int root_fd, const char *path);

/* Closes every descriptor above 2 but those listed (n of them, -1 entries ignored). For a process that was forked
 * without exec. */
void fd_close_others(const int *keep, size_t n);

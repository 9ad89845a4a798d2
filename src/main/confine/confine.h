/* SPDX-License-Identifier: Apache-2.0 */
/* confine.h -- the walls that the api puts up around itself once it has opened what it needs, so that whoever takes it
 * over by a hostile request finds a process that can do nothing but what the api does.
 *
 * Two walls, each a table: Landlock for files and for the port (confine_files.c), a system-call filter for everything
 * else (confine_calls.c). Before them the process sees to itself (confine_process.c). Both walls are inherited by every
 * thread made later and neither can be taken down again. Nothing may be started afterwards: no program, no new
 * executable memory. */
#pragma once

#include <stdint.h>

struct confine_options {
    const char *data_dir; /* NULL = none */
    uint16_t port;        /* the one TCP port that may be bound; 0 = none */
};

/* Returns 0, -EPERM if the process is root or has, or may get, a capability, or another negative errno. */
int confine_check_unprivileged(void);

/* Nothing of this process may be read by others or kept on disk: it holds the keys. Sets no_new_privs. Returns 0 or a
 * negative errno. */
int confine_memory(void);

/* The version of Landlock that this kernel speaks; below CONFINE_LANDLOCK_ABI_MIN it is of no use to the api, which
 * moves files between directories. 0 = none. */
#define CONFINE_LANDLOCK_ABI_MIN 2

int confine_landlock_abi(void);

/* Limits the calling thread, and every thread and process it makes from now on, to the files of a table. no_new_privs
 * must be set. Returns 0, -EOPNOTSUPP if the kernel lacks it, or another negative errno. */
int confine_files(const struct confine_options *options);

/* Loads the filter into every thread of the process. Sets no_new_privs. Returns 0 or a negative errno. */
int confine_calls(void);

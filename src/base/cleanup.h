/* SPDX-License-Identifier: Apache-2.0 */
/* cleanup.h -- release at the end of scope, and explicit hand-over.
 *
 *     CLEANUP_CLOSE int fd = open(...);      closed on every return ...
 *     *ret_fd = TAKE_FD(fd);                 ... unless ownership is handed over.
 *
 * An empty descriptor is -1, an empty pointer NULL; every release function accepts the empty value. */
#pragma once

#include <stdlib.h>
#include <unistd.h>

static inline void cleanup_close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void cleanup_free_ptr(void *p)
{
    free(*(void **)p);
}

#define CLEANUP(function) __attribute__((cleanup(function)))
#define CLEANUP_CLOSE     CLEANUP(cleanup_close_fd)
#define CLEANUP_FREE      CLEANUP(cleanup_free_ptr)

#define TAKE_FD(fd)                                                                                                    \
    ({                                                                                                                 \
        int *take_fd_ = &(fd);                                                                                         \
        int taken_fd_ = *take_fd_;                                                                                     \
        *take_fd_ = -1;                                                                                                \
        taken_fd_;                                                                                                     \
    })

#define TAKE_PTR(p)                                                                                                    \
    ({                                                                                                                 \
        __typeof__(p) *take_ptr_ = &(p);                                                                               \
        __typeof__(p) taken_ptr_ = *take_ptr_;                                                                         \
        *take_ptr_ = NULL;                                                                                             \
        taken_ptr_;                                                                                                    \
    })

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

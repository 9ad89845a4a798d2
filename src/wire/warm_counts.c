/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/warm_counts.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x10 /* Linux 5.1 */
#endif

int warm_counts_new(struct warm_counts **ret_counts, int *ret_fd)
{
    CLEANUP_CLOSE int fd = memfd_create("warm", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    void *counts;

    if (fd < 0 || ftruncate(fd, sizeof(struct warm_counts)) < 0)
        return error_from_errno();
    counts = mmap(NULL, sizeof(struct warm_counts), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED)
        return error_from_errno();
    if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_FUTURE_WRITE) < 0) {
        int r = error_from_errno();

        munmap(counts, sizeof(struct warm_counts));
        return r;
    }
    *ret_counts = counts;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int warm_counts_open(int fd, const struct warm_counts **ret_counts)
{
    struct stat st;
    void *counts;

    if (fstat(fd, &st) < 0)
        return error_from_errno();
    if (st.st_size < (off_t)sizeof(struct warm_counts))
        return -EBADMSG;
    counts = mmap(NULL, sizeof(struct warm_counts), PROT_READ, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED)
        return error_from_errno();
    *ret_counts = counts;
    return 0;
}

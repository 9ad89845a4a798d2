/* SPDX-License-Identifier: Apache-2.0 */
#include "cell/scratch.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/cleanup.h"
#include "cell/mount_api.h"

#define BUILD_MB       512
#define SHM_MB         64
#define SCRATCH_INODES "65536"

/* size_bytes 0 stands for what scratch_make() is given. */
static const struct {
    const char *path, *mode;
    uint64_t size_bytes;
} scratches[CELL_SCRATCHES] = {
    [CELL_SCRATCH_TMP] = { "/tmp", "1777", 0 },
    [CELL_SCRATCH_BUILD] = { "/run/build", "0755", (uint64_t)BUILD_MB << 20 },
    [CELL_SCRATCH_SHM] = { "/dev/shm", "1777", (uint64_t)SHM_MB << 20 },
};

int scratch_make(enum cell_scratch which, uid_t uid, uint64_t tmp_bytes, int *ret_fd)
{
    uint64_t bytes = scratches[which].size_bytes ? scratches[which].size_bytes : tmp_bytes;
    char size[32], owner[16];
    struct mount_option mount_options[] = {
        { "size", size }, { "nr_inodes", SCRATCH_INODES }, { "mode", scratches[which].mode }, { "uid", owner },
        { "gid", owner },
    };

    snprintf(size, sizeof(size), "%llu", (unsigned long long)bytes);
    snprintf(owner, sizeof(owner), "%u", uid);
    return mount_new("tmpfs", mount_options, ARRAY_SIZE(mount_options), MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV, ret_fd);
}

int scratch_attach(enum cell_scratch which, int fd)
{
    return mount_attach(fd, AT_FDCWD, scratches[which].path);
}

int scratch_replace(enum cell_scratch which, int fd)
{
    return mount_replace(fd, scratches[which].path);
}

static bool is_same_time(const struct statx_timestamp *a, const struct statx_timestamp *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The times of birth and of change no program can set. */
bool scratch_is_untouched(enum cell_scratch which, int fd)
{
    unsigned wanted = STATX_MODE | STATX_MTIME | STATX_CTIME | STATX_BTIME;
    struct statx of;
    struct statvfs fs;

    if (fd < 0 || fstatvfs(fd, &fs) < 0 || statx(fd, "", AT_EMPTY_PATH, wanted, &of) < 0)
        return false;
    return fs.f_bfree == fs.f_blocks && fs.f_files - fs.f_ffree <= 1 && (of.stx_mask & wanted) == wanted &&
           (of.stx_mode & ALLPERMS) == strtoul(scratches[which].mode, NULL, 8) &&
           is_same_time(&of.stx_btime, &of.stx_ctime) && is_same_time(&of.stx_btime, &of.stx_mtime);
}

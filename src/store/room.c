/* SPDX-License-Identifier: Apache-2.0 */
#include "store/room.h"

#include <stdint.h>
#include <sys/statvfs.h>

/* Of a large disk so many bytes, of a small one that part. */
static const struct {
    uint64_t bytes, part;
} leaves[ROOM_USERS] = {
    [ROOM_OF_AUDIT] = { 2u << 20, 32 },
    [ROOM_OF_RECORDS] = { 4u << 20, 32 },
    [ROOM_OF_BLOBS] = { 8u << 20, 16 },
};

static bool is_left(const struct statvfs *fs, enum room_user user, size_t length)
{
    uint64_t part = (uint64_t)fs->f_blocks * fs->f_frsize / leaves[user].part;
    uint64_t leave = part < leaves[user].bytes ? part : leaves[user].bytes;

    return (uint64_t)fs->f_bavail * fs->f_frsize >= leave + length;
}

/* Where it cannot be found out, the write will tell. */
bool room_is_left(int fd, enum room_user user, size_t length)
{
    struct statvfs fs;

    return fstatvfs(fd, &fs) < 0 || is_left(&fs, user, length);
}

bool room_is_left_at(const char *path, enum room_user user, size_t length)
{
    struct statvfs fs;

    return statvfs(path, &fs) < 0 || is_left(&fs, user, length);
}

/* SPDX-License-Identifier: Apache-2.0 */
/* room.h -- the last of a disk is for what makes room again: a deletion is written down too, and without room for that
 * nothing could be deleted. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* What is about to be written. */
enum room_user {
    ROOM_OF_AUDIT, /* leaves the least: what happens on a full disk has to be told */
    ROOM_OF_RECORDS,
    ROOM_OF_BLOBS, /* leave more, so that records can be written when files have filled the disk */
    ROOM_USERS,
};

/* True if length more bytes on the file system of fd leave what this user has to leave. */
bool room_is_left(int fd, enum room_user user, size_t length);

/* The same by name. A database must not be opened for this: to close it again would end the locks of SQLite. */
bool room_is_left_at(const char *path, enum room_user user, size_t length);

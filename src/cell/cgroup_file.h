/* SPDX-License-Identifier: Apache-2.0 */
/* cgroup_file.h -- the small files that a group is made of, and its end. For cgroup_*.c only. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/cgroup_layout.h"

/* True if a list that is parted by commas or spaces has the name. */
bool cgroup_list_has(const char *list, const char *name);

/* For paths that are known to fit. */
void cgroup_copy_path(char to[static CGROUP_PATH_SIZE], const char *from);

/* The number in a file of a group; a negative errno, -ENOENT also for no group (-1). */
int64_t cgroup_read_number(int dir_fd, const char *name);

/* The same of the line "key value" in a file of such lines; -ENOENT also if there is none. */
int64_t cgroup_read_keyed(int dir_fd, const char *file, const char *key);

/* The same in files that are open already. */
int64_t cgroup_reread_number(int fd);
int64_t cgroup_reread_keyed(int fd, const char *key);

/* Makes the group name below another, or takes over the one that is there, and lets what is in it go on: the keeper
 * before may have died when its cell was frozen. Returns its descriptor, the caller's, or -1 with errno. */
int cgroup_open_below(int dir_fd, const char *name);

/* Removes a group and up to so many levels of groups below it, all without processes. Returns 0 or a negative errno. */
int cgroup_remove_group(int parent_fd, const char *name, unsigned levels);

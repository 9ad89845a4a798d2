/* SPDX-License-Identifier: Apache-2.0 */
#include "main/place/identity.h"

#include <fcntl.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/number.h"

/* Far above what distributions, directories and container engines hand out. */
#define PREFERRED_BASE 2000000000u
#define API_USER       "codecell"

int identity_from_map(const char *map, struct identity *ret_identity)
{
    uint64_t best_start = 0, best_count = 0;

    while (*map) {
        uint64_t inside, outside, count;

        if (!number_take(&map, &inside) || !number_take(&map, &outside) || !number_take(&map, &count))
            break;
        if (inside < PREFERRED_BASE && inside + count >= (uint64_t)PREFERRED_BASE + IDENTITY_CELL_IDS) {
            *ret_identity = (struct identity){ .api_uid = PREFERRED_BASE - 1, .cell_base = PREFERRED_BASE };
            return 0;
        }
        if (count > best_count) {
            best_start = inside;
            best_count = count;
        }
        map = strchrnul(map, '\n');
        map += *map == '\n';
    }
    if (best_count < IDENTITY_CELL_IDS + 2)
        return IDENTITY_E_TOO_FEW;
    ret_identity->cell_base = (uid_t)(best_start + best_count - IDENTITY_CELL_IDS);
    ret_identity->api_uid = ret_identity->cell_base - 1;
    return 0;
}

static int from_file(const char *path, struct identity *ret_identity)
{
    char map[8192];
    ssize_t n = fd_read_at(AT_FDCWD, path, map, sizeof(map));

    return n < 0 ? (int)n : identity_from_map(map, ret_identity);
}

/* An id is used as a user and as a group, so both maps must hold it. */
int identity_find(struct identity *ret_identity)
{
    struct identity users, groups;
    struct passwd *user;
    int r = from_file("/proc/self/uid_map", &users);

    if (r == 0)
        r = from_file("/proc/self/gid_map", &groups);
    if (r != 0)
        return r;
    if (users.cell_base != groups.cell_base)
        return IDENTITY_E_TOO_FEW;
    user = getpwnam(API_USER);
    if (user && user->pw_uid == 0)
        return IDENTITY_E_ROOT;
    *ret_identity = users;
    if (user)
        ret_identity->api_uid = user->pw_uid;
    return 0;
}

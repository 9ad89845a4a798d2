/* SPDX-License-Identifier: Apache-2.0 */
/* identity.h -- which user ids the server uses.
 *
 * The slots of cells get ids from cell_base up, which must be mapped in this user namespace and belong to nobody. The
 * api runs as the user codecell if there is one, else as the id below cell_base. Group ids are the same numbers. */
#pragma once

#include <sys/types.h>

#define IDENTITY_CELL_IDS 4096

enum identity_outcome {
    IDENTITY_E_TOO_FEW = 1, /* this user namespace maps no range of IDENTITY_CELL_IDS + 2 ids */
    IDENTITY_E_ROOT = 2,    /* the user codecell is root */
};

struct identity {
    uid_t api_uid;
    uid_t cell_base;
};

/* Returns 0, an outcome or a negative errno. */
int identity_find(struct identity *ret_identity);

/* The same from the text of a uid_map file ("inside outside count" lines), without looking for a user; for tests.
 * Returns 0, IDENTITY_E_TOO_FEW or a negative errno. */
int identity_from_map(const char *map, struct identity *ret_identity);

/* SPDX-License-Identifier: Apache-2.0 */
/* mapping.h -- what lies where in the memory of this process. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* One line of /proc/self/maps. */
struct mapping {
    uintptr_t from, to;
    uint64_t offset, inode; /* inode 0 = no file */
    char rights[8];         /* "rwxp" or "rwxs", with "-" for each that is missing */
};

/* Reads all mappings of this process, in the order of their addresses, into *ret_mappings, which the caller frees.
 * Returns their number or a negative errno. */
int mappings_read(struct mapping **ret_mappings);

/* True if the mapping is private and has exactly these rights: "rw-". */
bool mapping_is_private(const struct mapping *m, const char *rights);

/* SPDX-License-Identifier: Apache-2.0 */
/* location.h -- where the program's own files are, found from the running executable.
 *
 * In the build tree languages/ and guest/ are those of the source tree; installed they are in ../share/codecell. */
#pragma once

#include <limits.h>

struct location {
    char program[PATH_MAX];   /* this executable */
    char warden[PATH_MAX];    /* codecell-warden beside it */
    char zygote[PATH_MAX];    /* codecell-zygote.so beside it */
    char share[PATH_MAX];     /* the directory that holds languages/, guest/ and selftest/ */
    char languages[PATH_MAX]; /* share/languages */
    char guest[PATH_MAX];     /* share/guest */
    char selftest[PATH_MAX];  /* share/selftest */
};

/* Returns 0 or a negative errno. */
int location_find(struct location *ret_location);

/* The program named from the share directory, if it is below. The api starts there and looks for its files from there:
 * the directories above may be closed to its user, as a home directory is. */
const char *location_program_from_share(const struct location *location);

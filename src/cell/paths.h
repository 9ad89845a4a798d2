/* SPDX-License-Identifier: Apache-2.0 */
/* paths.h -- that nothing but the cell's own root can be reached by a name: Landlock.
 *
 * A program sees no other tree. But whoever speaks with it over a socket may send it a descriptor of a directory
 * elsewhere, and from there a name leads everywhere. */
#pragma once

#include <stdbool.h>

/* Confines the calling process and its children, for ever, to what is found below its root directory; what is mounted
 * there later counts. with_executable: and to the file that it runs, which a zygote's copy has from another tree: to
 * read and to run it. no_new_privs must be set. Returns 0, also on a kernel without Landlock 2 (Linux 5.19), or a
 * negative errno. */
int paths_confine(bool with_executable);

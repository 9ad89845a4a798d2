/* SPDX-License-Identifier: Apache-2.0 */
/* arena.h -- where the Python of a zygote keeps its objects: in one piece of memory, instead of one mapping for each
 * mebibyte between those of its libraries. One piece can lie on huge pages, and is one entry in the page tables' lists
 * that the kernel copies for every copy. */
#pragma once

/* Makes the interpreter take its arenas from here from now on. Does nothing in a process that is no Python, or has no
 * memory to reserve. */
void arena_install(void);

/* Before the first copy: whatever is free in the memory in use so far is taken for good. Else the objects of copies
 * would fill the holes between the zygote's, each of them in another page that must be copied for it. What copies make
 * lies together, in memory that they get by the page. */
void arena_settle(void);

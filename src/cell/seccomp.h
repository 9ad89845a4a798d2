/* SPDX-License-Identifier: Apache-2.0 */
/* seccomp.h -- the system calls of a cell: an allow-list, compiled once, loaded as the last wall.
 *
 * What is not named is ENOSYS, so that programs fall back; what is known and refused is EPERM, so that they can say so.
 * Foreign architectures (32-bit calls, x32) kill the process. */
#pragma once

#include <linux/filter.h>

struct seccomp_filter {
    struct sock_fprog program; /* owned; empty = not compiled */
};

/* For whom a filter is. */
enum seccomp_subject {
    SECCOMP_CELL,
    SECCOMP_ZYGOTE, /* besides what a cell may: clone into groups, enter namespaces, drop rights, confine itself */
    SECCOMP_COPY,   /* a zygote's, which has that one's filter: what is left of both is a cell's. The kernel translates
                       a filter for each copy anew, and this one has twenty instructions instead of eight hundred */
    SECCOMP_SUBJECTS,
};

/* Compiles the filter for this machine's architecture. Returns 0 or a negative errno. */
int seccomp_filter_compile(enum seccomp_subject subject, struct seccomp_filter *ret_filter);
void seccomp_filter_deinit(struct seccomp_filter *filter);

/* Loads it for the calling process and its children, for ever. no_new_privs must be set. Returns 0 or a negative errno.
 */
int seccomp_filter_load(const struct seccomp_filter *filter);

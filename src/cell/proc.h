/* SPDX-License-Identifier: Apache-2.0 */
/* proc.h -- what a cell sees as /proc, made by its init in the new namespaces, before anything else runs there.
 *
 * Two mounts of one instance: the attached one is read-only, so nothing below /proc/sys or /proc/self can be written
 * whoever owns it; the detached one writes the init's user namespace maps later. What tells of the host is masked. */
#pragma once

/* Attaches /proc. Returns 0 and the detached mount that can be written, which the caller owns, or a negative errno. */
int proc_mount(int *ret_writable_fd);

/* The masks are the device node and the empty directory of the read-only root. Returns 0 or a negative errno. */
int proc_mask(void);

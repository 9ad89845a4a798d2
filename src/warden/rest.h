/* SPDX-License-Identifier: Apache-2.0 */
/* rest.h -- a program that has ended well and stands still, for the next one of its session (wire/zygote.h).
 *
 * The program asks for it at the socket where it once waited as a copy of the zygote. Its word is worth no more than
 * its exit with 0 would be: the kernel stops it, with everything that it has made, before anything of it is looked at.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cell/cgroup.h"

/* When the socket is readable. Returns 0 if the program asks to rest, -EAGAIN, or another negative errno: it will not
 * ask any more. *ret_unsaved: it says that it has yet to leave its state. */
int rest_heard(int rest_fd, bool *ret_unsaved);

/* Stops the program. Returns 0 when it stands still, alone, with nothing on its way in either direction of the socket;
 * otherwise it goes on, and the result is a negative errno: -EBUSY if it has left other processes, -EBADMSG if it has
 * said more than it was asked or not taken what it was sent. */
int rest_stop(int rest_fd, struct cgroup_slot *cgroup);

/* Gives a program that stands still what it runs next, lets it go on, and waits until it has taken that. fds as of enum
 * zygote_start_fd, without tools. Returns 0 or a negative errno; then the program has to be killed. */
int rest_go_on(int rest_fd, struct cgroup_slot *cgroup, const int *fds, uint64_t file_bytes_max);

/* Lets a program that stands still leave its state; then it asks to rest again. Returns 0 or a negative errno; then the
 * program has to be killed. */
int rest_save(int rest_fd, struct cgroup_slot *cgroup);

/* Tells the program that nothing comes any more, closes the socket and sets it to -1, if it is open. */
void rest_end(int *rest_fd);

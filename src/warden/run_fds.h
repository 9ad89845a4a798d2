/* SPDX-License-Identifier: Apache-2.0 */
/* run_fds.h -- what a run may bring along.
 *
 * A descriptor is a right, and the one who sends it may have been taken over: a directory would show a program the
 * host's files, a file in the place of a pipe would be one of the host's that it writes, and to close a foreign kind
 * can take its time. So each must be exactly what an api of ours makes; the kernel is asked, not the message. */
#pragma once

#include <stdbool.h>

#include "wire/message.h"

/* Whether these are the descriptors of such a run. Never waits. */
bool run_fds_are_valid(const struct wire_run *run, const int fds[static WIRE_FDS_MAX]);

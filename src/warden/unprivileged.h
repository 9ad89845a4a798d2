/* SPDX-License-Identifier: Apache-2.0 */
/* unprivileged.h -- starting what has no rights: the api and the proxy, which are the same executable. */
#pragma once

#include <sys/types.h>

/* In a child: gives up everything and becomes the program of program_fd, as argv says, with descriptors 0 to 2, and
 * those of fds (n of them) from 3 up. It dies with the warden, at once:
 * who has been taken over would keep the port for itself. SIGHUP, SIGTERM and SIGINT it finds blocked. Exit status 126
 * or 127 says that it could not. */
_Noreturn void unprivileged_become(int program_fd, uid_t uid, char *const argv[], const int *fds, size_t n);

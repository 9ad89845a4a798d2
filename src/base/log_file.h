/* SPDX-License-Identifier: Apache-2.0 */
/* log_file.h -- a log file that root opens for a user who has no rights. */
#pragma once

#include <sys/types.h>

/* Opens name in the open directory to append to, making it if it is not there, and gives it to owner. The directory may
 * be owner's, and so may what lies there: no link is followed, and only a file that is nobody else's is given, by no
 * other name. What is no file, such as a terminal or a pipe, stays whose it is, and is not owner's. Returns 0 (the
 * caller owns *ret_fd) or a negative errno. */
int log_file_open(int dir_fd, const char *name, uid_t owner, int *ret_fd);

/* Makes what the process writes to its standard output and error go there. Returns 0 or a negative errno. */
int log_file_use(int fd);

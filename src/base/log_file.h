/* SPDX-License-Identifier: Apache-2.0 */
/* log_file.h -- a log file that root opens for a user who has no rights. */
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

/* Why what lies where the log file is to be is not opened for owner, in words that follow its path; NULL if it is. */
const char *log_file_refusal(const struct stat *st, uid_t owner);

/* Opens name in the open directory to append to, making it if it is not there, and gives it to owner. The directory may
 * be owner's, and so may what lies there: no link is followed, and only a file that is nobody else's is given, by no
 * other name. What is no file, such as a terminal or a pipe, stays whose it is, and is not owner's. Returns 0 (the
 * caller owns *ret_fd) or a negative errno. */
int log_file_open(int dir_fd, const char *name, uid_t owner, int *ret_fd);

/* Makes what the process writes to its standard output and error go there. Returns 0 or a negative errno. */
int log_file_use(int fd);

/* SPDX-License-Identifier: Apache-2.0 */
/* selftest_eye.h -- what the host sees of cells: processes by their mark, their groups, what is mounted. */
#pragma once

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <sys/types.h>

#define EYE_PIDS_MAX 1024

/* Processes of the host (no zombies) whose name or command line has the mark: the first max of them. */
size_t selftest_eye_find(const char *mark, pid_t *ret_pids, size_t max);

/* Waits until there is one. Returns its pid, or 0. */
pid_t selftest_eye_await(const char *mark, unsigned within_ms);

/* Waits until there is none. Returns how many are left. */
size_t selftest_eye_gone(const char *mark, unsigned within_ms);

/* Waits until none of them runs. Returns how many do; the others are in groups that the kernel has stopped. */
size_t selftest_eye_still(const char *mark, unsigned within_ms, size_t *ret_stopped);

/* One field of /proc/PID/status, without blanks around it. False if there is none. */
bool selftest_eye_status(pid_t pid, const char *field, char *ret_text, size_t size);

/* The directories of a process's control groups: an array of paths. The caller owns it. */
json_t *selftest_eye_groups(pid_t pid);

/* Every directory below the mounted hierarchies of control groups, and every line of the host's mounts: arrays of text
 * that the caller owns. */
json_t *selftest_eye_all_groups(void);
json_t *selftest_eye_mounts(void);

/* The processes below one, with itself. */
size_t selftest_eye_family(pid_t pid, pid_t *ret_pids, size_t max);

/* SPDX-License-Identifier: Apache-2.0 */
/* library.h -- what an interpreter calls to become a zygote. Built as codecell-zygote.so, without any library but the C
 * library, and loaded by the agents in guest/ through the foreign function interface of their language.
 *
 * PRIVILEGED: a zygote holds the right to enter cells (CAP_SYS_ADMIN, CAP_SYS_CHROOT), behind a filter of system calls
 * that leaves it nothing else to do with it. It runs code of the host's distribution only and reads nothing but orders
 * of keepers. Its copies give that right up before they learn what they are to run. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

/* To be called first: prepares the interpreter for being copied (arena.h). */
void zygote_prepare(void);

/* Tells the warden that this process takes orders, and takes them until its socket ends, which ends the process.
 * Returns only in a copy, whose walls are all up: 0. What goes wrong in a copy before that ends the copy. */
int zygote_serve(void);

/* In a copy, when it has done whatever does not depend on the program: says that it is ready, and waits to be told what
 * to run. Returns 0 with its descriptors 0, 1 and 2 and its working directory in place and every other descriptor
 * closed but, in a program that calls tools, 3. */
int zygote_await(void);

/* In a runtime that was started ahead (cell/runtime.h): the same at socket_fd, which is closed. Other descriptors stay,
 * being the interpreter's own. */
int zygote_await_started(int socket_fd);

/* Before that, in a runtime that has more to prepare if its program does not come soon: says once that it is ready, and
 * waits for at most timeout_ms. Returns true if zygote_await_started() would not wait. */
bool zygote_is_awaited(int socket_fd, int timeout_ms);

/* Lets go of the program that it was told, once whatever is needed of that has been copied: zygote_arguments() and
 * zygote_environment() are over. */
void zygote_forget(void);

/* For an R that was started ahead with the null device as its script: the same, after which the script and the
 * arguments of R are the program's. own: the n_own arguments that R has, as .C passes them. */
void zygote_await_r(char **own, const int *n_own);

/* For PHP, all of it in one call: serves orders, and returns in a copy that has its program. mark is the level of error
 * reporting that is set meanwhile, 0 if it is not known where this PHP keeps its exit status. Returns 0 or a negative
 * errno. */
int zygote_serve_php(int mark);

/* In a copy: the arguments and the environment of the step, NULL-terminated, until zygote_rest(). */
char **zygote_arguments(void);
char **zygote_environment(void);

/* How many there are before the NULL. */
size_t zygote_count(char **strings);

/* In a copy whose program has ended well: 1 if it may wait for the next program of the session, and else 0. */
int zygote_may_rest(void);

/* Then, once nothing of that program moves any more: waits. unsaved: 1 = its state has yet to be left. Returns 0 with
 * everything in place for the next one, as zygote_await() does, except that the other descriptors stay; 1 if that state
 * is to be left now, after which the process waits again; or a negative errno if there will be no other program, and
 * the process has to end as it otherwise would. */
int zygote_rest(int unsaved);

/* Moves the private memory that a zygote will share with its copies onto huge pages, as far as the kernel does that: a
 * copy's page tables are then a few kilobytes. To be called last. Returns how many mebibytes were moved. */
int zygote_settle(void);

/* Looks for what copies would share: returns the number of writable memory mappings that are shared, which must be 0,
 * or a negative errno. */
int zygote_shared_mappings(void);

/* To be asked for after zygote_settle(): makes a trial, from which the pages are learnt that every copy takes
 * (pages.h). Returns 0 in the trial, which is to do what a copy does and ends with zygote_report(). */
int zygote_learn(void);
void zygote_report(void);

/* SPDX-License-Identifier: Apache-2.0 */
/* pages.h -- which pages of memory every program needs: those that the interpreter writes to, which are a copy's own
 * from then on, and the code that it runs. They are learnt from a trial, a copy that runs a program nobody sees, and
 * taken by each copy before its program comes: else each of them would cost a page fault of three microseconds.
 *
 * Nothing but time depends on it. Where pages cannot be looked at (no /proc/self/pagemap), none are learnt. */
#pragma once

/* Makes a trial, which is a child of this process, and learns when it has ended. Returns 0 in the trial, which must do
 * what a copy does with a program and end with pages_report(); 1 in the caller, when it is over; or a negative errno,
 * which only means that nothing was learnt. */
int pages_learn(void);

/* In a trial, when its program has ended: reports its pages. Ends the process. */
void pages_report(void) __attribute__((noreturn));

/* In a copy: takes the pages that were learnt. */
void pages_take(void);
